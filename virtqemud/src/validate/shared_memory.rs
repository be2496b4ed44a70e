//! Whether other processes see what the guest writes to its memory, as those that are a device of the
//! guest over vhost-user have to.

use super::refusal::unsupported;
use virt_domain::Domain;
use virt_domain::memory::MemAccess;
use virt_error::Result;

/// Refuses a device of that kind in a guest whose memory is not all shared.
pub(super) fn required(domain: &Domain, what: &str) -> Result<()> {
    let access = domain
        .memory_backing
        .as_ref()
        .and_then(|m| m.access.as_ref());
    let usual = access.and_then(|access| access.mode);
    let numa = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    let shared = match numa {
        Some(numa) if !numa.cells.is_empty() => numa
            .cells
            .iter()
            .all(|cell| cell.mem_access.or(usual) == Some(MemAccess::Shared)),
        _ => usual == Some(MemAccess::Shared),
    };
    if shared {
        Ok(())
    } else {
        Err(unsupported(format!("'{what}' requires shared memory")))
    }
}
