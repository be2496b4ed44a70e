//! Defaults of host devices.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::hostdev::{HostdevModel, HostdevSource};
use virt_error::Result;
use virt_xml::OnOff;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    for hostdev in &mut domain.devices.hostdevs {
        if matches!(hostdev.source, HostdevSource::Mdev { .. })
            && hostdev.model == Some(HostdevModel::VfioPci)
        {
            hostdev.display.get_or_insert(OnOff::Off);
        }
    }
    Ok(())
}
