//! Disks whose writes are dropped when the guest ends (`<transient/>`): each gets an image of its
//! own on top, in a file that goes with the guest. Blocks.
//!
//! Names of files and the texts of refusals are the stock daemon's, as watched.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use virt_domain::Domain;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::{
    BackingImage, BackingStore, Format, Location, StorageFormat, StorageKind, StorageSource,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::usage;
use crate::aliases::last_of;

/// The program that makes images.
const QEMU_IMG: &str = "qemu-img";

/// What the file of an overlay ends with.
fn suffix(guest: &str) -> String {
    format!(".TRANSIENT-{guest}")
}

/// Files of a running guest's overlays, which go with it.
pub fn files(domain: &Domain) -> Vec<PathBuf> {
    let suffix = suffix(&domain.name);
    let transient = domain
        .devices
        .disks
        .iter()
        .filter(|d| d.transient.is_some());
    transient
        .filter_map(|disk| disk.source.as_ref()?.path())
        .filter(|path| path.ends_with(&suffix))
        .map(PathBuf::from)
        .collect()
}

/// Makes the overlays and puts them on top of the guest's images, whose nodes are numbered already.
/// `made` is called for each file as soon as it is there: it has to go whatever happens later.
///
/// # Errors
/// OPERATION_UNSUPPORTED for an overlay that is there already, SYSTEM_ERROR where it can't be made,
/// INTERNAL_ERROR with the words of `qemu-img`.
pub fn put(domain: &mut Domain, made: &mut dyn FnMut(&Path) -> Result<()>) -> Result<()> {
    let suffix = suffix(&domain.name);
    let numbers = domain.devices.disks.iter().map(last_of);
    let mut last = numbers.max().unwrap_or(0);
    for disk in &mut domain.devices.disks {
        if disk.transient.is_none() {
            continue;
        }
        let Some(base) = disk.source.as_ref().and_then(StorageSource::path) else {
            continue;
        };
        let overlay = format!("{base}{suffix}");
        let format = disk.format().unwrap_or(StorageFormat::Raw);
        let size = usage(base, Some(format))?.capacity;
        create(disk.name(), &overlay)?;
        made(Path::new(&overlay))?;
        format_as_qcow2(&overlay, base, format, size)?;
        last += 1;
        on_top(disk, overlay, format, last);
    }
    Ok(())
}

/// The file, which nobody else may have put there.
fn create(disk: &str, path: &str) -> Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => Ok(()),
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Err(Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Qemu,
            format!(
                "Overlay file '{path}' for transient disk '{disk}' already exists; remove it if no \
                 guest uses it"
            ),
        )),
        Err(cause) => {
            let what = format!("failed to create file '{path}'");
            Err(Error::system(ErrorDomain::Qemu, what, &cause))
        }
    }
}

fn format_as_qcow2(overlay: &str, base: &str, format: StorageFormat, size: u64) -> Result<()> {
    let format = match format {
        StorageFormat::Vhd => "vhdx",
        StorageFormat::Ploop => "parallels",
        other => other.word(),
    };
    // The image below is not opened: what it names is not for this program to read.
    let ran = Command::new(QEMU_IMG)
        .args([
            "create", "-q", "-u", "-f", "qcow2", "-F", format, "-b", base,
        ])
        .arg(overlay)
        .arg(size.to_string())
        .stdin(Stdio::null())
        .output();
    let output = ran.map_err(|cause| {
        let what = "cannot run 'qemu-img', which transient disks need";
        Error::system(ErrorDomain::Qemu, what, &cause)
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Qemu,
        format!(
            "qemu-img can't make '{overlay}': {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    ))
}

/// Makes what the disk was the image below.
fn on_top(disk: &mut Disk, overlay: String, format: StorageFormat, number: u32) {
    let metadata_cache = disk.driver.as_mut().and_then(|d| d.metadata_cache.take());
    let mut top = StorageSource::from(Location::File {
        path: Some(overlay),
        fdgroup: None,
    });
    top.index = Some(number);
    let mut below = disk.source.replace(top);
    if let Some(source) = &mut below {
        source.encryption = source.encryption.take().or_else(|| disk.encryption.take());
    }
    disk.backing = Some(BackingStore::Image(Box::new(BackingImage {
        kind: std::mem::replace(&mut disk.kind, StorageKind::File),
        index: below.as_mut().and_then(|source| source.index.take()),
        format: Some(Format {
            kind: format,
            metadata_cache,
        }),
        source: below,
        backing: disk.backing.take(),
    })));
    disk.driver_mut().format = Some(StorageFormat::Qcow2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlay_is_on_top_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a.raw");
        std::fs::write(&base, vec![0; 1 << 16]).unwrap();
        let text = format!(
            "<domain type='qemu'><name>g</name><memory>1024</memory>
             <os><type arch='x86_64'>hvm</type></os><devices>
             <disk type='file'><driver type='raw'/><source file='{}' index='1'/>
             <backingStore/><target dev='vda'/><transient/></disk></devices></domain>",
            base.display()
        );
        let mut domain = Domain::read(&text).unwrap();
        let disk = &mut domain.devices.disks[0];
        on_top(
            disk,
            format!("{}.TRANSIENT-g", base.display()),
            StorageFormat::Raw,
            2,
        );
        assert_eq!(disk.format(), Some(StorageFormat::Qcow2));
        assert_eq!(disk.source.as_ref().unwrap().index, Some(2));
        let Some(BackingStore::Image(below)) = &disk.backing else {
            panic!("nothing below");
        };
        assert_eq!(below.index, Some(1));
        assert_eq!(below.backing, Some(BackingStore::End));
        assert_eq!(files(&domain), [folder.path().join("a.raw.TRANSIENT-g")]);
    }

    #[test]
    fn an_overlay_that_is_there_is_not_touched() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "precious").unwrap();
        let error = create("vda", file.path().to_str().unwrap()).unwrap_err();
        assert!(error.message().contains("already exists"), "{error}");
        assert_eq!(std::fs::read(file.path()).unwrap(), b"precious");
    }
}
