//! Options of the memory that keeps a guest's last words.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_error::Result;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    let Some(pstore) = &domain.devices.pstore else {
        return Ok(());
    };
    let alias = pstore.info.alias().unwrap_or_default();
    let memory = format!("mem{alias}");
    let object = Props::of("qom-type", "memory-backend-file")
        .with("id", memory.clone())
        .maybe("mem-path", pstore.path.clone())
        .with("size", pstore.size.saturating_mul(1024))
        .with("share", true);
    b.object(&object);
    let props = Props::device("acpi-erst")
        .with("id", alias)
        .with("memdev", memory)
        .placed(domain, &pstore.info)?;
    b.device(&props);
    Ok(())
}
