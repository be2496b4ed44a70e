//! Checks of memory devices against what QEMU and this driver can do.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::memory::MemoryModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    let unsupported = |text: String| {
        Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Domain,
            text,
        ))
    };
    for memory in &domain.devices.memories {
        memory.check()?;
        if memory.model != MemoryModel::Dimm {
            return unsupported(format!(
                "memory devices of model '{}' are not supported by this driver yet; use 'dimm'",
                memory.model
            ));
        }
        if memory.source.is_some() {
            return unsupported(
                "<source> of memory devices is not supported by this driver yet; use \
                 <memoryBacking> and <numatune>"
                    .to_owned(),
            );
        }
        if domain.max_memory.is_none() {
            return unsupported(
                "cannot use memory hotplug as maximum memory was not set".to_owned(),
            );
        }
    }
    Ok(())
}
