//! Options of sockets between host and guest.

use super::command_line::Builder;
use super::context::StartContext;
use super::virtio;
use virt_domain::Domain;
use virt_error::Result;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    let Some(vsock) = &domain.devices.vsock else {
        return Ok(());
    };
    // None was given and none is to be chosen: the kernel refuses it when it is to be taken.
    let cid = vsock.cid.unwrap_or(0);
    let fd = context.descriptors.vhost_vsock(cid)?;
    let props = virtio::device("vhost-vsock", vsock.model, &vsock.info)
        .with_virtio(Some(&vsock.virtio))
        .maybe("id", vsock.info.alias())
        .with("guest-cid", cid)
        .with("vhostfd", fd.to_string())
        .placed(domain, &vsock.info)?;
    b.device(&props);
    Ok(())
}
