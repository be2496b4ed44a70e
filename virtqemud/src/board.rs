//! What the machine types of QEMU have in common: which board they emulate, and so which buses and
//! built-in devices a guest has.
//!
//! Facts: `query-machines` of QEMU 10.0; WIRE.md section 29.

use virt_domain::Domain;
use virt_domain::arch::Arch;

/// The kind of board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Board {
    /// Intel's 440FX: PCI, IDE, ISA.
    I440fx,
    /// Intel's Q35: PCI Express, SATA, ISA.
    Q35,
    /// ISA only.
    Isapc,
    /// As little as possible: virtio over memory.
    Microvm,
    /// Xen's.
    Xenfv,
    /// Arm's virtual board: PCI Express.
    ArmVirt,
    /// IBM's pSeries: several PCI roots.
    Pseries,
    /// IBM's mainframe: a channel subsystem.
    S390Ccw,
    /// RISC-V's virtual board: PCI Express.
    RiscvVirt,
    /// LoongArch's virtual board: PCI Express.
    LoongarchVirt,
    /// Another one.
    Other,
}

impl Board {
    /// The board of a guest.
    pub fn of(domain: &Domain) -> Self {
        let arch = domain.os.kind.arch.unwrap_or_default();
        Self::named(arch, domain.os.kind.machine.as_deref().unwrap_or_default())
    }

    /// The board of that machine type.
    pub fn named(arch: Arch, machine: &str) -> Self {
        let is = |name: &str| {
            machine == name
                || machine
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('-'))
        };
        match arch {
            Arch::X86_64 | Arch::I686 => match () {
                () if is("q35") || is("pc-q35") => Self::Q35,
                () if is("isapc") => Self::Isapc,
                () if is("microvm") => Self::Microvm,
                () if is("xenfv") => Self::Xenfv,
                () if is("pc") => Self::I440fx,
                () => Self::Other,
            },
            Arch::Ppc64 | Arch::Ppc64le if is("pseries") => Self::Pseries,
            Arch::S390x | Arch::S390 if is("s390-ccw-virtio") || is("s390-ccw") => Self::S390Ccw,
            Arch::Armv7l | Arch::Aarch64 | Arch::Armv6l if is("virt") => Self::ArmVirt,
            Arch::Riscv64 | Arch::Riscv32 if is("virt") => Self::RiscvVirt,
            Arch::Loongarch64 if is("virt") => Self::LoongarchVirt,
            _ => Self::Other,
        }
    }

    /// Whether its root bus is PCI Express.
    pub fn has_pcie_root(self) -> bool {
        matches!(
            self,
            Self::Q35 | Self::ArmVirt | Self::RiscvVirt | Self::LoongarchVirt
        )
    }

    /// Whether it has an IDE controller.
    pub fn has_builtin_ide(self) -> bool {
        matches!(self, Self::I440fx | Self::Isapc | Self::Xenfv)
    }

    /// Whether its floppy controller is a device of its own rather than built in.
    pub fn has_explicit_fdc(self) -> bool {
        self == Self::Q35
    }

    /// Whether it has an ISA bus.
    pub fn has_isa(self) -> bool {
        matches!(
            self,
            Self::I440fx | Self::Q35 | Self::Isapc | Self::Microvm | Self::Xenfv
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_type_is_an_alias_or_a_version_of_its_board() {
        for (machine, board) in [
            ("pc", Board::I440fx),
            ("pc-i440fx-10.0", Board::I440fx),
            ("pc-1.3", Board::I440fx),
            ("q35", Board::Q35),
            ("pc-q35-rhel9.6.0", Board::Q35),
            ("isapc", Board::Isapc),
            ("microvm", Board::Microvm),
            ("pcx", Board::Other),
        ] {
            assert_eq!(Board::named(Arch::X86_64, machine), board, "{machine}");
        }
        assert_eq!(Board::named(Arch::Aarch64, "virt-4.2"), Board::ArmVirt);
        assert_eq!(Board::named(Arch::S390x, "virt"), Board::Other);
    }
}
