//! Capabilities: those that virtlxcd keeps, and those that no container has unless its definition says
//! so.

use caps::Capability;

/// What virtlxcd keeps, each with what it is for. A controller and a container's init get nothing that
/// is not here, so what containers may have of their own is part of it.
pub const KEPT: &[virt_daemon::privileges::Kept] = &[
    (
        Capability::CAP_AUDIT_WRITE,
        "containers: log-ins write records",
    ),
    (Capability::CAP_CHOWN, "containers: give files away"),
    (
        Capability::CAP_DAC_OVERRIDE,
        "reach roots of containers; containers: root's own",
    ),
    (
        Capability::CAP_DAC_READ_SEARCH,
        "containers: where their definition says so",
    ),
    (Capability::CAP_FOWNER, "containers: change files of others"),
    (Capability::CAP_FSETID, "containers: keep set-ID bits"),
    (Capability::CAP_IPC_LOCK, "containers: lock memory"),
    (
        Capability::CAP_IPC_OWNER,
        "containers: their own IPC objects",
    ),
    (
        Capability::CAP_KILL,
        "end a container; containers: signals to their own",
    ),
    (Capability::CAP_LEASE, "containers: leases on files"),
    (
        Capability::CAP_LINUX_IMMUTABLE,
        "containers: file attributes",
    ),
    (
        Capability::CAP_MAC_ADMIN,
        "load the AppArmor profiles of containers",
    ),
    (Capability::CAP_MKNOD, "make a container's devices"),
    (Capability::CAP_NET_ADMIN, "networks of containers"),
    (Capability::CAP_NET_BIND_SERVICE, "containers: low ports"),
    (Capability::CAP_NET_BROADCAST, "containers: broadcasts"),
    (Capability::CAP_NET_RAW, "containers: ping"),
    (
        Capability::CAP_SETFCAP,
        "containers: capabilities of files; maps of ids",
    ),
    (
        Capability::CAP_SETGID,
        "maps of groups; containers: log-ins",
    ),
    (Capability::CAP_SETPCAP, "take capabilities from containers"),
    (Capability::CAP_SETUID, "maps of users; containers: log-ins"),
    (Capability::CAP_SYS_ADMIN, "namespaces and mounts"),
    (
        Capability::CAP_SYS_BOOT,
        "containers: their own reboot (reboot(2) in a PID namespace)",
    ),
    (
        Capability::CAP_SYS_CHROOT,
        "a container's root; containers: chroot",
    ),
    (Capability::CAP_SYS_NICE, "containers: priorities"),
    (
        Capability::CAP_SYS_PTRACE,
        "look at a container's processes; containers: debuggers",
    ),
    (Capability::CAP_SYS_RESOURCE, "raise limits of containers"),
    (
        Capability::CAP_SYS_TTY_CONFIG,
        "containers: hang up terminals",
    ),
];

/// What a container does not have: each could change the host beyond the container's namespaces.
pub const DROPPED: &[(Capability, &str)] = &[
    (Capability::CAP_AUDIT_CONTROL, "the host's audit rules"),
    (Capability::CAP_AUDIT_READ, "the host's audit records"),
    (Capability::CAP_BLOCK_SUSPEND, "the host's sleep"),
    (Capability::CAP_BPF, "programs in the host's kernel"),
    (
        Capability::CAP_CHECKPOINT_RESTORE,
        "numbers of the host's processes",
    ),
    (
        Capability::CAP_DAC_READ_SEARCH,
        "files of the host, by their handles (open_by_handle_at(2))",
    ),
    (Capability::CAP_MAC_ADMIN, "the host's security policy"),
    (Capability::CAP_MAC_OVERRIDE, "the host's security policy"),
    (Capability::CAP_MKNOD, "devices of the host"),
    (Capability::CAP_PERFMON, "what the host's processors do"),
    (Capability::CAP_SYSLOG, "the host kernel's messages"),
    (Capability::CAP_SYS_MODULE, "modules of the host's kernel"),
    (Capability::CAP_SYS_PACCT, "the host's accounting"),
    (Capability::CAP_SYS_RAWIO, "the host's memory and ports"),
    (Capability::CAP_SYS_TIME, "the host's clock"),
    (Capability::CAP_WAKE_ALARM, "the host's sleep"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_grants_exactly_these() {
        let unit = include_str!("../../systemd/virtlxcd.service");
        let granted = unit
            .lines()
            .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
            .unwrap();
        let mut granted: Vec<_> = granted.split(' ').collect();
        let mut kept: Vec<_> = KEPT.iter().map(|(c, _)| c.to_string()).collect();
        granted.sort_unstable();
        kept.sort_unstable();
        assert_eq!(granted, kept);
    }
}
