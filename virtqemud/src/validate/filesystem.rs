//! Checks of file systems against what QEMU and this driver can do.
//!
//! Facts: formatdomain "Filesystems".

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::filesystem::{Filesystem, FilesystemDriverKind, FilesystemKind};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    domain.devices.filesystems.iter().try_for_each(one)
}

fn one(filesystem: &Filesystem) -> Result<()> {
    let unsupported = |text: &str| {
        Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Domain,
            text,
        ))
    };
    if filesystem.kind != FilesystemKind::Mount {
        return unsupported("only supports mount filesystem type");
    }
    if filesystem.target.is_none() {
        return Err(Error::new(
            ErrorCode::XmlError,
            ErrorDomain::Domain,
            "missing filesystem target; its 'dir' is the tag that the guest mounts",
        ));
    }
    if filesystem.space_hard_limit.is_some() || filesystem.space_soft_limit.is_some() {
        return unsupported("limits of file systems are not supported by this driver");
    }
    let source = filesystem.source.as_ref();
    match filesystem.driver_kind() {
        None | Some(FilesystemDriverKind::Path) => {
            if source.is_none_or(|s| s.dir.is_none()) {
                return Err(Error::new(
                    ErrorCode::XmlError,
                    ErrorDomain::Domain,
                    "missing source directory of the filesystem",
                ));
            }
            Ok(())
        }
        Some(FilesystemDriverKind::Virtiofs) => {
            if filesystem.readonly {
                return unsupported("virtiofs does not support read-only access");
            }
            if source.is_none_or(|s| s.socket.is_none()) {
                return unsupported(
                    "starting virtiofsd is not supported by this driver yet; start it yourself \
                     and give its socket: <source socket='…'/>",
                );
            }
            Ok(())
        }
        Some(FilesystemDriverKind::Handle) => unsupported("Filesystem driver type not supported"),
        Some(other) => unsupported(&format!(
            "filesystem driver type '{other}' is not supported by this driver"
        )),
    }
}
