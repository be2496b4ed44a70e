//! Options of devices that tell of a crash.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::panic::PanicModel;
use virt_error::Result;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    for panic in &domain.devices.panics {
        match panic.model {
            Some(PanicModel::Isa) => {
                let port = match &panic.info.address {
                    Some(Address::Isa(isa)) => Some(isa.iobase.unwrap_or(0)),
                    _ => None,
                };
                b.device(&Props::device("pvpanic").maybe("ioport", port));
            }
            Some(PanicModel::Pvpanic) => {
                let props = Props::device("pvpanic-pci").placed(domain, &panic.info)?;
                b.device(&props);
            }
            // Part of the machine or of the CPU.
            Some(PanicModel::Pseries | PanicModel::Hyperv | PanicModel::S390) | None => {}
        }
    }
    Ok(())
}
