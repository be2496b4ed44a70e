//! Opening a connection, and what it says about itself.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::LIBVIRT_VERSION;
use virt_rpc::protocol::remote::{
    ConnectGetHostname, ConnectGetHostnameRet, ConnectGetLibVersion, ConnectGetLibVersionRet,
    ConnectGetType, ConnectGetTypeRet, ConnectGetUri, ConnectGetUriRet, ConnectIsSecure,
    ConnectIsSecureRet, ConnectSupportsFeature, ConnectSupportsFeatureRet,
};
use virt_rpc::server::{Call, Router};

use super::session::Session;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<ConnectGetType>(|call| {
        call.session().permit(call)?;
        let r#type = "QEMU".into();
        Ok(ConnectGetTypeRet { r#type })
    });
    router.call::<ConnectGetUri>(|call| {
        let permitted = call.session().permit(call)?;
        let uri = own_uri(call.session().driver(&permitted).paths.is_system());
        Ok(ConnectGetUriRet { uri })
    });
    router.call::<ConnectGetHostname>(hostname);
    router.call::<ConnectGetLibVersion>(|call| {
        call.session().permit(call)?;
        Ok(ConnectGetLibVersionRet {
            lib_ver: LIBVIRT_VERSION,
        })
    });
    // Nobody can listen on a UNIX socket.
    router.call::<ConnectIsSecure>(|_| Ok(ConnectIsSecureRet { secure: 1 }));
    router.call::<ConnectSupportsFeature>(feature);
}

/// The URI of a client that named none.
fn own_uri(system: bool) -> String {
    match system {
        true => "qemu:///system".into(),
        false => "qemu:///session".into(),
    }
}

/// Checks the URI a connection is opened with.
///
/// # Errors
/// NO_CONNECT for another driver's, INTERNAL_ERROR for a path that is not served here.
pub(super) fn check_uri(uri: Option<&str>, system: bool) -> Result<()> {
    let Some(uri) = uri.filter(|uri| !uri.is_empty()) else {
        return Ok(());
    };
    let no_driver = || Error::new(ErrorCode::NoConnect, ErrorDomain::None, uri);
    let (scheme, rest) = uri.split_once(':').ok_or_else(no_driver)?;
    if scheme != "qemu" {
        return Err(no_driver());
    }
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path_start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let path = rest[path_start..].split(['?', '#']).next().unwrap_or("");
    match path {
        "/system" if system => {}
        "/session" => {}
        _ => {
            let what = format!("unexpected qemu URI path '{path}', try {}", own_uri(system));
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                what,
            ));
        }
    }
    Ok(())
}

fn hostname(call: &Call<ConnectGetHostname, Session>) -> Result<ConnectGetHostnameRet> {
    call.session().permit(call)?;
    let host = rustix::system::uname();
    let hostname = host.nodename().to_string_lossy().into_owned();
    Ok(ConnectGetHostnameRet { hostname })
}

/// What the driver can do, by libvirt's numbers (WIRE.md section 5). Keepalive, callback ids of
/// events, close callbacks and passing descriptors are the server's to answer.
fn feature(call: &Call<ConnectSupportsFeature, Session>) -> Result<ConnectSupportsFeatureRet> {
    call.session().permit(call)?;
    let supported = match call.args.feature {
        // Strings in typed parameters, order of the arguments of network updates.
        9 | 16 => true,
        // Definitions another host can read.
        11 => true,
        // Among them all ways of migration, which the stock driver has and this one not yet: a
        // client that is told so says it instead of trying.
        _ => false,
    };
    let supported = supported.into();
    Ok(ConnectSupportsFeatureRet { supported })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_names_the_driver_and_whom_it_serves() {
        for uri in [None, Some(""), Some("qemu:///session?x=1")] {
            assert_eq!(check_uri(uri, false), Ok(()));
        }
        assert_eq!(check_uri(Some("qemu:///system"), true), Ok(()));
        let error = |uri, system| check_uri(Some(uri), system).unwrap_err();
        assert_eq!(
            error("qemu:///foo", true).message(),
            "internal error: unexpected qemu URI path '/foo', try qemu:///system"
        );
        assert_eq!(
            error("qemu:///system", false).message(),
            "internal error: unexpected qemu URI path '/system', try qemu:///session"
        );
        assert!(error("qemu://", true).message().contains("path ''"));
        assert_eq!(
            error("lxc:///system", true).message(),
            "no connection driver available for lxc:///system"
        );
    }
}
