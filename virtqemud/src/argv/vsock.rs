//! Options of sockets between host and guest.

use super::command_line::Builder;
use super::context::StartContext;
use super::virtio;
use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    let Some(vsock) = &domain.devices.vsock else {
        return Ok(());
    };
    let cid = vsock.cid.ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            "the vsock device has no address",
        )
    })?;
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
