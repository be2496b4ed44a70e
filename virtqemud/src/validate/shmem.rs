//! Checks of shared memory against what QEMU and this driver can do.

use super::Context;
use super::refusal::{unsupported, xml_error};
use virt_domain::Domain;
use virt_domain::devices::shmem::{Shmem, ShmemModel};
use virt_error::Result;

/// Smallest size in bytes.
const SMALLEST: u64 = 1 << 20;

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    domain.devices.shmems.iter().try_for_each(one)
}

fn one(shmem: &Shmem) -> Result<()> {
    if let Some(size) = shmem.size
        && (size < SMALLEST || !size.is_power_of_two())
    {
        return Err(xml_error(
            "shmem size must be a power of 2 and at least 1 MiB (1024 KiB)",
        ));
    }
    if shmem.msi.is_some() && shmem.server.is_none() {
        return Err(xml_error("msi option is only supported with a server"));
    }
    match shmem.model {
        ShmemModel::Ivshmem => Err(unsupported(
            "shmem model 'ivshmem' is not supported by this QEMU binary",
        )),
        ShmemModel::IvshmemPlain if shmem.server.is_some() => Err(unsupported(
            "shmem model 'ivshmem-plain' supports no server",
        )),
        ShmemModel::IvshmemDoorbell if shmem.server.is_none() => {
            Err(unsupported("shmem model 'ivshmem-doorbell' needs a server"))
        }
        _ => Ok(()),
    }
}
