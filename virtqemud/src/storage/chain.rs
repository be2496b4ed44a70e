//! What each disk is based upon, down to the last image, before a guest starts.
//!
//! The texts of refusals are the stock daemon's, as watched.

use super::image::{self, BackingRef, Broken};
use super::{head, location};
use crate::aliases::disk_alias;
use std::collections::HashSet;
use virt_domain::Domain;
use virt_domain::devices::controller::Controller;
use virt_domain::devices::disk::{Disk, DiskDevice};
use virt_domain::devices::storage::{
    BackingImage, BackingStore, Format, Location, StartupPolicy, StorageFormat, StorageSource,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Longest chain that is followed.
const MAX_DEPTH: usize = 200;

/// A medium that was missing and may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The disk's name, `hda`.
    pub name: String,
    /// The disk's alias.
    pub alias: String,
    /// What was missing.
    pub path: String,
    /// The drive stayed, without a medium; otherwise the whole disk is gone.
    pub drive_stays: bool,
}

/// Makes the disks of a guest that is about to start complete: each image is looked at, and what it
/// is based upon is written into the guest's live definition. `owner` is the user and group QEMU
/// runs as, for messages. `boot` says that the guest boots rather than continues.
///
/// # Errors
/// SYSTEM_ERROR for what is missing, INTERNAL_ERROR for an image that isn't what it is said to be or
/// for a chain that does not end, OPERATION_INVALID for one whose format nobody says.
pub fn prepare(domain: &mut Domain, owner: (u32, u32), boot: bool) -> Result<Vec<Dropped>> {
    let mut dropped = Vec::new();
    let devices = &mut domain.devices;
    for disk in &mut devices.disks {
        if let Some(drop) = drop_missing(disk, &devices.controllers, boot) {
            dropped.push(drop);
            continue;
        }
        complete(disk, owner)?;
    }
    domain.devices.disks.retain(|disk| {
        !dropped
            .iter()
            .any(|d| !d.drive_stays && disk.name() == d.name)
    });
    Ok(dropped)
}

/// Whether the disk's source may be missing at a start; `boot` says that the guest boots rather than
/// continues.
pub(super) fn may_be_missing(disk: &Disk, boot: bool) -> bool {
    let policy = disk.source.as_ref().and_then(|s| s.startup_policy);
    match policy {
        Some(StartupPolicy::Optional) => true,
        Some(StartupPolicy::Requisite) => !boot,
        Some(StartupPolicy::Mandatory) | None => false,
    }
}

fn drop_missing(disk: &mut Disk, controllers: &[Controller], boot: bool) -> Option<Dropped> {
    if !may_be_missing(disk, boot) {
        return None;
    }
    let path = disk.source.as_ref()?.path()?;
    match std::fs::metadata(path) {
        Ok(_) => None,
        Err(_) => Some(drop_medium(disk, controllers)),
    }
}

/// Takes away a source that is missing; whether the disk itself goes is told.
pub(super) fn drop_medium(disk: &mut Disk, controllers: &[Controller]) -> Dropped {
    let source = disk.source.as_ref();
    let path = source.and_then(|s| s.path().or(s.shown()));
    let path = path.unwrap_or_default().to_owned();
    let drive_stays = matches!(disk.device, DiskDevice::Cdrom | DiskDevice::Floppy);
    if drive_stays {
        disk.source = None;
        disk.backing = None;
        if let Some(driver) = &mut disk.driver {
            driver.format = None;
        }
    }
    Dropped {
        name: disk.name().to_owned(),
        alias: match disk.info.alias() {
            Some(alias) => alias.to_owned(),
            None => disk_alias(disk, controllers),
        },
        path,
        drive_stays,
    }
}

