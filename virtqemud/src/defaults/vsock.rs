//! Defaults of sockets between host and guest, and of devices that have no file of their own.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::virtio::VirtioModel;
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    if let Some(vsock) = &mut domain.devices.vsock {
        vsock.model.get_or_insert(VirtioModel::Virtio);
    }
    if let Some(pstore) = &mut domain.devices.pstore
        && pstore.path.is_none()
    {
        let file = format!("{}_PSTORE.raw", domain.name);
        let path = context.config.nvram_dir.join(file);
        pstore.path = Some(path.to_string_lossy().into_owned());
    }
    Ok(())
}
