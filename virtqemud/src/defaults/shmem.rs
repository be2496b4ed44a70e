//! Defaults of shared memory.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::shmem::ShmemModel;
use virt_error::Result;
use virt_xml::OnOff;

/// Bytes where none are said: 4 MiB.
const SIZE: u64 = 4 << 20;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    for shmem in &mut domain.devices.shmems {
        match shmem.model {
            ShmemModel::IvshmemPlain => {
                shmem.size.get_or_insert(SIZE);
            }
            ShmemModel::IvshmemDoorbell => {
                let msi = shmem.msi.get_or_insert_default();
                msi.ioeventfd.get_or_insert(OnOff::On);
            }
            ShmemModel::Ivshmem => {}
        }
    }
    Ok(())
}
