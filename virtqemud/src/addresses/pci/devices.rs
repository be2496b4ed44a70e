//! Which devices are on PCI buses, in the order in which they get their places, and what each needs.
//!
//! Facts: WIRE.md section 29.

use super::bus::Connect;
use crate::board::Board;
use crate::defaults::is_known_model;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, PciAddress};
use virt_domain::devices::chardev::SerialType;
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::disk::DiskBus;
use virt_domain::devices::filesystem::FilesystemDriverKind;
use virt_domain::devices::hostdev::{HostdevKind, HostdevModel};
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::input::InputBus;
use virt_domain::devices::interface::InterfaceType;
use virt_domain::devices::iommu::IommuModel;
use virt_domain::devices::memballoon::BalloonModel;
use virt_domain::devices::memory::MemoryModel;
use virt_domain::devices::panic::PanicModel;
use virt_domain::devices::sound::SoundModel;
use virt_domain::devices::video::VideoModel;
use virt_domain::devices::virtio::VirtioModel;
use virt_domain::devices::watchdog::WatchdogModel;

/// A device of a guest by its place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the list of its name")]
pub(super) enum Device {
    Controller(usize),
    Filesystem(usize),
    Interface(usize),
    Sound(usize),
    Disk(usize),
    Hostdev(usize),
    Balloon,
    Rng(usize),
    Watchdog(usize),
    Video(usize),
    Shmem(usize),
    Input(usize),
    Serial(usize),
    Panic(usize),
    Memory(usize),
    Vsock,
    Crypto(usize),
    Iommu,
    Pstore,
}

/// A device and what it needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) device: Device,
    pub(super) flags: Connect,
}

impl Device {
    /// What every device has, of this one.
    pub(super) fn info(self, domain: &Domain) -> Option<&DeviceInfo> {
        let d = &domain.devices;
        match self {
            Self::Controller(i) => d.controllers.get(i).map(|x| &x.info),
            Self::Filesystem(i) => d.filesystems.get(i).map(|x| &x.info),
            Self::Interface(i) => d.interfaces.get(i).map(|x| &x.info),
            Self::Sound(i) => d.sounds.get(i).map(|x| &x.info),
            Self::Disk(i) => d.disks.get(i).map(|x| &x.info),
            Self::Hostdev(i) => d.hostdevs.get(i).map(|x| &x.info),
            Self::Balloon => d.memballoon.as_ref().map(|x| &x.info),
            Self::Rng(i) => d.rngs.get(i).map(|x| &x.info),
            Self::Watchdog(i) => d.watchdogs.get(i).map(|x| &x.info),
            Self::Video(i) => d.videos.get(i).map(|x| &x.info),
            Self::Shmem(i) => d.shmems.get(i).map(|x| &x.info),
            Self::Input(i) => d.inputs.get(i).map(|x| &x.info),
            Self::Serial(i) => d.serials.get(i).map(|x| &x.info),
            Self::Panic(i) => d.panics.get(i).map(|x| &x.info),
            Self::Memory(i) => d.memories.get(i).map(|x| &x.info),
            Self::Vsock => d.vsock.as_ref().map(|x| &x.info),
            Self::Crypto(i) => d.cryptos.get(i).map(|x| &x.info),
            Self::Iommu => d.iommu.as_ref().map(|x| &x.info),
            Self::Pstore => d.pstore.as_ref().map(|x| &x.info),
        }
    }

    /// As [`Device::info`], to be changed.
    pub(super) fn info_mut(self, domain: &mut Domain) -> Option<&mut DeviceInfo> {
        let d = &mut domain.devices;
        match self {
            Self::Controller(i) => d.controllers.get_mut(i).map(|x| &mut x.info),
            Self::Filesystem(i) => d.filesystems.get_mut(i).map(|x| &mut x.info),
            Self::Interface(i) => d.interfaces.get_mut(i).map(|x| &mut x.info),
            Self::Sound(i) => d.sounds.get_mut(i).map(|x| &mut x.info),
            Self::Disk(i) => d.disks.get_mut(i).map(|x| &mut x.info),
            Self::Hostdev(i) => d.hostdevs.get_mut(i).map(|x| &mut x.info),
            Self::Balloon => d.memballoon.as_mut().map(|x| &mut x.info),
            Self::Rng(i) => d.rngs.get_mut(i).map(|x| &mut x.info),
            Self::Watchdog(i) => d.watchdogs.get_mut(i).map(|x| &mut x.info),
            Self::Video(i) => d.videos.get_mut(i).map(|x| &mut x.info),
            Self::Shmem(i) => d.shmems.get_mut(i).map(|x| &mut x.info),
            Self::Input(i) => d.inputs.get_mut(i).map(|x| &mut x.info),
            Self::Serial(i) => d.serials.get_mut(i).map(|x| &mut x.info),
            Self::Panic(i) => d.panics.get_mut(i).map(|x| &mut x.info),
            Self::Memory(i) => d.memories.get_mut(i).map(|x| &mut x.info),
            Self::Vsock => d.vsock.as_mut().map(|x| &mut x.info),
            Self::Crypto(i) => d.cryptos.get_mut(i).map(|x| &mut x.info),
            Self::Iommu => d.iommu.as_mut().map(|x| &mut x.info),
            Self::Pstore => d.pstore.as_mut().map(|x| &mut x.info),
        }
    }
}