fn complete(disk: &mut Disk, owner: (u32, u32)) -> Result<()> {
    let Some(source) = disk.source.as_ref().filter(|s| !s.is_empty()) else {
        // A medium that is not there has no format; the next one is asked for its own.
        if let Some(driver) = &mut disk.driver {
            driver.format = None;
        }
        return Ok(());
    };
    let Some(path) = local(source.place()) else {
        return Ok(());
    };
    if let Err(cause) = std::fs::metadata(path) {
        return Err(Error::system(
            ErrorDomain::Storage,
            format_args!("Cannot access storage file '{path}'"),
            &cause,
        ));
    }
    if disk.backing.is_some() {
        // The chain was given; what is in it has to be there.
        return given(disk.backing.as_ref(), path, owner);
    }
    disk.chain_found = true;
    if disk.device == DiskDevice::Lun
        || !matches!(
            source.place(),
            Location::File { .. } | Location::Block { .. }
        )
    {
        return Ok(());
    }
    let format = disk.format().unwrap_or(StorageFormat::Raw);
    disk.backing = Some(follow(path, format, owner)?);
    Ok(())
}

fn given(mut backing: Option<&BackingStore>, top: &str, owner: (u32, u32)) -> Result<()> {
    let mut above = top.to_owned();
    while let Some(BackingStore::Image(image)) = backing {
        if let Some(path) = image.source.as_ref().and_then(|s| local(s.place())) {
            if let Err(cause) = std::fs::metadata(path) {
                return Err(missing_below(path, &above, owner, &cause));
            }
            above = path.to_owned();
        }
        backing = image.backing.as_ref();
    }
    Ok(())
}

fn local(location: &Location) -> Option<&str> {
    match location {
        // What a client opened itself need not be there for us.
        Location::File {
            fdgroup: Some(_), ..
        } => None,
        Location::File { .. } | Location::Block { .. } | Location::Dir { .. } => location.path(),
        _ => None,
    }
}

fn missing_below(path: &str, above: &str, owner: (u32, u32), cause: &std::io::Error) -> Error {
    Error::system(
        ErrorDomain::Storage,
        format_args!(
            "Cannot access backing file '{path}' of storage file '{above}' (as uid:{}, gid:{})",
            owner.0, owner.1
        ),
        cause,
    )
}

/// The chain below the image at `top`.
fn follow(top: &str, format: StorageFormat, owner: (u32, u32)) -> Result<BackingStore> {
    let mut images: Vec<(Location, StorageFormat)> = Vec::new();
    let mut seen = HashSet::new();
    let mut path = top.to_owned();
    let mut above = top.to_owned();
    let mut format = format;
    loop {
        if !has_backing(format) {
            break;
        }
        let head = head(&path).map_err(|cause| {
            if images.is_empty() {
                Error::system(
                    ErrorDomain::Storage,
                    format_args!("Cannot access storage file '{path}'"),
                    &cause,
                )
            } else {
                missing_below(&path, &above, owner, &cause)
            }
        })?;
        if !seen.insert(head.identity) || images.len() >= MAX_DEPTH {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Storage,
                format!("backing store for {path} is self-referential or too deeply nested"),
            ));
        }
        let facts = match image::inspect(format, &head.bytes, head.len) {
            Ok(facts) => facts,
            // QEMU itself says so, in its own words, when it opens the top image.
            Err(Broken::NotThatFormat(_)) if images.is_empty() => break,
            Err(broken) => {
                return Err(Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Storage,
                    format!("{path}: {broken}"),
                ));
            }
        };
        let Some(backing) = facts.backing else { break };
        let (location, next) = below(&path, &backing)?;
        let next_path = local(&location).map(str::to_owned);
        if let Some(next) = &next_path
            && let Err(cause) = std::fs::metadata(next)
        {
            return Err(missing_below(next, &path, owner, &cause));
        }
        images.push((location, next));
        above = path;
        let Some(next_path) = next_path else { break };
        path = next_path;
        format = next;
    }
    Ok(images
        .into_iter()
        .rev()
        .fold(BackingStore::End, |backing, (location, format)| {
            let location = as_block(location);
            BackingStore::Image(Box::new(BackingImage {
                kind: location.kind(),
                index: None,
                format: Some(Format {
                    kind: format,
                    metadata_cache: None,
                }),
                source: Some(StorageSource::from(location)),
                backing: Some(backing),
            }))
        }))
}

