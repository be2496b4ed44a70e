//! The daemon's own user. Under systemd it is that from the beginning; when root starts it by hand,
//! it becomes that once its sockets are there. Nothing that it does needs a privilege.

use caps::Capability;
use nix::unistd::{User, setgid, setgroups, setuid};
use virt_daemon::privileges::{self, Kept};

/// What changing the user takes; given up with it.
pub const TO_BECOME_IT: &[Kept] = &[
    (Capability::CAP_SETUID, "become the daemon's own user"),
    (Capability::CAP_SETGID, "become the daemon's own group"),
];

/// Makes the process that user's, for good, if it is root's, and gives every capability up.
///
/// # Errors
/// The system refuses: a sentence.
pub fn become_it(name: &str) -> Result<(), String> {
    let failed = |what: &str, e: &dyn std::fmt::Display| {
        format!("virtacld can't become user '{name}': {what}: {e}")
    };
    if nix::unistd::geteuid().is_root() {
        match User::from_name(name).map_err(|e| failed("it can't be looked up", &e))? {
            Some(user) => {
                setgroups(&[]).map_err(|e| failed("its groups", &e))?;
                setgid(user.gid).map_err(|e| failed("its group", &e))?;
                setuid(user.uid).map_err(|e| failed("its number", &e))?;
            }
            None => tracing::warn!(
                "there is no user '{name}' on this host, so virtacld stays root, without a \
                 privilege; make the user with systemd-sysusers, or name another one in \
                 virtacld.conf (user)"
            ),
        }
    }
    privileges::keep_only(&[])
}
