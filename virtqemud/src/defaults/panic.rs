//! Defaults of devices that tell of a crash.

use super::Context;
use crate::board::Board;
use virt_domain::Domain;
use virt_domain::devices::panic::PanicModel;
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    let model = match Board::of(domain) {
        Board::Pseries => PanicModel::Pseries,
        Board::S390Ccw => PanicModel::S390,
        Board::ArmVirt | Board::RiscvVirt | Board::LoongarchVirt => PanicModel::Pvpanic,
        _ => PanicModel::Isa,
    };
    for panic in &mut domain.devices.panics {
        panic.model.get_or_insert(model);
    }
    Ok(())
}