/// All devices that are on PCI buses or will be, in the order in which they get their places.
pub(super) fn list(domain: &Domain, board: Board) -> Vec<Wanted> {
    let old = Connect::PCI | Connect::HOTPLUG | Connect::AUTO;
    // On a board without PCI Express everything is an old device.
    let new = if board.has_pcie_root() {
        Connect::PCIE | Connect::HOTPLUG | Connect::AUTO
    } else {
        old
    };
    // What is never plugged has its place on the root itself.
    let on_root = if board.has_pcie_root() {
        Connect::PCIE | Connect::AUTO
    } else {
        Connect::PCI | Connect::AUTO
    };
    let virtio = |model: Option<VirtioModel>| match model {
        Some(VirtioModel::VirtioTransitional) => old,
        _ => new,
    };
    let d = &domain.devices;
    let mut all = Vec::new();
    let mut want = |device: Device, flags: Connect| {
        let info = device.info(domain);
        let elsewhere = info
            .and_then(|i| i.address.as_ref())
            .is_some_and(|a| !matches!(a, Address::Pci(_)));
        // A mainframe's PCI is for devices that say so.
        let open = info.is_some_and(|i| i.address.is_none());
        if board == Board::S390Ccw && open {
            return;
        }
        if !elsewhere {
            all.push(Wanted { device, flags });
        }
    };

    for (i, controller) in d.controllers.iter().enumerate() {
        if controller.kind == ControllerKind::Pci
            && let Some(model) = controller.model
        {
            let flags = Connect::of_controller(model);
            if !flags.is_empty() {
                want(Device::Controller(i), flags);
            }
        }
    }
    for (i, filesystem) in d.filesystems.iter().enumerate() {
        if filesystem.driver_kind() != Some(FilesystemDriverKind::Mtp) {
            want(Device::Filesystem(i), virtio(filesystem.model));
        }
    }
    for (i, interface) in d.interfaces.iter().enumerate() {
        let flags = match interface.model.as_deref() {
            Some("usb-net" | "spapr-vlan" | "smc91c111") => continue,
            Some("virtio" | "virtio-non-transitional" | "e1000e" | "igb") => new,
            _ if interface.source.kind() == InterfaceType::Hostdev => new,
            // What a card is that nobody knows, nobody knows; the stock daemon takes it for a new one.
            Some(model) if !is_known_model(model) => new,
            _ => old,
        };
        want(Device::Interface(i), flags);
    }
    for (i, sound) in d.sounds.iter().enumerate() {
        match sound.model {
            SoundModel::Sb16 | SoundModel::Pcspk | SoundModel::Usb => {}
            SoundModel::Virtio => want(Device::Sound(i), new),
            _ => want(Device::Sound(i), old),
        }
    }
    for (i, controller) in d.controllers.iter().enumerate() {
        if let Some(flags) = controller_flags(controller, board, old, new) {
            want(Device::Controller(i), flags);
        }
    }
    for (i, disk) in d.disks.iter().enumerate() {
        if disk.bus() == DiskBus::Virtio {
            want(Device::Disk(i), virtio(disk.model));
        }
    }
    for (i, hostdev) in d.hostdevs.iter().enumerate() {
        let flags = match (hostdev.kind, hostdev.model) {
            (HostdevKind::Pci, _) | (HostdevKind::Mdev, Some(HostdevModel::VfioPci)) => new,
            (HostdevKind::ScsiHost, model) => virtio(model.and_then(HostdevModel::virtio)),
            _ => continue,
        };
        want(Device::Hostdev(i), flags);
    }
    match d.memballoon.as_ref().map(|b| b.model) {
        Some(BalloonModel::Virtio | BalloonModel::VirtioNonTransitional) => {
            want(Device::Balloon, new);
        }
        Some(BalloonModel::VirtioTransitional) => want(Device::Balloon, old),
        Some(BalloonModel::Xen | BalloonModel::None) | None => {}
    }
    for (i, rng) in d.rngs.iter().enumerate() {
        want(Device::Rng(i), virtio(Some(rng.model)));
    }
    for (i, watchdog) in d.watchdogs.iter().enumerate() {
        if watchdog.model == WatchdogModel::I6300esb {
            want(Device::Watchdog(i), old);
        }
    }
    for (i, video) in d.videos.iter().enumerate() {
        match video.model {
            Some(VideoModel::None | VideoModel::Ramfb) | None => {}
            Some(VideoModel::Virtio) => want(Device::Video(i), new),
            Some(VideoModel::Bochs) => want(Device::Video(i), new),
            Some(_) => want(Device::Video(i), old),
        }
    }
    for (i, _) in d.shmems.iter().enumerate() {
        want(Device::Shmem(i), old);
    }
    for (i, input) in d.inputs.iter().enumerate() {
        if input.bus == Some(InputBus::Virtio) {
            want(Device::Input(i), virtio(input.model));
        }
    }
    for (i, serial) in d.serials.iter().enumerate() {
        if serial.target.kind == Some(SerialType::PciSerial) {
            want(Device::Serial(i), old);
        }
    }
    for (i, panic) in d.panics.iter().enumerate() {
        if panic.model == Some(PanicModel::Pvpanic) {
            // A part of the board.
            want(
                Device::Panic(i),
                Connect::PCI | Connect::AUTO | Connect::INTEGRATED,
            );
        }
    }
    for (i, memory) in d.memories.iter().enumerate() {
        if matches!(
            memory.model,
            MemoryModel::VirtioPmem | MemoryModel::VirtioMem
        ) {
            want(Device::Memory(i), new);
        }
    }
    if let Some(vsock) = &d.vsock {
        want(Device::Vsock, virtio(vsock.model));
    }
    for (i, _) in d.cryptos.iter().enumerate() {
        want(Device::Crypto(i), old);
    }
    if d.iommu.as_ref().map(|i| i.model) == Some(IommuModel::Virtio) {
        want(Device::Iommu, on_root);
    }
    if d.pstore.is_some() {
        want(Device::Pstore, old);
    }
    all
}