/// A path that leads to a block device is one.
fn as_block(location: Location) -> Location {
    use std::os::unix::fs::FileTypeExt;
    match location {
        Location::File {
            path: Some(path),
            fdgroup: None,
        } if std::fs::metadata(&path).is_ok_and(|m| m.file_type().is_block_device()) => {
            Location::Block { path: Some(path) }
        }
        other => other,
    }
}

/// Whether images of that format can be based upon another one.
fn has_backing(format: StorageFormat) -> bool {
    matches!(
        format,
        StorageFormat::Qcow | StorageFormat::Qcow2 | StorageFormat::Qed | StorageFormat::Vmdk
    )
}

fn below(path: &str, backing: &BackingRef) -> Result<(Location, StorageFormat)> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let named = location::resolve(&backing.name, folder).ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Storage,
            format!(
                "the backing file '{}' of '{path}' is named in a form that is not supported",
                backing.name
            ),
        )
    })?;
    let word = backing.format.as_deref();
    let format = match word {
        // QEMU's names of formats that libvirt has other words for.
        Some("file" | "host_device") => Some(StorageFormat::Raw),
        Some("vhdx") => Some(StorageFormat::Vhd),
        Some(word) => Some(StorageFormat::from_word(word).ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Storage,
                format!(
                    "unknown format '{word}' of backing file '{}' of '{path}'",
                    backing.name
                ),
            )
        })?),
        None => named.format,
    };
    if let Some(format) = format {
        return Ok((named.location, format));
    }
    // Nobody says. Only what looks raw can be nothing worse than raw; a guest that wrote an image
    // header into a raw disk would otherwise choose which files of the host are opened.
    let raw = local(&named.location)
        .and_then(|path| head(path).ok())
        .is_some_and(|head| image::probe(&head.bytes) == StorageFormat::Raw);
    if raw {
        return Ok((named.location, StorageFormat::Raw));
    }
    if let Some(next) = local(&named.location)
        && !std::path::Path::new(next).exists()
    {
        return Ok((named.location, StorageFormat::Raw));
    }
    Err(Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Storage,
        format!(
            "format of backing image '{}' of image '{path}' was not specified in the image \
             metadata (See https://libvirt.org/kbase/backing_chains.html for troubleshooting)",
            backing.name
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::image::tests::qcow2_head;
    use std::path::Path;

    const OWNER: (u32, u32) = (0, 0);

    fn write(folder: &Path, name: &str, backing: Option<(&str, &str)>) -> String {
        let path = folder.join(name);
        std::fs::write(&path, qcow2_head(1 << 20, backing)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_chain_is_followed_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.raw"), "x").unwrap();
        write(folder.path(), "b.qcow2", Some(("c.raw", "raw")));
        let top = write(folder.path(), "a.qcow2", Some(("b.qcow2", "qcow2")));
        let BackingStore::Image(b) = follow(&top, StorageFormat::Qcow2, OWNER).unwrap() else {
            panic!("no backing image");
        };
        assert_eq!(b.format.as_ref().unwrap().kind, StorageFormat::Qcow2);
        let Some(BackingStore::Image(c)) = b.backing else {
            panic!("no second backing image");
        };
        let path = folder.path().join("c.raw");
        assert_eq!(c.source.unwrap().path(), path.to_str());
        assert_eq!(c.backing, Some(BackingStore::End));
    }

    #[test]
    fn a_loop_a_hole_and_an_unnamed_format_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let top = write(folder.path(), "a", Some(("b", "qcow2")));
        write(folder.path(), "b", Some(("a", "qcow2")));
        let message = |top: &str| {
            follow(top, StorageFormat::Qcow2, OWNER)
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(
            message(&top),
            format!(
                "internal error: backing store for {top} is self-referential or too deeply nested"
            )
        );
        let top = write(folder.path(), "c", Some(("gone", "raw")));
        assert_eq!(
            message(&top),
            format!(
                "Cannot access backing file '{}/gone' of storage file '{top}' (as uid:0, gid:0): \
                 No such file or directory",
                folder.path().display()
            )
        );
        write(folder.path(), "e", None);
        let top = write(folder.path(), "d", Some(("e", "")));
        assert!(message(&top).contains("unknown format ''"));
    }
}
