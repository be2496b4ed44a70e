//! The capabilities that starting and ending guests takes.

use caps::Capability;

/// Each with what it is for; everything else is given up at start.
pub const KEPT: &[virt_daemon::privileges::Kept] = &[
    (
        Capability::CAP_CHOWN,
        "give a guest's files to QEMU's user and back",
    ),
    (
        Capability::CAP_DAC_OVERRIDE,
        "look at images of other users and open them for guests",
    ),
    (
        Capability::CAP_FOWNER,
        "change permissions of files that are QEMU's user's",
    ),
    (Capability::CAP_KILL, "end a QEMU that runs as another user"),
    (
        Capability::CAP_NET_ADMIN,
        "make taps and join them to bridges",
    ),
    (Capability::CAP_SETGID, "start QEMU as its own group"),
    (Capability::CAP_SETUID, "start QEMU as its own user"),
    (
        Capability::CAP_SYS_ADMIN,
        "remember owners in trusted attributes; libvirt's names for them are there",
    ),
    (
        Capability::CAP_SYS_NICE,
        "pin a guest's threads to processors",
    ),
    (
        Capability::CAP_SYS_PTRACE,
        "read what a QEMU of another user has open and used (/proc/PID)",
    ),
    (
        Capability::CAP_SYS_RESOURCE,
        "raise a guest's limits, such as locked memory",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Setting the bounding set takes one more, which is given up with it.
    #[test]
    fn the_unit_grants_exactly_these() {
        let unit = include_str!("../../systemd/virtqemud.service");
        let granted = unit
            .lines()
            .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
            .unwrap();
        let mut granted: Vec<_> = granted.split(' ').filter(|c| *c != "CAP_SETPCAP").collect();
        let kept: Vec<_> = KEPT.iter().map(|(c, _)| c.to_string()).collect();
        granted.sort_unstable();
        assert_eq!(granted, kept);
    }
}
