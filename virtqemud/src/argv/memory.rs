//! Options of memory devices.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::{OptionList, Props};
use super::ram::{Backend, MemoryPart};
use super::virtio;
use crate::caps::CapFlag;
use virt_domain::devices::memory::{MemoryDevice, MemoryModel};
use virt_domain::{Domain, KiB};
use virt_error::Result;
use virt_xml::YesNo;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for memory in &domain.devices.memories {
        let id = backend_id(memory);
        let part = MemoryPart::of_device(&id, memory);
        let backend = Backend::choose(b, domain, context, &part)?;
        let wants_all = backend.wants_all;
        backend.append(b);
        if let Some(device) = device(b, domain, memory, &id, wants_all)? {
            b.device(&device);
        }
    }
    Ok(())
}

fn backend_id(memory: &MemoryDevice) -> String {
    format!("mem{}", memory.info.alias().unwrap_or_default())
}

/// The device in front of a back end; enclave memory is part of the machine instead ([`enclaves`]).
fn device(
    b: &Builder,
    domain: &Domain,
    memory: &MemoryDevice,
    backend: &str,
    wants_all: bool,
) -> Result<Option<Props>> {
    let target = &memory.target;
    let alias = memory.info.alias().unwrap_or_default();
    let base = target.address.map(|address| address.base);
    let props = match memory.model {
        MemoryModel::Dimm | MemoryModel::Nvdimm => {
            let dimm = memory.dimm();
            let driver = match memory.model {
                MemoryModel::Nvdimm => "nvdimm",
                _ => "pc-dimm",
            };
            Props::device(driver)
                .maybe("node", target.node)
                .maybe("label-size", target.label.map(|label| label.size.bytes()))
                .maybe("uuid", memory.uuid.map(|uuid| uuid.to_string()))
                .maybe("unarmed", target.readonly.then_some(true))
                .with("memdev", backend)
                .with("id", alias)
                .maybe("slot", dimm.and_then(|dimm| dimm.slot))
                .maybe("addr", dimm.and_then(|dimm| dimm.base))
        }
        MemoryModel::VirtioPmem => virtio::device("virtio-pmem", None, &memory.info)
            .with("memdev", backend)
            .maybe("memaddr", base)
            .with("id", alias)
            .placed(domain, &memory.info)?,
        MemoryModel::VirtioMem => {
            let requested = target.requested.filter(|size| size.0 > 0);
            let prealloc = wants_all && b.caps.has(CapFlag::VirtioMemPciPrealloc);
            virtio::device("virtio-mem", None, &memory.info)
                .maybe("node", target.node)
                .maybe("block-size", target.block.map(KiB::bytes))
                .maybe("requested-size", requested.map(KiB::bytes))
                .with("memdev", backend)
                .maybe("prealloc", prealloc.then_some(true))
                .maybe("memaddr", base)
                .maybe(
                    "dynamic-memslots",
                    target.dynamic_memslots.map(YesNo::is_yes),
                )
                .with("id", alias)
                .placed(domain, &memory.info)?
        }
        MemoryModel::SgxEpc => return Ok(None),
    };
    Ok(Some(props))
}

/// Enclave memory as the machine's sections.
pub(super) fn enclaves(list: &mut OptionList, domain: &Domain) {
    let memories = domain.devices.memories.iter();
    let enclaves = memories.filter(|memory| memory.model == MemoryModel::SgxEpc);
    for (index, memory) in enclaves.enumerate() {
        list.put(&format!("sgx-epc.{index}.memdev"), backend_id(memory));
        if let Some(node) = memory.target.node {
            list.put(&format!("sgx-epc.{index}.node"), node);
        }
    }
}
