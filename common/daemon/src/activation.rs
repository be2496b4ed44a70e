//! Sockets that systemd opened for the daemon (WIRE.md section 13, sd_listen_fds(3)).

use std::os::fd::{FromRawFd, OwnedFd};

use virt_rpc::server::Role;

/// The sockets handed over, or `None` when the daemon was not started that way. Sockets that were
/// not handed over are then not served; nothing is bound by path.
///
/// # Errors
/// The names are missing, or one of them is not ours: a sentence for standard error.
pub fn sockets(daemon: &str) -> Result<Option<Vec<(Role, OwnedFd)>>, String> {
    let bad = |e| format!("socket activation: {e}; LISTEN_FDS and LISTEN_FDNAMES don't agree");
    let named: Vec<_> = sd_notify::listen_fds_with_names().map_err(bad)?.collect();
    if named.is_empty() {
        return Ok(None);
    }
    let mut sockets = Vec::with_capacity(named.len());
    for (fd, name) in named {
        let role = role(daemon, &name).ok_or_else(|| {
            format!(
                "socket activation: unknown socket name '{name}'; known are {daemon}.socket, \
                 {daemon}-ro.socket and {daemon}-admin.socket (FileDescriptorName= of the unit)"
            )
        })?;
        sockets.push((role, own(fd)));
    }
    Ok(Some(sockets))
}

fn role(daemon: &str, name: &str) -> Option<Role> {
    match name.strip_prefix(daemon)? {
        ".socket" => Some(Role::Main),
        "-ro.socket" => Some(Role::ReadOnly),
        "-admin.socket" => Some(Role::Admin),
        _ => None,
    }
}

#[allow(unsafe_code, reason = "systemd hands descriptors over as bare numbers")]
fn own(fd: i32) -> OwnedFd {
    // SAFETY: LISTEN_PID names this process, so the descriptor was passed to it and nobody else
    // in it has taken it: `sockets` is called once, first thing.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_role() {
        assert_eq!(
            role("virtqemud", "virtqemud-ro.socket"),
            Some(Role::ReadOnly)
        );
        assert_eq!(role("virtqemud", "virtqemud.socket"), Some(Role::Main));
        assert_eq!(role("virtqemud", "virtlxcd.socket"), None);
    }
}
