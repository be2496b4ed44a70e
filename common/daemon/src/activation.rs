//! Descriptors that systemd hands to the daemon: sockets it opened (WIRE.md section 13,
//! sd_listen_fds(3)) and what the daemon had kept (FDSTORE=1 of sd_notify(3)).

use std::os::fd::{FromRawFd, OwnedFd};

use virt_rpc::server::Role;

use crate::notify::KEPT;

/// What systemd handed over.
#[derive(Debug, Default)]
pub struct Handed {
    /// Listening sockets. When there are some, nothing is bound by path: those that are missing are
    /// not served.
    pub sockets: Vec<(Role, OwnedFd)>,
    /// What an earlier program of the daemon had kept ([`crate::notify::keep`]), by name.
    pub kept: Vec<(String, OwnedFd)>,
}

/// Takes what was handed over. Call once.
///
/// # Errors
/// The names are missing, or one of them is not ours: a sentence for standard error.
pub fn handed(daemon: &str) -> Result<Handed, String> {
    let bad = |e| format!("socket activation: {e}; LISTEN_FDS and LISTEN_FDNAMES don't agree");
    let mut handed = Handed::default();
    for (fd, name) in sd_notify::listen_fds_with_names().map_err(bad)? {
        if let Some(role) = role(daemon, &name) {
            handed.sockets.push((role, own(fd)));
        } else if let Some(name) = name.strip_prefix(KEPT) {
            handed.kept.push((name.to_owned(), own(fd)));
        } else {
            return Err(format!(
                "socket activation: unknown socket name '{name}'; known are {daemon}.socket \
                 and {daemon}-ro, -admin, -records and -metrics.socket (FileDescriptorName= of the unit)"
            ));
        }
    }
    Ok(handed)
}

fn role(daemon: &str, name: &str) -> Option<Role> {
    match name.strip_prefix(daemon)? {
        ".socket" => Some(Role::Main),
        "-ro.socket" => Some(Role::ReadOnly),
        "-admin.socket" => Some(Role::Admin),
        "-records.socket" => Some(Role::Records),
        "-metrics.socket" => Some(Role::Metrics),
        _ => None,
    }
}

#[allow(unsafe_code, reason = "systemd hands descriptors over as bare numbers")]
fn own(fd: i32) -> OwnedFd {
    // SAFETY: LISTEN_PID names this process, so the descriptor was passed to it and nobody else
    // in it has taken it: `handed` is called once, first thing.
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
