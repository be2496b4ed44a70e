//! Options of disks: their block nodes and the device the guest sees.
//!
//! Facts: `-device DRIVER,help` of QEMU 10.0; WIRE.md section 30.

use super::block::{self, Needs, write_cache};
use super::command_line::Builder;
use super::context::StartContext;
use super::place::bus_name;
use super::props::{OptionList, Props, on_off};
use super::{boot, sd_card, virtio};
use crate::aliases::{is_narrow, last_of};
use crate::board::Board;
use crate::caps::CapFlag;
use serde_json::{Value, json};
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::controller::ControllerKind;
use virt_domain::devices::disk::{Disk, DiskBus, DiskDevice, ErrorPolicy, IothreadMap};
use virt_domain::devices::storage::Location;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for (at, disk) in domain.devices.disks.iter().enumerate() {
        let throttles = disk
            .throttle_filters
            .as_ref()
            .map_or(0, |f| f.filters.len());
        let last = last_of(disk).saturating_add(u32::try_from(throttles).unwrap_or(u32::MAX));
        context.node_index = context.node_index.max(last);
        let boot = boot::disk(domain, at);
        if let Some(Location::VhostUser { path, reconnect }) =
            disk.source.as_ref().map(|s| &s.location)
        {
            let chardev = format!("chr-vu-{}", disk.info.alias().unwrap_or_default());
            let mut options = OptionList::starting("socket")
                .with("id", &chardev)
                .with("path", path);
            if let Some(seconds) = reconnect
                .filter(|r| r.enabled.is_some_and(|e| e.is_yes()))
                .map(|r| r.timeout.unwrap_or(0))
            {
                if b.caps.has(CapFlag::ChardevReconnectMiliseconds) {
                    options.put("reconnect-ms", u64::from(seconds) * 1000);
                } else {
                    options.put("reconnect", seconds);
                }
            }
            b.option("-chardev", options.finish());
            let device = virtio::device("vhost-user-blk", disk.model, &disk.info)
                .with_virtio(disk.driver.as_ref().map(|d| &d.virtio))
                .placed(domain, &disk.info)?
                .with("chardev", chardev)
                .with("id", disk.info.alias().unwrap_or_default())
                .maybe("bootindex", boot);
            let driver = disk.driver.clone().unwrap_or_default();
            let device = device
                .maybe("event_idx", driver.event_idx.map(OnOff::is_on))
                .maybe("num-queues", driver.queues)
                .maybe("queue-size", driver.queue_size);
            b.device(&device);
            continue;
        }
        if is_attached_later(disk) {
            continue;
        }
        if disk.bus() == DiskBus::Sd {
            sd_card::append(b, disk, context)?;
            continue;
        }
        let sets = b.disk_fdsets();
        append_one(b, domain, disk, boot, &mut Needs::of(context, &sets))?;
    }
    Ok(())
}

/// Adds the nodes of one disk and the device on top.
fn append_one(
    b: &mut Builder,
    domain: &Domain,
    disk: &Disk,
    boot: Option<u32>,
    needs: &mut Needs,
) -> Result<()> {
    let drive = medium(b, disk, needs)?;
    let device = device(b, domain, disk, drive, boot)?;
    b.device(&device);
    Ok(())
}

/// Adds the nodes of the disk's medium; the name of the top one, if there is a medium.
pub(super) fn medium(b: &mut Builder, disk: &Disk, needs: &mut Needs) -> Result<Option<String>> {
    let Some(nodes) = block::nodes(disk, needs)? else {
        return Ok(None);
    };
    b.parts(nodes.parts);
    Ok(Some(filters(b, disk, nodes.top)))
}

/// Adds the device for a drive whose nodes are there.
pub(super) fn drive(
    b: &mut Builder,
    domain: &Domain,
    disk: &Disk,
    drive: Option<String>,
) -> Result<()> {
    // The kinds of devices in `<os>` were given their numbers at the start.
    let device = device(b, domain, disk, drive, disk.info.boot_order())?;
    b.device(&device);
    Ok(())
}

