//! Opening a connection, and what it says about itself.

use virt_driver::api::Session as _;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::LIBVIRT_VERSION;
use virt_rpc::protocol::remote::{
    ConnectGetHostname, ConnectGetHostnameRet, ConnectGetLibVersion, ConnectGetLibVersionRet,
    ConnectGetType, ConnectGetTypeRet, ConnectGetUri, ConnectGetUriRet, ConnectGetVersion,
    ConnectGetVersionRet, ConnectIsSecure, ConnectIsSecureRet, ConnectSupportsFeature,
    ConnectSupportsFeatureRet,
};
use virt_rpc::server::Router;

use super::session::Session;

const URI: &str = "lxc:///system";

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<ConnectGetType>(|call| {
        call.session().permit(call)?;
        let r#type = "LXC".into();
        Ok(ConnectGetTypeRet { r#type })
    });
    router.call::<ConnectGetUri>(|call| {
        call.session().permit(call)?;
        let uri = URI.into();
        Ok(ConnectGetUriRet { uri })
    });
    router.call::<ConnectGetHostname>(|call| {
        call.session().permit(call)?;
        let host = rustix::system::uname();
        let hostname = host.nodename().to_string_lossy().into_owned();
        Ok(ConnectGetHostnameRet { hostname })
    });
    router.call::<ConnectGetLibVersion>(|call| {
        call.session().permit(call)?;
        Ok(ConnectGetLibVersionRet {
            lib_ver: LIBVIRT_VERSION,
        })
    });
    // What runs containers is the kernel.
    router.call::<ConnectGetVersion>(|call| {
        call.session().permit(call)?;
        let host = rustix::system::uname();
        let hv_ver = version(&host.release().to_string_lossy());
        Ok(ConnectGetVersionRet { hv_ver })
    });
    // Nobody can listen on a UNIX socket.
    router.call::<ConnectIsSecure>(|_| Ok(ConnectIsSecureRet { secure: 1 }));
    // Strings in typed parameters, order of the arguments of network updates (WIRE.md section 5).
    router.call::<ConnectSupportsFeature>(|call| {
        call.session().permit(call)?;
        let supported = matches!(call.args.feature, 9 | 16).into();
        Ok(ConnectSupportsFeatureRet { supported })
    });
}

/// A release of the kernel as libvirt counts: major * 1000000 + minor * 1000 + micro.
fn version(release: &str) -> u64 {
    let numbers = release.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<u64> = numbers.map_while(|number| number.parse().ok()).collect();
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0).min(999);
    at(0) * 1_000_000 + at(1) * 1000 + at(2)
}

/// Checks the URI a connection is opened with.
///
/// # Errors
/// NO_CONNECT for another driver's, INTERNAL_ERROR for a path that is not served here.
pub(super) fn check_uri(uri: Option<&str>) -> Result<()> {
    let Some(uri) = uri.filter(|uri| !uri.is_empty()) else {
        return Ok(());
    };
    let no_driver = || Error::new(ErrorCode::NoConnect, ErrorDomain::None, uri);
    let (scheme, rest) = uri.split_once(':').ok_or_else(no_driver)?;
    if scheme != "lxc" {
        return Err(no_driver());
    }
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path_start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let path = rest.get(path_start..).unwrap_or_default();
    match path.split(['?', '#']).next().unwrap_or_default() {
        "" | "/" | "/system" => Ok(()),
        path => Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Lxc,
            format!("Unexpected LXC URI path '{path}', try {URI}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_names_the_driver() {
        for uri in [
            None,
            Some("lxc:///system"),
            Some("lxc:///"),
            Some("lxc:///system?socket=/a"),
        ] {
            assert_eq!(check_uri(uri), Ok(()));
        }
        assert!(check_uri(Some("lxc:///session")).is_err());
        assert!(check_uri(Some("qemu:///system")).is_err());
    }

    #[test]
    fn the_kernels_release_is_a_number() {
        assert_eq!(version("6.18.44-fc-v857"), 6_018_044);
        assert_eq!(version("6.1"), 6_001_000);
    }
}
