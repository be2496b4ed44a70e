//! Defaults of file systems.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::filesystem::{AccessMode, FilesystemDriverKind, FilesystemKind};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    for filesystem in &mut domain.devices.filesystems {
        let external = filesystem.driver_kind() == Some(FilesystemDriverKind::Virtiofs)
            && filesystem
                .source
                .as_ref()
                .is_some_and(|s| s.socket.is_some());
        if filesystem.kind == FilesystemKind::Mount && !external {
            filesystem.accessmode.get_or_insert(AccessMode::Passthrough);
        }
    }
    Ok(())
}
