//! What a client asks about: any part left out is chosen for it.

use virt_domain::{Arch, VirtType};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::Subject;
use crate::caps::{Accel, QemuCaps};

/// The accelerator that a guest of a kind uses.
pub fn accel_of(virt: VirtType) -> Accel {
    match virt {
        VirtType::Kvm => Accel::Kvm,
        VirtType::Hvf => Accel::Hvf,
        _ => Accel::Tcg,
    }
}

/// The kind of guest that uses an accelerator.
fn kind_of(accel: Accel) -> VirtType {
    match accel {
        Accel::Kvm => VirtType::Kvm,
        Accel::Hvf => VirtType::Hvf,
        Accel::Tcg => VirtType::Qemu,
    }
}

/// The parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Path of the binary.
    pub emulator: Option<String>,
    /// The guest's architecture.
    pub arch: Option<Arch>,
    /// Name of the machine.
    pub machine: Option<String>,
    /// The kind of guest.
    pub virt: Option<VirtType>,
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, detail)
}

impl Request {
    /// A request in a client's words.
    ///
    /// # Errors
    /// INVALID_ARG for an architecture or kind of guest that doesn't exist.
    pub fn new(
        emulator: Option<String>,
        arch: Option<&str>,
        machine: Option<String>,
        virt: Option<&str>,
    ) -> Result<Self> {
        let virt = virt
            .map(|word| {
                VirtType::from_word(word)
                    .ok_or_else(|| invalid(format!("unknown virttype: {word}")))
            })
            .transpose()?;
        let arch = arch
            .map(|word| {
                Arch::from_word(word)
                    .ok_or_else(|| invalid(format!("unknown architecture: {word}")))
            })
            .transpose()?;
        Ok(Self {
            emulator,
            arch,
            machine,
            virt,
        })
    }

    /// What it is about, with a binary that may be the one named.
    ///
    /// # Errors
    /// INVALID_ARG when the binary is of another architecture, can't run that kind of guest or
    /// lacks the machine.
    pub fn about<'a>(&'a self, caps: &'a QemuCaps) -> Result<Subject<'a>> {
        let emulator = &caps.emulator;
        let own = Arch::from_word(&caps.arch)
            .ok_or_else(|| invalid(format!("emulator '{emulator}' is for '{}'", caps.arch)))?;
        let arch = self.arch.unwrap_or(own);
        if !serves(own, arch) {
            return Err(invalid(format!(
                "architecture from emulator '{own}' doesn't match given architecture '{arch}'"
            )));
        }
        let best = caps.best_accel().map_or(Accel::Tcg, |best| best.accel);
        let virt = self.virt.unwrap_or(kind_of(best));
        let supported = match virt {
            VirtType::Qemu => caps.accel(Accel::Tcg).is_some() || best != Accel::Tcg,
            VirtType::Kvm | VirtType::Hvf => caps.accel(accel_of(virt)).is_some(),
            _ => false,
        };
        if !supported {
            return Err(invalid(format!(
                "Emulator '{emulator}' does not support virt type '{}'",
                virt.word()
            )));
        }
        let machine = match &self.machine {
            Some(name) => caps.machine(accel_of(virt), name).ok_or_else(|| {
                invalid(format!(
                    "the machine '{name}' is not supported by emulator '{emulator}'"
                ))
            })?,
            None => caps
                .default_machine(accel_of(virt))
                .or_else(|| caps.accel(accel_of(virt))?.machines.first())
                .ok_or_else(|| invalid(format!("emulator '{emulator}' has no machine")))?,
        };
        Ok(Subject {
            caps,
            arch,
            virt,
            machine,
        })
    }
}

/// Whether a binary runs guests of an architecture: its own, or the 32-bit one it grew from.
fn serves(binary: Arch, arch: Arch) -> bool {
    binary == arch
        || matches!(
            (binary, arch),
            (Arch::X86_64, Arch::I686)
                | (Arch::Aarch64, Arch::Armv7l)
                | (Arch::Ppc64, Arch::Ppc64le)
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_refused_in_libvirts_sentences() {
        let error = |arch, virt| {
            let request = Request::new(None, arch, None, virt);
            request.unwrap_err().message().to_owned()
        };
        assert_eq!(
            error(Some("nonsense"), None),
            "invalid argument: unknown architecture: nonsense"
        );
        assert_eq!(
            error(None, Some("nonsense")),
            "invalid argument: unknown virttype: nonsense"
        );
    }
}
