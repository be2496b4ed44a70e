//! Devices of the host that a definition gives its container: block and character devices, images as
//! loop devices.

mod change;
mod filter;
mod loop_device;

use std::collections::HashMap;
use std::path::Path;

use uuid::Uuid;
use virt_domain::Domain;
use virt_domain::devices::disk::{Disk, DiskDevice};
use virt_domain::devices::filesystem::{Filesystem, FilesystemDriverKind, FilesystemKind};
use virt_domain::devices::hostdev::{Hostdev, HostdevSource};
use virt_domain::devices::storage::{Location, StorageFormat};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::plan::Node;
use loop_device::{LoopDevice, numbers};

pub use filter::confine;
pub use loop_device::release;

/// Who may use a block device in the container, besides its root.
const BLOCK_MODE: u32 = 0o660;

/// Devices that are ready for a container. Loop devices among them go with this value unless they are
/// kept.
#[derive(Debug, Default)]
pub struct Ready {
    /// What is in its `/dev`.
    pub nodes: Vec<Node>,
    /// Block devices with the file systems that it mounts, by their place in the definition.
    pub file_systems: HashMap<usize, String>,
    loops: Vec<LoopDevice>,
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Lxc, what)
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Lxc, what)
}

fn failed(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Error {
    move |cause| Error::system(ErrorDomain::Lxc, what, &cause)
}

impl Ready {
    /// All devices of a definition. Blocks.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED, XML_ERROR, SYSTEM_ERROR that name the device.
    pub fn of(domain: &Domain) -> Result<Self> {
        let mut ready = Self::default();
        for (place, filesystem) in domain.devices.filesystems.iter().enumerate() {
            if let Some(device) = ready.file_system(filesystem, domain.uuid, place)? {
                ready.file_systems.insert(place, device);
            }
        }
        for disk in &domain.devices.disks {
            ready.disk(disk, domain.uuid)?;
        }
        for hostdev in &domain.devices.hostdevs {
            ready.hostdev(hostdev)?;
        }
        Ok(ready)
    }

    /// One disk.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_disk(disk: &Disk, container: Uuid) -> Result<Self> {
        let mut ready = Self::default();
        ready.disk(disk, container)?;
        Ok(ready)
    }

    /// One host device.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_hostdev(hostdev: &Hostdev) -> Result<Self> {
        let mut ready = Self::default();
        ready.hostdev(hostdev)?;
        Ok(ready)
    }

    /// Has the loop devices stay: the container runs.
    ///
    /// # Errors
    /// SYSTEM_ERROR.
    pub fn keep(self) -> Result<()> {
        for device in self.loops {
            let what = format!("cannot keep '{}'", device.path());
            device.keep().map_err(failed(what))?;
        }
        Ok(())
    }

    fn image(&mut self, file: &str, readonly: bool, of: Uuid, name: &str) -> Result<String> {
        let device = LoopDevice::of_image(Path::new(file), readonly, of, name)
            .map_err(failed(format!("cannot make '{file}' a loop device")))?;
        let path = device.path().to_owned();
        self.loops.push(device);
        Ok(path)
    }

    /// The device whose file system is mounted, where it is one.
    fn file_system(
        &mut self,
        filesystem: &Filesystem,
        container: Uuid,
        place: usize,
    ) -> Result<Option<String>> {
        let source = filesystem.source.as_ref();
        let driver = filesystem.driver.as_ref();
        match filesystem.kind {
            FilesystemKind::Block => {
                let device = source.and_then(|source| source.dev.clone());
                let device = device.ok_or_else(|| {
                    wrong("<filesystem type='block'>: <source dev=…> is its block device")
                })?;
                check_block(&device)?;
                Ok(Some(device))
            }
            FilesystemKind::File => {
                let file = source.and_then(|source| source.file.as_deref());
                let file = file.ok_or_else(|| {
                    wrong("<filesystem type='file'>: <source file=…> is its image")
                })?;
                let kind = driver.and_then(|driver| driver.kind);
                let format = driver.and_then(|driver| driver.format);
                if !matches!(kind, None | Some(FilesystemDriverKind::Loop)) {
                    return Err(unsupported(
                        "<filesystem type='file'>: <driver type='loop'> is the one that is supported",
                    ));
                }
                check_raw(format, "<filesystem type='file'>")?;
                let name = format!("fs{place}");
                self.image(file, filesystem.readonly, container, &name)
                    .map(Some)
            }
            _ => Ok(None),
        }
    }

    fn disk(&mut self, disk: &Disk, container: Uuid) -> Result<()> {
        let name = disk.name();
        if disk.device != DiskDevice::Disk {
            return Err(unsupported(format!(
                "<disk> '{name}': a container has disks of device='disk' only"
            )));
        }
        let format = disk.driver.as_ref().and_then(|driver| driver.format);
        check_raw(format, &format!("<disk> '{name}'"))?;
        let place = disk.source.as_ref().map(|source| source.place());
        let device = match place {
            Some(Location::Block { path: Some(path) }) => {
                check_block(path)?;
                path.clone()
            }
            Some(Location::File {
                path: Some(path), ..
            }) => self.image(path, disk.readonly, container, name)?,
            _ => {
                return Err(unsupported(format!(
                    "<disk> '{name}': a container has disks of type 'block' and 'file' only"
                )));
            }
        };
        self.node(&device, name, Some(BLOCK_MODE))
    }

    fn hostdev(&mut self, hostdev: &Hostdev) -> Result<()> {
        // Interfaces are the network's.
        let Some(path) = path(hostdev)? else {
            return Ok(());
        };
        if matches!(hostdev.source, HostdevSource::Block(_)) {
            check_block(&path)?;
        }
        let below = path.strip_prefix("/dev/").ok_or_else(|| {
            unsupported(format!(
                "<hostdev> '{path}': a container's devices are below /dev"
            ))
        })?;
        self.node(&path, below, None)
    }

    /// A device of the host at a path below the container's `/dev`.
    fn node(&mut self, device: &str, path: &str, mode: Option<u32>) -> Result<()> {
        let found = numbers(Path::new(device))
            .map_err(failed(format!("'{device}' can't be a container's device")))?;
        let (block, major, minor) = found;
        self.nodes.push(Node {
            path: path.to_owned(),
            block,
            major,
            minor,
            mode: mode.unwrap_or(match block {
                true => BLOCK_MODE,
                false => 0o666,
            }),
        });
        Ok(())
    }
}

