//! Options of memory devices.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use super::ram::{Backend, MemoryPart};
use virt_domain::devices::address::Address;
use virt_domain::devices::memory::{MemoryAccess, MemoryModel};
use virt_domain::memory::MemAccess;
use virt_domain::{Domain, KiB};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for memory in &domain.devices.memories {
        if memory.model != MemoryModel::Dimm {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                format!("memory devices of model '{}'", memory.model),
            ));
        }
        let alias = memory.info.alias().unwrap_or_default();
        let id = format!("mem{alias}");
        let part = MemoryPart {
            id: &id,
            size: KiB(memory.target.size.0),
            node: memory.target.node,
            access: memory.access.map(|access| match access {
                MemoryAccess::Shared => MemAccess::Shared,
                MemoryAccess::Private => MemAccess::Private,
            }),
            discard: memory.discard.map(YesNo::is_yes),
            is_system: false,
        };
        Backend::choose(domain, context, &part)?.append(b);
        let (slot, base) = match &memory.info.address {
            Some(Address::Dimm(dimm)) => (dimm.slot, dimm.base),
            _ => (None, None),
        };
        b.device(
            &Props::device("pc-dimm")
                .maybe("node", memory.target.node)
                .with("memdev", id)
                .with("id", alias)
                .maybe("slot", slot)
                .maybe("addr", base),
        );
    }
    Ok(())
}
