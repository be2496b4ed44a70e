//! System calls that no container makes (seccomp(2)): each reaches past the container's namespaces, and
//! what guards it in the kernel is a capability that its root may have for something else.
//!
//! The filter holds whichever of the processor's calling conventions is used. It leaves set-user-ID
//! programs as they are: it is installed by who may do so without `no_new_privs`.

use caps::Capability;
use nix::libc;

/// A call that is refused.
#[derive(Debug)]
struct Refused {
    /// Its number here.
    native: i64,
    /// Its number for 32-bit programs of x86 (the kernel's `syscall_32.tbl`).
    i386: u32,
    /// What it would do.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reader"))]
    why: &'static str,
    /// A definition that names this capability asks for the call as well; none: nobody gets it.
    with: Option<Capability>,
}

const fn refused(native: i64, i386: u32, why: &'static str, with: Option<Capability>) -> Refused {
    Refused {
        native,
        i386,
        why,
        with,
    }
}

use Capability::{
    CAP_BPF, CAP_DAC_READ_SEARCH, CAP_PERFMON, CAP_SYS_BOOT, CAP_SYS_MODULE, CAP_SYSLOG,
};

/// All of them.
const REFUSED: &[Refused] = &[
    refused(
        libc::SYS_kexec_load,
        283,
        "replaces the host's kernel",
        Some(CAP_SYS_BOOT),
    ),
    #[cfg(target_arch = "x86_64")]
    refused(
        libc::SYS_kexec_file_load,
        NONE,
        "replaces the host's kernel",
        Some(CAP_SYS_BOOT),
    ),
    refused(
        libc::SYS_init_module,
        128,
        "loads into the host's kernel",
        Some(CAP_SYS_MODULE),
    ),
    refused(
        libc::SYS_finit_module,
        350,
        "loads into the host's kernel",
        Some(CAP_SYS_MODULE),
    ),
    refused(
        libc::SYS_delete_module,
        129,
        "unloads from the host's kernel",
        Some(CAP_SYS_MODULE),
    ),
    refused(
        libc::SYS_open_by_handle_at,
        342,
        "opens any file of a file system, whatever part of it is seen",
        Some(CAP_DAC_READ_SEARCH),
    ),
    refused(
        libc::SYS_bpf,
        357,
        "loads programs into the host's kernel",
        Some(CAP_BPF),
    ),
    refused(
        libc::SYS_perf_event_open,
        336,
        "watches the whole host",
        Some(CAP_PERFMON),
    ),
    refused(
        libc::SYS_syslog,
        103,
        "reads and clears the host kernel's log",
        Some(CAP_SYSLOG),
    ),
    refused(libc::SYS_swapon, 87, "changes the host's memory", None),
    refused(libc::SYS_swapoff, 115, "changes the host's memory", None),
    refused(
        libc::SYS_quotactl,
        131,
        "changes the quotas of a file system of the host",
        None,
    ),
    refused(
        libc::SYS_quotactl_fd,
        443,
        "changes the quotas of a file system of the host",
        None,
    ),
];

/// No number of a call.
const NONE: u32 = u32::MAX;

/// In programs of x32 this bit is added to the numbers of x86-64.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// x32 has a number of its own for this one (the kernel's `syscall_64.tbl`).
#[cfg(target_arch = "x86_64")]
const X32_KEXEC_LOAD: u32 = 528;

/// Numbers of calling conventions (`linux/audit.h`).
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const NATIVE: u32 = 0xc000_00f3;
#[cfg(target_arch = "x86_64")]
const I386: u32 = 0x4000_0003;

/// Where the kernel shows a filter the call's number and its convention (`struct seccomp_data`).
const NUMBER: u32 = 0;
const CONVENTION: u32 = 4;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// One instruction. Jumps are so many instructions ahead.
fn step(code: u32, value: u32, if_so: u8, if_not: u8) -> libc::sock_filter {
    libc::sock_filter {
        // All codes of this language fit.
        code: code as u16,
        jt: if_so,
        jf: if_not,
        k: value,
    }
}

fn answer(error: i32) -> libc::sock_filter {
    step(RETURN, libc::SECCOMP_RET_ERRNO | error.unsigned_abs(), 0, 0)
}

