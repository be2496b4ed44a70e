//! Where QEMU put memory devices and how much of them the guest has, in the live definition.

use virt_domain::devices::address::Address;
use virt_domain::devices::memory::{MemoryBase, MemoryModel};
use virt_domain::{Domain, KiB};

use crate::qmp::memory::MemoryDevice;

/// What `query-memory-devices` told.
pub(crate) fn found(domain: &mut Domain, told: &[MemoryDevice]) {
    for memory in &mut domain.devices.memories {
        let alias = memory.info.alias().unwrap_or_default().to_owned();
        let Some(MemoryDevice { data }) = told.iter().find(|device| device.data.id == alias) else {
            continue;
        };
        match memory.model {
            MemoryModel::Dimm | MemoryModel::Nvdimm => {
                if let Some(Address::Dimm(dimm)) = &mut memory.info.address {
                    dimm.base = data.addr;
                }
            }
            MemoryModel::VirtioPmem => {
                memory.target.address = data.memaddr.map(|base| MemoryBase { base });
            }
            MemoryModel::VirtioMem => {
                memory.target.address = data.memaddr.map(|base| MemoryBase { base });
                memory.target.current = Some(KiB(data.size / 1024));
            }
            MemoryModel::SgxEpc => {}
        }
    }
}

/// A guest has more or less of a virtio-mem device now; whether it is one of the guest's.
pub(crate) fn size_changed(domain: &mut Domain, alias: &str, kib: u64) -> bool {
    let mut memories = domain.devices.memories.iter_mut();
    let memory = memories.find(|memory| memory.info.alias() == Some(alias));
    let Some(memory) = memory.filter(|memory| memory.model == MemoryModel::VirtioMem) else {
        return false;
    };
    memory.target.current = Some(KiB(kib));
    true
}
