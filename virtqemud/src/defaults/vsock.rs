//! Defaults of sockets between host and guest.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::virtio::VirtioModel;
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    if let Some(vsock) = &mut domain.devices.vsock {
        vsock.model.get_or_insert(VirtioModel::Virtio);
    }
    Ok(())
}
