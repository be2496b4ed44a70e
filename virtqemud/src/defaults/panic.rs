//! Defaults of devices that tell of a crash.

use super::Context;
use crate::board::Board;
use virt_domain::Domain;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::panic::{Panic, PanicModel};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    let model = match Board::of(domain) {
        Board::Pseries => PanicModel::Pseries,
        Board::S390Ccw => PanicModel::S390,
        Board::ArmVirt | Board::RiscvVirt | Board::LoongarchVirt => PanicModel::Pvpanic,
        _ => PanicModel::Isa,
    };
    // Their firmware has one whatever the definition says.
    if domain.devices.panics.is_empty() && matches!(model, PanicModel::Pseries | PanicModel::S390) {
        domain.devices.panics.push(Panic {
            model: Some(model),
            info: DeviceInfo::default(),
        });
    }
    for panic in &mut domain.devices.panics {
        panic.model.get_or_insert(model);
    }
    Ok(())
}
