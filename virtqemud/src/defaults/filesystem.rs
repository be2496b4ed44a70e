//! Defaults of file systems.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::filesystem::{AccessMode, FilesystemKind};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    for filesystem in &mut domain.devices.filesystems {
        // Who listens at a socket decides that itself.
        let source = filesystem.source.as_ref();
        let external = source.is_some_and(|s| s.socket.is_some());
        if filesystem.kind == FilesystemKind::Mount && !external {
            filesystem.accessmode.get_or_insert(AccessMode::Passthrough);
        }
    }
    Ok(())
}
