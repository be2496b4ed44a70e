//! Checks of file systems against what QEMU and this driver can do.
//!
//! Facts: formatdomain "Filesystems"; the texts are the stock daemon's.

use super::Context;
use super::refusal::{plain, unsupported};
use super::shared_memory;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::filesystem::{
    AccessMode, Filesystem, FilesystemDriverKind, FilesystemKind,
};
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let filesystems = &domain.devices.filesystems;
    for filesystem in filesystems {
        one(filesystem)?;
        match filesystem.driver_kind() {
            Some(FilesystemDriverKind::Virtiofs) => virtiofs(domain, filesystem, context)?,
            Some(FilesystemDriverKind::Mtp) => mtp(filesystem, context)?,
            _ => plan9(filesystem)?,
        }
    }
    Ok(())
}

fn one(filesystem: &Filesystem) -> Result<()> {
    let source = filesystem.source.as_ref();
    let folder = source.and_then(|s| s.dir.as_deref());
    let socket = source.and_then(|s| s.socket.as_deref());
    let tag = filesystem.target.as_ref().map(|target| target.dir.as_str());
    if filesystem.kind != FilesystemKind::Mount {
        return Err(unsupported("only supports mount filesystem type"));
    }
    let (Some(tag), path) = (tag, folder.or(socket)) else {
        let path = folder.or(socket).unwrap_or_default();
        return Err(plain(format!(
            "missing target information for device {path}"
        )));
    };
    if path.is_none() {
        return Err(plain(format!(
            "missing source information for device {tag}"
        )));
    }
    if filesystem.space_hard_limit.is_some() || filesystem.space_soft_limit.is_some() {
        return Err(unsupported(
            "filesystem usage limits are not supported with QEMU",
        ));
    }
    let modes = filesystem.fmode.is_some() || filesystem.dmode.is_some();
    if modes && filesystem.accessmode != Some(AccessMode::Mapped) {
        return Err(unsupported(
            "fmode and dmode must be used with accessmode=mapped",
        ));
    }
    Ok(())
}

fn plan9(filesystem: &Filesystem) -> Result<()> {
    match filesystem.driver_kind() {
        None | Some(FilesystemDriverKind::Path) => {}
        Some(FilesystemDriverKind::Handle) => {
            return Err(unsupported("Filesystem driver type not supported"));
        }
        Some(other) => {
            return Err(unsupported(format!(
                "filesystem driver type '{other}' is not supported by this driver"
            )));
        }
    }
    if filesystem.info.boot.is_some() {
        return Err(unsupported("boot order is only supported for virtiofs"));
    }
    Ok(())
}

fn mtp(filesystem: &Filesystem, context: &Context) -> Result<()> {
    let access = filesystem.accessmode;
    if access.is_some_and(|mode| mode != AccessMode::Passthrough) {
        return Err(unsupported("mtp only supports passthrough accessmode"));
    }
    if !context.caps.has(CapFlag::UsbMtp) {
        return Err(unsupported(
            "usb-mtp is not supported with this QEMU binary",
        ));
    }
    Ok(())
}

fn virtiofs(domain: &Domain, filesystem: &Filesystem, context: &Context) -> Result<()> {
    if !context.caps.has(CapFlag::VhostUserFs) {
        return Err(unsupported(
            "virtiofs is not supported with this QEMU binary",
        ));
    }
    let access = filesystem.accessmode;
    let driver = filesystem.driver.as_ref();
    for (said, text) in [
        (
            access.is_some_and(|mode| mode != AccessMode::Passthrough),
            "virtiofs only supports passthrough accessmode",
        ),
        (
            driver.is_some_and(|d| d.wrpolicy.is_some()),
            "virtiofs does not support wrpolicy",
        ),
        (
            filesystem.model.is_some(),
            "virtiofs does not support model",
        ),
        (
            filesystem.multidevs.is_some(),
            "virtiofs does not support multidevs",
        ),
    ] {
        if said {
            return Err(unsupported(text));
        }
    }
    shared_memory::required(domain, "virtiofs")?;
    let boots = context.caps.has(CapFlag::VhostUserFsBootindex);
    if filesystem.info.boot.is_some() && !boots {
        return Err(unsupported(
            "boot order is not supported for virtiofs by this QEMU binary",
        ));
    }
    Ok(())
}