/// Whether the disk comes only once QEMU runs: those that share the image below need their own
/// overlay first.
fn is_attached_later(disk: &Disk) -> bool {
    disk.shares_backing()
}

/// A serial number as the stock daemon has always written it: spaces and backslashes are escaped,
/// and the guest sees that.
fn serial_number(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ' ' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What is between the image and the device.
fn filters(b: &mut Builder, disk: &Disk, mut top: String) -> String {
    if disk.driver.as_ref().and_then(|d| d.copy_on_read) == Some(OnOff::On) {
        let name = format!("libvirt-CoR-{}", disk.name());
        b.blockdev(
            &Props::of("driver", "copy-on-read")
                .with("node-name", name.clone())
                .with("file", top)
                .with("discard", "unmap"),
        );
        top = name;
    }
    let groups = disk.throttle_filters.iter().flat_map(|f| &f.filters);
    for (number, filter) in (last_of(disk) + 1..).zip(groups) {
        let name = format!("libvirt-{number}-filter");
        b.blockdev(
            &Props::of("driver", "throttle")
                .with("node-name", name.clone())
                .with("throttle-group", format!("throttle-{}", filter.group))
                .with("file", top),
        );
        top = name;
    }
    top
}

fn drive_address(disk: &Disk) -> virt_domain::devices::address::DriveAddress {
    let address = disk.info.address.as_ref().and_then(Address::drive);
    address.copied().unwrap_or_default()
}

fn device(
    b: &Builder,
    domain: &Domain,
    disk: &Disk,
    drive: Option<String>,
    boot: Option<u32>,
) -> Result<Props> {
    let alias = disk.info.alias().unwrap_or_default();
    let at = drive_address(disk);
    let bus = |kind| bus_name(domain, kind, at.controller);
    let medium = |hard: &str, cd: &str| {
        Props::device(if disk.device == DiskDevice::Cdrom {
            cd
        } else {
            hard
        })
    };
    let mut props = match disk.bus() {
        DiskBus::Virtio => virtio_blk(b, disk).placed(domain, &disk.info)?,
        DiskBus::Ide => medium("ide-hd", "ide-cd")
            .with("bus", format!("{}.{}", bus(ControllerKind::Ide)?, at.bus))
            .with("unit", at.unit),
        DiskBus::Sata => medium("ide-hd", "ide-cd")
            .with("bus", format!("{}.{}", bus(ControllerKind::Sata)?, at.unit)),
        DiskBus::Scsi => {
            let device = match disk.device {
                DiskDevice::Lun => Props::device("scsi-block"),
                _ => medium("scsi-hd", "scsi-cd"),
            };
            let bus = format!("{}.{}", bus(ControllerKind::Scsi)?, at.bus);
            let device = device.with("bus", bus);
            let device = if is_narrow(&domain.devices.controllers, at.controller) {
                device.with("scsi-id", at.unit)
            } else {
                device
                    .with("channel", 0)
                    .with("scsi-id", at.target)
                    .with("lun", at.unit)
            };
            if disk.device == DiskDevice::Lun {
                device
            } else {
                // What the guest sees when nothing else identifies the disk.
                let id = disk
                    .serial
                    .clone()
                    .unwrap_or_else(|| format!("drive-{alias}"));
                device.with("device_id", id)
            }
        }
        DiskBus::Usb => Props::device("usb-storage").placed(domain, &disk.info)?,
        DiskBus::Fdc => Props::device("floppy").with("unit", at.unit),
        other => {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                format!("disks on bus '{other}' are not supported"),
            ));
        }
    };
    if disk.shareable {
        props.put("share-rw", true);
    }
    if let Some(drive) = drive {
        props.put("drive", drive);
    }
    props.put("id", alias);
    if disk.bus() != DiskBus::Fdc {
        if let Some(boot) = boot {
            props.put("bootindex", boot);
        }
        // Only a mainframe's firmware takes it.
        let on_mainframe = Board::of(domain) == Board::S390Ccw;
        let loadparm = disk.info.boot.as_ref().and_then(|b| b.loadparm.clone());
        if let Some(loadparm) = loadparm.filter(|_| on_mainframe) {
            props.put("loadparm", loadparm);
        }
    }
    if let Some(blockio) = &disk.blockio {
        props = props
            .maybe("logical_block_size", blockio.logical_block_size)
            .maybe("physical_block_size", blockio.physical_block_size)
            .maybe("discard_granularity", blockio.discard_granularity);
    }
    props = props
        .maybe("rotation_rate", disk.target.rotation_rate)
        .maybe("vendor", disk.vendor.clone())
        .maybe(
            match disk.bus() {
                DiskBus::Scsi => "product",
                _ => "model",
            },
            disk.product.clone(),
        );
    if disk.bus() == DiskBus::Usb {
        props.put("removable", disk.target.removable == Some(OnOff::On));
    } else if let Some(removable) = disk.target.removable
        && disk.bus() == DiskBus::Scsi
    {
        props.put("removable", removable == OnOff::On);
    }
    if let Some(wwn) = &disk.wwn {
        let digits = wwn.trim_start_matches("0x");
        props.put("wwn", u64::from_str_radix(digits, 16).unwrap_or(0));
    }
    // A SCSI unit that takes the guest's commands has its own cache.
    let is_unit = disk.device == DiskDevice::Lun && disk.bus() == DiskBus::Scsi;
    if let Some(on) = write_cache(disk.cache()).filter(|_| !is_unit) {
        props.put("write-cache", on_off(on));
    }
    if let Some(geometry) = &disk.geometry {
        let said = |number: u32| (number > 0).then_some(number);
        props = props
            .maybe("cyls", said(geometry.cyls))
            .maybe("heads", said(geometry.heads))
            .maybe("secs", said(geometry.secs))
            .maybe("bios-chs-trans", geometry.trans.map(|t| t.word()));
    }
    if let Some(serial) = &disk.serial {
        props.put("serial", serial_number(serial));
    }
    let (write, read) = error_policies(disk);
    Ok(props.maybe("werror", write).maybe("rerror", read))
}