/// The filter of a container whose definition names these capabilities by their numbers.
pub fn filter(granted: &[u8]) -> Vec<libc::sock_filter> {
    let has = |with: Option<Capability>| with.is_some_and(|one| granted.contains(&one.index()));
    let all = REFUSED.iter().filter(|one| !has(one.with));
    let all: Vec<&Refused> = all.collect();
    let native = |one: &&Refused| u32::try_from(one.native).unwrap_or(NONE);
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
    let mut conventions = vec![(NATIVE, all.iter().map(native).collect::<Vec<_>>())];
    #[cfg(target_arch = "x86_64")]
    {
        let x32 = |one: &&Refused| match one.native {
            libc::SYS_kexec_load => X32_KEXEC_LOAD | X32,
            _ => native(one) | X32,
        };
        let own = all.iter().map(native).chain(all.iter().map(x32));
        conventions = vec![
            (NATIVE, own.collect()),
            (I386, all.iter().map(|one| one.i386).collect()),
        ];
    }
    let mut program = vec![step(LOAD, CONVENTION, 0, 0)];
    for (convention, numbers) in conventions {
        let numbers = numbers.into_iter().filter(|number| *number != NONE);
        // Each number has a jump past itself and the answer after it: no distance is ever long.
        let block = numbers.flat_map(|number| [step(IF_EQUAL, number, 0, 1), answer(libc::EPERM)]);
        let block: Vec<_> = [step(LOAD, NUMBER, 0, 0)]
            .into_iter()
            .chain(block)
            .chain([step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0)])
            .collect();
        let past = u8::try_from(block.len()).unwrap_or(u8::MAX);
        program.push(step(IF_EQUAL, convention, 0, past));
        program.extend(block);
    }
    // Programs of another convention, of which nothing is known here.
    program.push(answer(libc::ENOSYS));
    program
}

/// Has this process, and all that come from it, keep to a filter.
///
/// # Errors
/// A sentence; who may not administrate its user namespace can't.
#[allow(
    unsafe_code,
    reason = "seccomp(2) has no safe interface that leaves no_new_privs"
)]
pub fn keep_to(filter: &mut [libc::sock_filter]) -> Result<(), String> {
    let len = u16::try_from(filter.len()).map_err(|e| format!("system calls: {e}"))?;
    let program = libc::sock_fprog {
        len,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program's length is that of the slice, and the kernel reads it during the call only.
    let kept = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    match kept {
        0 => Ok(()),
        _ => Err(format!(
            "system calls can't be restricted: {}",
            std::io::Error::last_os_error()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers, by the rules of its language.
    fn answers(filter: &[libc::sock_filter], convention: u32, number: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = filter[at];
            at += 1;
            match u32::from(step.code) {
                LOAD if step.k == NUMBER => value = number,
                LOAD => value = convention,
                IF_EQUAL if value == step.k => at += usize::from(step.jt),
                IF_EQUAL => at += usize::from(step.jf),
                _ => return step.k,
            }
        }
    }

    #[test]
    fn what_is_refused_is_refused_in_every_convention() {
        let eperm = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        let program = filter(&[]);
        let getpid = u32::try_from(libc::SYS_getpid).unwrap();
        assert_eq!(answers(&program, NATIVE, getpid), libc::SECCOMP_RET_ALLOW);
        for one in REFUSED {
            let number = u32::try_from(one.native).unwrap();
            assert_eq!(answers(&program, NATIVE, number), eperm, "{}", one.why);
        }
        let other = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
        assert_eq!(answers(&program, 1, getpid), other);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_other_conventions_of_the_processor_are_no_way_round() {
        let eperm = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        let program = filter(&[]);
        // getpid, and kexec_load of x32.
        assert_eq!(answers(&program, I386, 20), libc::SECCOMP_RET_ALLOW);
        assert_eq!(answers(&program, NATIVE, 39 | X32), libc::SECCOMP_RET_ALLOW);
        assert_eq!(answers(&program, NATIVE, 528 | X32), eperm);
        assert_eq!(answers(&program, NATIVE, 175 | X32), eperm);
        for one in REFUSED.iter().filter(|one| one.i386 != NONE) {
            assert_eq!(answers(&program, I386, one.i386), eperm, "{}", one.why);
        }
    }

    #[test]
    fn a_capability_that_is_named_brings_its_calls() {
        let program = filter(&[CAP_SYS_MODULE.index()]);
        let answer = |number: i64| answers(&program, NATIVE, u32::try_from(number).unwrap());
        assert_eq!(answer(libc::SYS_init_module), libc::SECCOMP_RET_ALLOW);
        assert_ne!(answer(libc::SYS_kexec_load), libc::SECCOMP_RET_ALLOW);
        assert_ne!(answer(libc::SYS_swapon), libc::SECCOMP_RET_ALLOW);
    }
}
