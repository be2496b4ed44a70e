//! Which device is tried when, in numbers.
//!
//! Either the devices say it themselves (`<boot order=…/>`), or `<os>` names kinds of devices, of
//! which the first device each counts; a kind that is named again counts where it is named last.

use virt_domain::Domain;
use virt_domain::devices::disk::DiskDevice;
use virt_domain::os::BootDev;

/// Place of a kind of device in `<os>`, from 1.
fn place(domain: &Domain, dev: BootDev) -> Option<u32> {
    let at = domain.os.boot.iter().rposition(|b| b.dev == dev)?;
    u32::try_from(at + 1).ok()
}

/// `bootindex` of the disk at that position.
pub(super) fn disk(domain: &Domain, at: usize) -> Option<u32> {
    let disk = domain.devices.disks.get(at)?;
    if disk.info.boot.is_some() || domain.devices.is_bootable() {
        return disk.info.boot_order();
    }
    let kind = |device: DiskDevice| match device {
        DiskDevice::Cdrom => BootDev::Cdrom,
        DiskDevice::Floppy => BootDev::Fd,
        DiskDevice::Disk | DiskDevice::Lun => BootDev::Hd,
    };
    let dev = kind(disk.device);
    let first = domain
        .devices
        .disks
        .iter()
        .position(|d| kind(d.device) == dev)?;
    (first == at).then(|| place(domain, dev)).flatten()
}

/// `bootindex` of the network interface at that position, unless it has one of its own.
pub(super) fn interface(domain: &Domain, at: usize) -> Option<u32> {
    (at == 0 && !domain.devices.is_bootable())
        .then(|| place(domain, BootDev::Network))
        .flatten()
}