/// What QEMU does when a write or a read fails.
fn error_policies(disk: &Disk) -> (Option<&'static str>, Option<&'static str>) {
    let word = |policy: ErrorPolicy| match policy {
        ErrorPolicy::Enospace => "enospc",
        other => other.word(),
    };
    let driver = disk.driver.as_ref();
    let write = driver.and_then(|d| d.error_policy);
    let read = driver
        .and_then(|d| d.rerror_policy)
        .or(write.filter(|p| *p != ErrorPolicy::Enospace));
    (write.map(word), read.map(word))
}

fn virtio_blk(b: &Builder, disk: &Disk) -> Props {
    let driver = disk.driver.as_ref();
    let mut props =
        virtio::device("virtio-blk", disk.model, &disk.info).with_virtio(driver.map(|d| &d.virtio));
    if disk.device == DiskDevice::Lun && b.caps.has(CapFlag::VirtioBlkPciScsi) {
        props.put("scsi", true);
    }
    let Some(driver) = driver else {
        return props;
    };
    props
        .maybe("ioeventfd", driver.ioeventfd.map(OnOff::is_on))
        .maybe("event_idx", driver.event_idx.map(OnOff::is_on))
        .maybe("num-queues", driver.queues)
        .maybe("queue-size", driver.queue_size)
        .maybe("iothread", driver.iothread.map(|n| format!("iothread{n}")))
        .maybe(
            "iothread-vq-mapping",
            driver.iothreads.as_ref().map(iothread_mapping),
        )
}

/// Which I/O thread serves which queues.
pub(super) fn iothread_mapping(map: &IothreadMap) -> Value {
    map.threads
        .iter()
        .map(|thread| {
            let name = format!("iothread{}", thread.id);
            if thread.queues.is_empty() {
                json!({ "iothread": name })
            } else {
                let queues: Vec<_> = thread.queues.iter().map(|q| q.id).collect();
                json!({ "iothread": name, "vqs": queues })
            }
        })
        .collect()
}
