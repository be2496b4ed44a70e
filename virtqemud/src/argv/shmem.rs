//! Options of shared memory.

use super::character;
use super::command_line::Builder;
use super::context::StartContext;
use super::props::{Props, on_off};
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::shmem::{Shmem, ShmemModel, ShmemRole};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    for shmem in &domain.devices.shmems {
        if !matches!(shmem.info.address, None | Some(Address::Pci(_))) {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                "only 'pci' addresses are supported for the shared memory device",
            ));
        }
        match shmem.model {
            ShmemModel::IvshmemPlain => append_plain(b, domain, shmem)?,
            ShmemModel::IvshmemDoorbell => append_doorbell(b, domain, shmem)?,
            // Refused when it was defined.
            ShmemModel::Ivshmem => {}
        }
    }
    Ok(())
}

fn append_plain(b: &mut Builder, domain: &Domain, shmem: &Shmem) -> Result<()> {
    let alias = shmem.info.alias().unwrap_or_default();
    let memory = format!("shmmem-{alias}");
    let object = Props::of("qom-type", "memory-backend-file")
        .with("id", memory.clone())
        .with("mem-path", format!("/dev/shm/{}", shmem.name))
        .with("size", shmem.size.unwrap_or(0))
        .with("share", true);
    b.object(&object);
    let master = shmem.role.map(|role| on_off(role == ShmemRole::Master));
    let props = Props::device("ivshmem-plain")
        .with("id", alias)
        .with("memdev", memory)
        .maybe("master", master)
        .placed(domain, &shmem.info)?;
    b.device(&props);
    Ok(())
}

/// The socket of the server where none is given.
pub(crate) fn server_socket(shmem: &Shmem) -> String {
    let given = shmem.server.as_ref().and_then(|server| server.path.clone());
    given.unwrap_or_else(|| format!("/var/lib/libvirt/shmem-{}-sock", shmem.name))
}

fn append_doorbell(b: &mut Builder, domain: &Domain, shmem: &Shmem) -> Result<()> {
    let alias = shmem.info.alias().unwrap_or_default();
    let chardev = format!("char{alias}");
    let msi = shmem.msi.unwrap_or_default();
    let props = Props::device("ivshmem-doorbell")
        .with("id", alias)
        .with("chardev", chardev.clone())
        .maybe("vectors", msi.vectors)
        .maybe("ioeventfd", msi.ioeventfd.map(OnOff::is_on))
        .placed(domain, &shmem.info)?;
    b.device(&props);
    character::append_unix(b, &chardev, &server_socket(shmem), None);
    Ok(())
}
