//! What of a running guest's disk can't be changed. Pure; the names of fields are the stock
//! daemon's.

use virt_domain::devices::disk::{Disk, DiskDriver};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::unsupported;

/// Refuses a description that differs in more than the medium and what goes with it.
///
/// # Errors
/// OPERATION_UNSUPPORTED naming the field, OPERATION_DENIED for the alias.
pub(super) fn check(known: &Disk, new: &Disk) -> Result<()> {
    fields(known, new)?;
    limits(known, new)?;
    let none = DiskDriver::default();
    driver(
        known.driver.as_ref().unwrap_or(&none),
        new.driver.as_ref().unwrap_or(&none),
    )?;
    if new.info.address.is_some() && new.info.address != known.info.address {
        return Err(refused("address"));
    }
    match new.info.alias() {
        Some(alias) if known.info.alias() != Some(alias) => Err(Error::new(
            ErrorCode::OperationDenied,
            ErrorDomain::Qemu,
            "changing device alias is not allowed",
        )),
        _ => Ok(()),
    }
}

fn fields(known: &Disk, new: &Disk) -> Result<()> {
    let (old_shape, shape) = (known.geometry, new.geometry);
    let (old_blocks, blocks) = (known.blockio, new.blockio);
    same(&[
        ("device", known.device == new.device),
        ("bus", known.bus() == new.bus()),
        ("target", known.name() == new.name()),
        ("model", known.model == new.model),
        (
            "geometry cylinders",
            old_shape.map(|g| g.cyls) == shape.map(|g| g.cyls),
        ),
        (
            "geometry heads",
            old_shape.map(|g| g.heads) == shape.map(|g| g.heads),
        ),
        (
            "geometry sectors",
            old_shape.map(|g| g.secs) == shape.map(|g| g.secs),
        ),
        (
            "geometry trans",
            old_shape.map(|g| g.trans) == shape.map(|g| g.trans),
        ),
        (
            "blockio logical_block_size",
            old_blocks.and_then(|b| b.logical_block_size)
                == blocks.and_then(|b| b.logical_block_size),
        ),
        (
            "blockio physical_block_size",
            old_blocks.and_then(|b| b.physical_block_size)
                == blocks.and_then(|b| b.physical_block_size),
        ),
        (
            "blockio discard_granularity",
            old_blocks.and_then(|b| b.discard_granularity)
                == blocks.and_then(|b| b.discard_granularity),
        ),
        ("removable", known.target.removable == new.target.removable),
        (
            "rotation_rate",
            known.target.rotation_rate == new.target.rotation_rate,
        ),
        ("rawio", known.rawio == new.rawio),
        ("sgio", known.sgio == new.sgio),
        (
            "snapshot",
            new.snapshot.is_none() || known.snapshot == new.snapshot,
        ),
        ("serial", known.serial == new.serial),
        ("wwn", known.wwn == new.wwn),
        ("vendor", known.vendor == new.vendor),
        ("product", known.product == new.product),
        ("shared", known.shareable == new.shareable),
        ("transient", known.transient == new.transient),
        (
            "throttlefilters",
            known.throttle_filters == new.throttle_filters,
        ),
        (
            "boot order",
            new.info.boot.is_none() || known.info.boot_order() == new.info.boot_order(),
        ),
    ])
}

fn limits(known: &Disk, new: &Disk) -> Result<()> {
    let none = virt_domain::devices::disk::IoTune::default();
    let old = known.iotune.as_ref().unwrap_or(&none);
    let new = new.iotune.as_ref().unwrap_or(&none);
    for ((name, old), (_, new)) in old.numbers().iter().zip(new.numbers().iter()) {
        if old.unwrap_or(0) != new.unwrap_or(0) {
            return Err(refused(&format!("blkdeviotune {name}")));
        }
    }
    same(&[("blkdeviotune group name", old.group_name == new.group_name)])
}

fn driver(known: &DiskDriver, new: &DiskDriver) -> Result<()> {
    same(&[
        ("cache", known.cache == new.cache),
        ("error_policy", known.error_policy == new.error_policy),
        ("rerror_policy", known.rerror_policy == new.rerror_policy),
        ("io", known.io == new.io),
        ("ioeventfd", known.ioeventfd == new.ioeventfd),
        ("event_idx", known.event_idx == new.event_idx),
        ("copy_on_read", known.copy_on_read == new.copy_on_read),
        ("discard", known.discard == new.discard),
        ("iothread", known.iothread == new.iothread),
        ("queues", known.queues == new.queues),
    ])
}

fn same(fields: &[(&str, bool)]) -> Result<()> {
    match fields.iter().find(|(_, same)| !same) {
        Some((name, _)) => Err(refused(name)),
        None => Ok(()),
    }
}

fn refused(field: &str) -> Error {
    unsupported(format!("cannot modify field '{field}' of the disk"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hotplug::Device;

    fn disk(inner: &str) -> Disk {
        let xml = format!("<disk device='cdrom'><target dev='hdc' bus='ide'/>{inner}</disk>");
        match Device::read(&xml).unwrap() {
            Device::Disk(disk) => *disk,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_the_medium_changes() {
        let refused = |inner: &str| check(&disk(""), &disk(inner)).err().map(|e| e.to_string());
        assert_eq!(refused("<source file='/a'/><readonly/>"), None);
        assert!(refused("<serial>x</serial>").unwrap().contains("'serial'"));
        let limited = refused("<iotune><total_bytes_sec>5</total_bytes_sec></iotune>");
        assert!(limited.unwrap().contains("'blkdeviotune total_bytes_sec'"));
        assert!(
            refused("<driver name='qemu' cache='none'/>")
                .unwrap()
                .contains("'cache'")
        );
        assert!(refused("<alias name='ua-x'/>").unwrap().contains("alias"));
    }
}
