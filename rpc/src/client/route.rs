//! From a URI to a socket (WIRE.md section 12).

use std::path::{Path, PathBuf};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::Uri;

/// Which daemon serves a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The driver's own daemon if its socket is there, else the monolithic one if that is there.
    Auto,
    /// The monolithic daemon.
    Legacy,
    /// The driver's own daemon.
    Direct,
}

/// Where sockets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `/run/libvirt`, or below another root.
    pub system: PathBuf,
    /// `$XDG_RUNTIME_DIR/libvirt` of this user.
    pub session: PathBuf,
    /// Whether this process is root: then `/session` is served like `/system` by its own daemon,
    /// in the system's place.
    pub root: bool,
}

/// A socket, and what to say there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Path of the socket; one that starts with `@` is abstract.
    pub socket: PathBuf,
    /// The URI the daemon is told.
    pub uri: String,
}

impl Route {
    /// The socket that serves `uri`. `exists` says whether a path is there.
    pub fn of(
        uri: &Uri,
        mode: Mode,
        readonly: bool,
        places: &Places,
        exists: impl Fn(&Path) -> bool,
    ) -> Result<Self> {
        if !uri.server.is_empty() || uri.transport.as_deref().is_some_and(|t| t != "unix") {
            return Err(Error::new(
                ErrorCode::NoSupport,
                ErrorDomain::Rpc,
                format!("{uri}: only UNIX sockets of this machine can be connected to"),
            ));
        }
        let told = uri.for_daemon();
        if let Some(socket) = uri.parameter("socket") {
            return Ok(Self {
                socket: socket.into(),
                uri: told,
            });
        }
        let mode = match uri.parameter("mode").as_deref() {
            None => mode,
            Some("auto") => Mode::Auto,
            Some("legacy") => Mode::Legacy,
            Some("direct") => Mode::Direct,
            Some(other) => {
                return Err(Error::new(
                    ErrorCode::InvalidArg,
                    ErrorDomain::Uri,
                    format!("{uri}: mode '{other}' is not one of auto, legacy, direct"),
                ));
            }
        };
        let session = !places.root && uri.path == "/session";
        let (folder, suffix) = match session {
            true => (&places.session, ""),
            false if readonly => (&places.system, "-ro"),
            false => (&places.system, ""),
        };
        let direct = folder.join(format!("virt{}d-sock{suffix}", uri.driver));
        let legacy = folder.join(format!("libvirt-sock{suffix}"));
        let socket = match mode {
            Mode::Legacy => legacy,
            Mode::Auto if !exists(&direct) && exists(&legacy) => legacy,
            Mode::Auto | Mode::Direct => direct,
        };
        Ok(Self { socket, uri: told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(uri: &str, readonly: bool, root: bool, there: &[&str]) -> String {
        let places = Places {
            system: "/run/libvirt".into(),
            session: "/run/user/1/libvirt".into(),
            root,
        };
        let route = Route::of(
            &Uri::parse(uri).unwrap(),
            Mode::Auto,
            readonly,
            &places,
            |path| there.iter().any(|there| path == Path::new(there)),
        );
        route.unwrap().socket.display().to_string()
    }

    #[test]
    fn the_drivers_own_daemon_comes_first() {
        let (own, legacy) = ("/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock");
        assert_eq!(socket("qemu:///system", false, true, &[own, legacy]), own);
        assert_eq!(socket("qemu:///system", false, true, &[legacy]), legacy);
        assert_eq!(socket("qemu:///system", false, true, &[]), own);
        assert_eq!(
            socket("qemu:///system?mode=legacy", false, true, &[own]),
            legacy
        );
    }

    #[test]
    fn read_only_sessions_use_the_one_socket_there_is() {
        assert_eq!(
            socket("network:///system", true, false, &[]),
            "/run/libvirt/virtnetworkd-sock-ro"
        );
        assert_eq!(
            socket("qemu:///session", true, false, &[]),
            "/run/user/1/libvirt/virtqemud-sock"
        );
        assert_eq!(socket("qemu:///x?socket=@a", true, false, &[]), "@a");
    }
}
