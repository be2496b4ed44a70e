//! Containers of other tools: `virsh domxml-from-native`.

use virt_driver::api::Session as _;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{ConnectDomainXmlFromNative, ConnectDomainXmlFromNativeRet};
use virt_rpc::server::{Call, Router};

use super::session::Session;
use crate::lxc_tools;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<ConnectDomainXmlFromNative, _, _>(from_native);
}

async fn from_native(
    call: Call<ConnectDomainXmlFromNative, Session>,
) -> Result<ConnectDomainXmlFromNativeRet> {
    let _permitted = call.session().permit(&call)?;
    Session::only(call.args.flags, 0, "ConnectDomainXMLFromNative")?;
    let format = &call.args.nativeFormat;
    if format != "lxc-tools" {
        return Err(Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Lxc,
            format!("unsupported config type {format}"),
        ));
    }
    let config = call.args.nativeConfig.clone();
    let made = tokio::task::spawn_blocking(move || lxc_tools::domain(&config)).await;
    let domain = made.map_err(|_| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Lxc,
            "reading the configuration ended by a fault of the daemon's own; see its log",
        )
    })??;
    Ok(ConnectDomainXmlFromNativeRet {
        domainXml: domain.to_xml(virt_domain::View::default()),
    })
}