/// Places that devices claim which are not on PCI: nobody else may have them.
pub(super) fn strays(domain: &Domain, listed: &[Wanted]) -> Vec<PciAddress> {
    let on_pci: Vec<&DeviceInfo> = listed
        .iter()
        .filter_map(|wanted| wanted.device.info(domain))
        .collect();
    let all = domain.devices.infos().into_iter();
    // A console may be a serial port under its other name.
    let consoles = || domain.devices.consoles.iter().map(|console| &console.info);
    all.filter(|info| !on_pci.iter().any(|other| std::ptr::eq(*other, *info)))
        .filter(|info| !consoles().any(|other| std::ptr::eq(other, *info)))
        .filter_map(DeviceInfo::pci)
        .filter(|address| !address.is_any())
        .copied()
        .collect()
}

fn controller_flags(
    controller: &Controller,
    board: Board,
    old: Connect,
    new: Connect,
) -> Option<Connect> {
    use ControllerKind as K;
    use ControllerModel as M;
    match controller.kind {
        K::Pci | K::Fdc | K::Ccid | K::Isa | K::Xenbus => None,
        // Only the board's own.
        K::Ide => (board == Board::I440fx && controller.index() == 0).then_some(old),
        K::Sata => Some(old),
        K::VirtioSerial => Some(match controller.model {
            Some(M::VirtioTransitional) => old,
            _ => new,
        }),
        K::Scsi => match controller.model {
            Some(M::VirtioScsi | M::VirtioNonTransitional) => Some(new),
            Some(M::Ibmvscsi) => None,
            _ => Some(old),
        },
        K::Usb => match controller.model {
            Some(M::None) => None,
            Some(M::NecXhci | M::QemuXhci) => Some(new),
            _ => Some(old),
        },
        K::Nvme => Some(new),
    }
}
