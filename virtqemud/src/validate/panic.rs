//! Checks of devices that tell of a crash.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::panic::PanicModel;
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let panics = &domain.devices.panics;
    let arch = domain.os.kind.arch.unwrap_or_default();
    let board = Board::of(domain);
    for (at, panic) in panics.iter().enumerate() {
        let Some(model) = panic.model else { continue };
        if panics[..at].iter().any(|p| p.model == Some(model)) {
            return Err(xml_error(format!(
                "Multiple panic devices with model '{model}'"
            )));
        }
        let there = match model {
            PanicModel::Isa => board.has_isa() && context.caps.has(CapFlag::Pvpanic),
            PanicModel::Pvpanic => context.caps.has(CapFlag::PvpanicPci),
            PanicModel::Hyperv => matches!(arch, Arch::X86_64 | Arch::I686),
            PanicModel::Pseries => board == Board::Pseries,
            PanicModel::S390 => board == Board::S390Ccw,
        };
        if !there {
            return Err(unsupported(format!(
                "the QEMU binary and machine type do not support panic model '{model}'"
            )));
        }
    }
    Ok(())
}
