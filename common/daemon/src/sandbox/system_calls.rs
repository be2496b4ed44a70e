//! What a small daemon may ask of the kernel (seccomp(2)): everything but what is refused here. What
//! none of them ever does is answered with EPERM, and a bug that does it fails there.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{SeccompAction, SeccompFilter, SeccompRule, TargetArch};

/// A system call that is refused, with why.
pub type Refused = (i64, &'static str);

/// Refused to all of them.
const TO_ALL: &[Refused] = &[
    (libc::SYS_ptrace, "looks into other processes"),
    (libc::SYS_process_vm_readv, "looks into other processes"),
    (libc::SYS_process_vm_writev, "changes other processes"),
    (libc::SYS_kcmp, "looks into other processes"),
    (libc::SYS_mount, "changes what files there are"),
    (libc::SYS_umount2, "changes what files there are"),
    (libc::SYS_move_mount, "changes what files there are"),
    (libc::SYS_open_tree, "changes what files there are"),
    (libc::SYS_fsopen, "changes what files there are"),
    (libc::SYS_fsmount, "changes what files there are"),
    (libc::SYS_mount_setattr, "changes what files there are"),
    (libc::SYS_pivot_root, "changes what files there are"),
    (libc::SYS_chroot, "changes what files there are"),
    (libc::SYS_unshare, "makes namespaces"),
    (libc::SYS_setns, "enters namespaces"),
    (libc::SYS_bpf, "loads programs into the kernel"),
    (libc::SYS_perf_event_open, "watches the whole host"),
    (libc::SYS_init_module, "loads modules"),
    (libc::SYS_finit_module, "loads modules"),
    (libc::SYS_delete_module, "unloads modules"),
    (libc::SYS_kexec_load, "replaces the kernel"),
    (libc::SYS_kexec_file_load, "replaces the kernel"),
    (libc::SYS_reboot, "stops the host"),
    (libc::SYS_settimeofday, "changes the clock"),
    (libc::SYS_clock_settime, "changes the clock"),
    (libc::SYS_adjtimex, "changes the clock"),
    (libc::SYS_sethostname, "changes the host"),
    (libc::SYS_setdomainname, "changes the host"),
    (libc::SYS_syslog, "reads the kernel's log"),
    (libc::SYS_iopl, "reaches for hardware"),
    (libc::SYS_ioperm, "reaches for hardware"),
    (libc::SYS_add_key, "the kernel's keys are nobody's here"),
    (libc::SYS_request_key, "the kernel's keys are nobody's here"),
    (libc::SYS_keyctl, "the kernel's keys are nobody's here"),
    (libc::SYS_userfaultfd, "a tool of attacks, of no use here"),
    (libc::SYS_io_uring_setup, "a way round this filter"),
    (libc::SYS_setuid, "the user stays"),
    (libc::SYS_setgid, "the group stays"),
    (libc::SYS_setresuid, "the user stays"),
    (libc::SYS_setresgid, "the group stays"),
    (libc::SYS_setreuid, "the user stays"),
    (libc::SYS_setregid, "the group stays"),
    (libc::SYS_setgroups, "the groups stay"),
    (libc::SYS_mknodat, "makes devices"),
    (libc::SYS_fchownat, "owners stay"),
    (libc::SYS_symlinkat, "makes links"),
    (libc::SYS_linkat, "makes links"),
    (libc::SYS_open_by_handle_at, "a way round paths"),
    (libc::SYS_name_to_handle_at, "a way round paths"),
    (libc::SYS_swapon, "changes the host's memory"),
    (libc::SYS_swapoff, "changes the host's memory"),
    (libc::SYS_clock_adjtime, "changes the clock"),
    (libc::SYS_acct, "changes the host"),
    (libc::SYS_quotactl, "changes the host"),
    (libc::SYS_mknod, "makes devices"),
    (libc::SYS_chown, "owners stay"),
    (libc::SYS_fchown, "owners stay"),
    (libc::SYS_lchown, "owners stay"),
    (libc::SYS_symlink, "makes links"),
    (libc::SYS_link, "makes links"),
];

/// Refuses what is refused to all, `own` as well, and `some`: calls with certain arguments. This thread
/// and those it makes never get them back.
///
/// # Errors
/// The kernel refuses the filter: a sentence.
pub fn refuse(own: &[Refused], some: Vec<(i64, SeccompRule)>) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| format!("system calls can't be restricted: {e}");
    let always = TO_ALL.iter().chain(own);
    let mut rules: BTreeMap<i64, Vec<_>> =
        always.map(|(number, _)| (*number, Vec::new())).collect();
    rules.extend(some.into_iter().map(|(number, rule)| (number, vec![rule])));
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|e| failed(&e))?;
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(|e| failed(&e))?;
    let program: seccompiler::BpfProgram = filter.try_into().map_err(|e| failed(&e))?;
    seccompiler::apply_filter(&program).map_err(|e| failed(&e))
}