/// The path of a host device's node, on the host and in the container; a link has none.
fn path(hostdev: &Hostdev) -> Result<Option<String>> {
    match &hostdev.source {
        HostdevSource::Block(path) | HostdevSource::Char(path) => Ok(Some(path.clone())),
        HostdevSource::Usb {
            address: Some(address),
            ..
        } if address.device.is_some() => {
            let device = address.device.unwrap_or_default();
            Ok(Some(format!("/dev/bus/usb/{:03}/{device:03}", address.bus)))
        }
        HostdevSource::Usb { .. } => Err(unsupported(
            "<hostdev type='usb'>: a container's is named by <address bus=… device=…>",
        )),
        HostdevSource::Interface(_) => Ok(None),
        _ => Err(unsupported(format!(
            "<hostdev type='{}'> is not supported for containers",
            virt_xml::Value::to_text(&hostdev.kind)
        ))),
    }
}

fn check_block(path: &str) -> Result<()> {
    match numbers(Path::new(path)) {
        Ok((true, ..)) => Ok(()),
        Ok(_) => Err(unsupported(format!("'{path}' is no block device"))),
        Err(cause) => Err(failed(format!("'{path}' can't be a container's device"))(
            cause,
        )),
    }
}

/// Other formats would have to be understood by somebody.
fn check_raw(format: Option<StorageFormat>, what: &str) -> Result<()> {
    match format {
        None | Some(StorageFormat::Raw) => Ok(()),
        Some(other) => Err(unsupported(format!(
            "{what}: images of format '{}' are not supported for containers; convert it to raw \
             (qemu-img convert)",
            virt_xml::Value::to_text(&other)
        ))),
    }
}
