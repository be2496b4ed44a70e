//! Architectures, hypervisors and kinds of operating systems by libvirt's names.

use virt_xml::Words;

/// What runs the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "libvirt's names of hypervisors")]
pub enum VirtType {
    #[default]
    Qemu,
    Kqemu,
    Kvm,
    Xen,
    Lxc,
    Uml,
    Openvz,
    Test,
    Vmware,
    Hyperv,
    Vbox,
    Phyp,
    Vz,
    Bhyve,
    Hvf,
}

/// What kind of system it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum OsKind {
    /// An unmodified one on virtual hardware.
    #[default]
    Hvm,
    /// One for Xen.
    Xen,
    /// An old name of `Xen`.
    Linux,
    /// One for Xen with hardware support.
    #[word("xenpvh")]
    XenPvh,
    /// A program in a container.
    Exe,
    /// User mode Linux.
    Uml,
}

/// A CPU architecture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "libvirt's names of architectures")]
pub enum Arch {
    Aarch64,
    Alpha,
    Armv6l,
    Armv7l,
    Armv7b,
    Cris,
    I686,
    Ia64,
    Itanium,
    Lm32,
    Loongarch64,
    M68k,
    Microblaze,
    Microblazeel,
    Mips,
    Mipsel,
    Mips64,
    Mips64el,
    Or32,
    Parisc,
    Parisc64,
    Ppc,
    Ppc64,
    Ppc64le,
    Ppcemb,
    Riscv32,
    Riscv64,
    S390,
    S390x,
    Sh4,
    Sh4eb,
    Sparc,
    Sparc64,
    Unicore32,
    #[default]
    #[word("x86_64")]
    X86_64,
    Xtensa,
    Xtensaeb,
}

impl Arch {
    /// The host's.
    pub fn host() -> Self {
        match std::env::consts::ARCH {
            "x86" => Self::I686,
            "arm" => Self::Armv7l,
            "powerpc" => Self::Ppc,
            "powerpc64" if cfg!(target_endian = "little") => Self::Ppc64le,
            "powerpc64" => Self::Ppc64,
            other => Self::from_word(other).unwrap_or_default(),
        }
    }

    /// Whether it is x86, of 32 or 64 bits.
    pub fn is_x86(self) -> bool {
        matches!(self, Self::I686 | Self::X86_64)
    }

    /// Whether it is ARM, of 32 or 64 bits.
    pub fn is_arm(self) -> bool {
        matches!(
            self,
            Self::Armv6l | Self::Armv7l | Self::Armv7b | Self::Aarch64
        )
    }

    /// Whether it is PowerPC of 64 bits.
    pub fn is_ppc64(self) -> bool {
        matches!(self, Self::Ppc64 | Self::Ppc64le)
    }

    /// Whether it is IBM Z.
    pub fn is_s390(self) -> bool {
        matches!(self, Self::S390 | Self::S390x)
    }

    /// Whether it is RISC-V.
    pub fn is_riscv(self) -> bool {
        matches!(self, Self::Riscv32 | Self::Riscv64)
    }

    /// Whether it is LoongArch.
    pub fn is_loongarch(self) -> bool {
        self == Self::Loongarch64
    }

    /// The name in QEMU's binaries and firmware descriptors.
    pub fn qemu_name(self) -> &'static str {
        match self {
            Self::I686 => "i386",
            Self::Armv6l | Self::Armv7l | Self::Armv7b => "arm",
            Self::Ppc64le => "ppc64",
            Self::Or32 => "or1k",
            Self::Parisc | Self::Parisc64 => "hppa",
            other => other.word(),
        }
    }
}
