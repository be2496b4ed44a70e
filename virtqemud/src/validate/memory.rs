//! Checks of memory devices against what QEMU and this driver can do.

use super::Context;
use super::refusal::{plain, unsupported};
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::memory::{MemoryDevice, MemoryModel};
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    if domain.devices.memories.is_empty() {
        return Ok(());
    }
    let Some(max) = &domain.max_memory else {
        return Err(unsupported(
            "cannot use/hotplug a memory device when domain 'maxMemory' is not defined",
        ));
    };
    let slots = max.slots.unwrap_or(0);
    let cells = domain.cpu.as_ref().map_or(0, |cpu| cpu.numa_cells());
    for memory in &domain.devices.memories {
        capability(memory, context)?;
        address(memory, slots)?;
        node(memory, cells)?;
        if memory.uuid.is_some() && !domain.os.kind.arch.unwrap_or_default().is_ppc64() {
            return Err(unsupported("UUID is not supported for NVDIMM device"));
        }
    }
    Ok(())
}

/// What the binary has to have for it.
fn capability(memory: &MemoryDevice, context: &Context) -> Result<()> {
    let pmem = memory.source.as_ref().is_some_and(|source| source.pmem);
    let needed = match memory.model {
        MemoryModel::Dimm => (
            true,
            CapFlag::PcDimm,
            "memory hotplug isn't supported by this QEMU binary",
        ),
        MemoryModel::Nvdimm => (
            true,
            CapFlag::Nvdimm,
            "nvdimm isn't supported by this QEMU binary",
        ),
        MemoryModel::VirtioPmem => (
            true,
            CapFlag::VirtioPmemPci,
            "virtio-pmem isn't supported by this QEMU binary",
        ),
        MemoryModel::VirtioMem => (
            memory.target.dynamic_memslots.is_some(),
            CapFlag::VirtioMemPciDynamicMemslots,
            "virtio-mem device doesn't support 'dynamicMemslots'",
        ),
        MemoryModel::SgxEpc => (
            true,
            CapFlag::SgxEpc,
            "sgx epc isn't supported by this QEMU binary",
        ),
    };
    let pmem = (
        pmem,
        CapFlag::MemoryBackendFilePmem,
        "nvdimm pmem property is not available with this QEMU binary",
    );
    let readonly = (
        memory.target.readonly,
        CapFlag::NvdimmUnarmed,
        "nvdimm readonly property is not available with this QEMU binary",
    );
    for (wanted, flag, text) in [needed, pmem, readonly] {
        if wanted && !context.caps.has(flag) {
            return Err(unsupported(text));
        }
    }
    if memory.model == MemoryModel::VirtioMem && !context.caps.has(CapFlag::VirtioMemPci) {
        return Err(unsupported(
            "virtio-mem isn't supported by this QEMU binary",
        ));
    }
    Ok(())
}

fn address(memory: &MemoryDevice, slots: u32) -> Result<()> {
    if let Some(slot) = memory.dimm().and_then(|dimm| dimm.slot)
        && memory.model.has_slot()
        && slot >= slots
    {
        return Err(unsupported(format!(
            "memory device slot '{slot}' exceeds slots count '{slots}'"
        )));
    }
    match (memory.model, &memory.info.address) {
        (MemoryModel::VirtioPmem, Some(address)) if !matches!(address, Address::Pci(_)) => Err(
            unsupported("only 'pci' addresses are supported for the virtio-pmem device"),
        ),
        (MemoryModel::VirtioMem, Some(address))
            if !matches!(address, Address::Pci(_) | Address::Ccw(_)) =>
        {
            Err(unsupported(
                "only 'pci' and 'ccw' addresses are supported for the virtio-mem device",
            ))
        }
        _ => Ok(()),
    }
}

/// The guest's node it is part of.
fn node(memory: &MemoryDevice, cells: usize) -> Result<()> {
    match memory.target.node {
        None if memory.model.has_node() && cells > 0 => Err(unsupported(
            "target NUMA node needs to be specified for memory device",
        )),
        Some(node) if node as usize >= cells && cells > 0 => Err(plain(format!(
            "can't add memory backend for guest node '{node}' as the guest has only '{cells}' NUMA nodes configured"
        ))),
        _ => Ok(()),
    }
}
