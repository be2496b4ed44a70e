//! Whether KVM can be used. That `/dev/kvm` exists is no proof: it may be closed to us, and on
//! a paravirtual host (no `vmx` or `svm`) it runs firmware but no Linux.

use std::fs;

use serde::{Deserialize, Serialize};

/// What `/dev/kvm` is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The device is missing.
    Missing,
    /// It is there but not for us: its group (usually `kvm`) has to let us in.
    Forbidden,
    /// It opens, but the processor has no virtualisation of its own: don't rely on it.
    Paravirtual,
    /// It opens and the processor can.
    Usable,
}

impl State {
    /// Whether QEMU can use it at all.
    pub fn can_open(self) -> bool {
        matches!(self, Self::Paravirtual | Self::Usable)
    }

    /// Whether it should be preferred over TCG.
    pub fn is_usable(self) -> bool {
        self == Self::Usable
    }
}

/// Looks now.
pub fn state() -> State {
    match fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
    {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => State::Forbidden,
        Err(_) => State::Missing,
        Ok(_) => {
            let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            judge(&cpuinfo)
        }
    }
}

fn judge(cpuinfo: &str) -> State {
    let Some(flags) = cpuinfo.lines().find(|line| line.starts_with("flags")) else {
        // Other architectures don't list it; there the device alone says it.
        return State::Usable;
    };
    match flags
        .split_ascii_whitespace()
        .any(|flag| flag == "vmx" || flag == "svm")
    {
        true => State::Usable,
        false => State::Paravirtual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_without_virtualisation_is_paravirtual() {
        assert_eq!(judge("flags\t\t: fpu vme svm_lock"), State::Paravirtual);
        assert_eq!(judge("flags\t\t: fpu svm vme"), State::Usable);
        assert_eq!(judge("flags\t\t: fpu vmx"), State::Usable);
        assert_eq!(judge("Features\t: fp asimd"), State::Usable);
    }
}
