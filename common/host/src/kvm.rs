//! What the kernel's virtual machine monitor says of the host (`/dev/kvm`, Linux'
//! `Documentation/virt/kvm/api.rst`).
#![allow(
    unsafe_code,
    reason = "KVM is asked by ioctl, for which no safe wrapper exists; the arguments are integers, \
              but for one structure that the kernel fills within its bounds"
)]

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

const KVM: u8 = 0xae;

mod call {
    nix::ioctl_write_int_bad!(create_vm, nix::request_code_none!(super::KVM, 0x01));
    nix::ioctl_write_int_bad!(check_extension, nix::request_code_none!(super::KVM, 0x03));
    nix::ioctl_write_int_bad!(create_vcpu, nix::request_code_none!(super::KVM, 0x41));
    nix::ioctl_write_int_bad!(get_tsc_khz, nix::request_code_none!(super::KVM, 0xa3));
    nix::ioctl_readwrite_bad!(
        get_msrs,
        // The size in the number is the one of the header without entries.
        nix::request_code_readwrite!(super::KVM, 0x88, 8),
        super::Msrs
    );
}

/// `struct kvm_msrs` with one entry.
#[repr(C)]
struct Msrs {
    count: u32,
    pad: u32,
    index: u32,
    reserved: u32,
    data: u64,
}

const CAP_NR_VCPUS: i32 = 9;
const CAP_TSC_CONTROL: i32 = 60;
const CAP_GET_TSC_KHZ: i32 = 61;
const CAP_MAX_VCPUS: i32 = 66;

/// The opened device.
#[derive(Debug)]
pub struct Kvm(File);

/// The clock that guests see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tsc {
    /// Ticks per second.
    pub frequency: u64,
    /// Whether guests can be given another rate.
    pub scaling: bool,
}

impl Kvm {
    /// Opens the device; `None` when it is missing or closed to us.
    pub fn open(path: &Path) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
        Some(Self(file))
    }

    fn extension(&self, which: i32) -> Option<u32> {
        // SAFETY: takes an integer and answers with one.
        let answer = unsafe { call::check_extension(self.0.as_raw_fd(), which) };
        u32::try_from(answer.ok()?).ok().filter(|n| *n > 0)
    }

    /// How many virtual CPUs a guest may have.
    pub fn max_vcpus(&self) -> Option<u32> {
        self.extension(CAP_MAX_VCPUS)
            .or_else(|| self.extension(CAP_NR_VCPUS))
    }

    /// The value of a model-specific register that describes features, as guests may see it.
    pub fn feature_register(&self, index: u32) -> Option<u64> {
        let mut msrs = Msrs {
            count: 1,
            pad: 0,
            index,
            reserved: 0,
            data: 0,
        };
        // SAFETY: the kernel reads and writes as many entries as `count` says, which is one.
        let filled = unsafe { call::get_msrs(self.0.as_raw_fd(), &mut msrs) };
        (filled == Ok(1)).then_some(msrs.data)
    }

    /// The rate of the time stamp counter; needs a short-lived virtual machine to ask.
    pub fn tsc(&self) -> Option<Tsc> {
        self.extension(CAP_GET_TSC_KHZ)?;
        // SAFETY: takes the machine's type, an integer; answers with a descriptor of ours.
        let machine = unsafe { call::create_vm(self.0.as_raw_fd(), 0) }.ok()?;
        // SAFETY: the descriptor is new and nobody else's.
        let machine = unsafe { OwnedFd::from_raw_fd(machine) };
        // SAFETY: as for the machine; the integer is the virtual CPU's number.
        let vcpu = unsafe { call::create_vcpu(machine.as_raw_fd(), 0) }.ok()?;
        // SAFETY: as above.
        let vcpu = unsafe { OwnedFd::from_raw_fd(vcpu) };
        // SAFETY: takes nothing, answers with an integer.
        let khz = unsafe { call::get_tsc_khz(vcpu.as_raw_fd(), 0) }.ok()?;
        let khz = u64::try_from(khz).ok().filter(|khz| *khz > 0)?;
        Some(Tsc {
            frequency: khz * 1000,
            scaling: self.extension(CAP_TSC_CONTROL).is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kvm_answers_nothing() {
        assert!(Kvm::open(Path::new("/nonexistent")).is_none());
        let null = Kvm::open(Path::new("/dev/null")).unwrap();
        assert_eq!(null.max_vcpus(), None);
        assert_eq!(null.feature_register(0x10a), None);
        assert_eq!(null.tsc(), None);
    }
}
