//! Numbers of block nodes: every image of a guest gets one, in its live definition.
//!
//! The last disk comes first; of a disk the image the guest writes to, then the file that holds its
//! data, then the same for what it is based upon. Facts: WIRE.md section 30; live XML and command
//! lines of the stock daemon.

use virt_domain::Domain;
use virt_domain::devices::disk::{Disk, DiskBus};
use virt_domain::devices::storage::{BackingStore, StorageSource};

/// Numbers all images, from 1; returns the last number.
pub(super) fn assign(domain: &mut Domain) -> u32 {
    let mut last = 0;
    for disk in domain.devices.disks.iter_mut().rev() {
        number(disk, &mut last);
        // Filters on top have names with numbers of their own.
        last += filters(disk);
    }
    last
}

/// The last number that a start gives.
pub(crate) fn last_number(domain: &Domain) -> u32 {
    assign(&mut domain.clone())
}

/// Numbers the images of a disk that comes while the guest runs, on from the last number given.
pub(crate) fn number_one(disk: &mut Disk, last: &mut u32) {
    number(disk, last);
    *last += filters(disk);
}

fn number(disk: &mut Disk, last: &mut u32) {
    if disk.bus() == DiskBus::Sd {
        // No nodes are named for it.
        return;
    }
    let Some(source) = disk.source.as_mut().filter(|s| !s.is_empty()) else {
        // The number is kept for what is put into the drive.
        *last += 1;
        return;
    };
    number_source(source, last);
    let mut backing = disk.backing.as_mut();
    while let Some(BackingStore::Image(image)) = backing {
        if let Some(source) = &mut image.source {
            number_source(source, last);
            image.index = source.index.take();
        }
        backing = image.backing.as_mut();
    }
}

fn number_source(source: &mut StorageSource, last: &mut u32) {
    *last += 1;
    source.index = Some(*last);
    if let Some(below) = source.data_store.as_mut().and_then(|d| d.source.as_mut()) {
        *last += 1;
        below.index = Some(*last);
    }
}

fn filters(disk: &Disk) -> u32 {
    let filters = disk.throttle_filters.as_ref().map(|f| f.filters.len());
    filters.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// Number of the last image of a disk: its filters go on from there.
pub(crate) fn last_of(disk: &Disk) -> u32 {
    let of_source = |source: &StorageSource| {
        let below = source
            .data_store
            .as_ref()
            .and_then(|d| d.source.as_ref()?.index);
        source.index.max(below)
    };
    let mut last = disk.source.as_ref().and_then(of_source);
    let mut backing = disk.backing.as_ref();
    while let Some(BackingStore::Image(image)) = backing {
        last = last
            .max(image.index)
            .max(image.source.as_ref().and_then(of_source));
        backing = image.backing.as_ref();
    }
    last.unwrap_or(0)
}
