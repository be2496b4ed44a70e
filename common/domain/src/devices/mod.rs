//! The devices of a guest, a file per family.

pub mod address;
pub mod audio;
pub mod chardev;
pub mod controller;
pub mod crypto;
pub mod disk;
pub mod filesystem;
pub mod graphics;
pub mod hostdev;
pub mod hub;
pub mod info;
pub mod input;
pub mod interface;
pub mod iommu;
pub mod iotune;
pub mod lease;
pub mod memballoon;
pub mod memory;
pub mod nvram;
pub mod panic;
pub mod pstore;
pub mod redirdev;
pub mod rng;
pub mod shmem;
pub mod smartcard;
pub mod sound;
pub mod storage;
pub mod tpm;
pub mod video;
pub mod virtio;
pub mod vsock;
pub mod watchdog;

use virt_xml::Element;

/// `<devices>`, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Devices {
    /// Path of the program that runs the guest.
    #[xml(child_text)]
    pub emulator: Option<String>,
    /// `<disk>`.
    #[xml(child = "disk")]
    pub disks: Vec<disk::Disk>,
    /// `<controller>`.
    #[xml(child = "controller")]
    pub controllers: Vec<controller::Controller>,
    /// `<lease>`.
    #[xml(child = "lease")]
    pub leases: Vec<lease::Lease>,
    /// `<filesystem>`.
    #[xml(child = "filesystem")]
    pub filesystems: Vec<filesystem::Filesystem>,
    /// `<interface>`.
    #[xml(child = "interface")]
    pub interfaces: Vec<interface::Interface>,
    /// `<smartcard>`.
    #[xml(child = "smartcard")]
    pub smartcards: Vec<smartcard::Smartcard>,
    /// `<serial>`.
    #[xml(child = "serial")]
    pub serials: Vec<chardev::Serial>,
    /// `<parallel>`.
    #[xml(child = "parallel")]
    pub parallels: Vec<chardev::Parallel>,
    /// `<console>`.
    #[xml(child = "console")]
    pub consoles: Vec<chardev::Console>,
    /// `<channel>`.
    #[xml(child = "channel")]
    pub channels: Vec<chardev::Channel>,
    /// `<input>`.
    #[xml(child = "input")]
    pub inputs: Vec<input::Input>,
    /// `<tpm>`.
    #[xml(child = "tpm")]
    pub tpms: Vec<tpm::Tpm>,
    /// `<graphics>`.
    #[xml(child)]
    pub graphics: Vec<graphics::Graphics>,
    /// `<sound>`.
    #[xml(child = "sound")]
    pub sounds: Vec<sound::Sound>,
    /// `<audio>`.
    #[xml(child = "audio")]
    pub audios: Vec<audio::Audio>,
    /// `<video>`.
    #[xml(child = "video")]
    pub videos: Vec<video::Video>,
    /// `<hostdev>`.
    #[xml(child = "hostdev")]
    pub hostdevs: Vec<hostdev::Hostdev>,
    /// `<redirdev>`.
    #[xml(child = "redirdev")]
    pub redirdevs: Vec<redirdev::Redirdev>,
    /// `<redirfilter>`.
    #[xml(child)]
    pub redirfilter: Option<redirdev::RedirFilter>,
    /// `<hub>`.
    #[xml(child = "hub")]
    pub hubs: Vec<hub::Hub>,
    /// `<watchdog>`.
    #[xml(child = "watchdog")]
    pub watchdogs: Vec<watchdog::Watchdog>,
    /// `<memballoon>`.
    #[xml(child)]
    pub memballoon: Option<memballoon::Memballoon>,
    /// `<rng>`.
    #[xml(child = "rng")]
    pub rngs: Vec<rng::Rng>,
    /// `<nvram>`.
    #[xml(child)]
    pub nvram: Option<nvram::Nvram>,
    /// `<panic>`.
    #[xml(child = "panic")]
    pub panics: Vec<panic::Panic>,
    /// `<shmem>`.
    #[xml(child = "shmem")]
    pub shmems: Vec<shmem::Shmem>,
    /// `<memory>`.
    #[xml(child = "memory")]
    pub memories: Vec<memory::MemoryDevice>,
    /// `<crypto>`.
    #[xml(child = "crypto")]
    pub cryptos: Vec<crypto::Crypto>,
    /// `<iommu>`.
    #[xml(child)]
    pub iommu: Option<iommu::Iommu>,
    /// `<vsock>`.
    #[xml(child)]
    pub vsock: Option<vsock::Vsock>,
    /// `<pstore>`.
    #[xml(child)]
    pub pstore: Option<pstore::Pstore>,
}

impl Devices {
    /// Whether any device says when it is tried for booting.
    pub fn is_bootable(&self) -> bool {
        self.disks.iter().any(|d| d.info.boot.is_some())
            || self.interfaces.iter().any(|d| d.info.boot.is_some())
            || self.hostdevs.iter().any(|d| d.info.boot.is_some())
            || self.redirdevs.iter().any(|d| d.info.boot.is_some())
            || self.filesystems.iter().any(|d| d.info.boot.is_some())
    }

    /// What every device has, of all of them.
    pub fn infos(&self) -> Vec<&info::DeviceInfo> {
        let mut all: Vec<&info::DeviceInfo> = Vec::new();
        macro_rules! lists {
            ($($list:ident)*) => { $(all.extend(self.$list.iter().map(|d| &d.info));)* };
        }
        lists!(
            disks controllers filesystems interfaces smartcards serials parallels consoles channels
            inputs tpms sounds videos hostdevs redirdevs hubs watchdogs memballoon rngs nvram panics
            shmems memories iommu vsock cryptos pstore
        );
        all
    }

    /// Strips what only a running guest has.
    pub fn inactive(&mut self) {
        self.disks.iter_mut().for_each(disk::Disk::inactive);
        self.controllers
            .iter_mut()
            .for_each(controller::Controller::inactive);
        self.filesystems
            .iter_mut()
            .for_each(filesystem::Filesystem::inactive);
        self.hostdevs
            .iter_mut()
            .for_each(hostdev::Hostdev::inactive);
        self.memories
            .iter_mut()
            .for_each(memory::MemoryDevice::inactive);
        self.interfaces
            .iter_mut()
            .for_each(interface::Interface::inactive);
        self.smartcards
            .iter_mut()
            .for_each(smartcard::Smartcard::inactive);
        self.serials.iter_mut().for_each(chardev::Serial::inactive);
        self.parallels
            .iter_mut()
            .for_each(chardev::Parallel::inactive);
        self.consoles
            .iter_mut()
            .for_each(chardev::Console::inactive);
        self.channels
            .iter_mut()
            .for_each(chardev::Channel::inactive);
        self.inputs.iter_mut().for_each(input::Input::inactive);
        self.tpms.iter_mut().for_each(tpm::Tpm::inactive);
        self.graphics
            .iter_mut()
            .for_each(graphics::Graphics::inactive);
        self.sounds.iter_mut().for_each(sound::Sound::inactive);
        self.videos.iter_mut().for_each(video::Video::inactive);
        self.redirdevs
            .iter_mut()
            .for_each(redirdev::Redirdev::inactive);
        self.hubs.iter_mut().for_each(hub::Hub::inactive);
        self.watchdogs
            .iter_mut()
            .for_each(watchdog::Watchdog::inactive);
        self.memballoon
            .iter_mut()
            .for_each(memballoon::Memballoon::inactive);
        self.rngs.iter_mut().for_each(rng::Rng::inactive);
        self.nvram.iter_mut().for_each(nvram::Nvram::inactive);
        self.panics.iter_mut().for_each(panic::Panic::inactive);
        self.shmems.iter_mut().for_each(shmem::Shmem::inactive);
        self.cryptos.iter_mut().for_each(crypto::Crypto::inactive);
        self.iommu.iter_mut().for_each(iommu::Iommu::inactive);
        self.vsock.iter_mut().for_each(vsock::Vsock::inactive);
        self.pstore.iter_mut().for_each(pstore::Pstore::inactive);
    }

    /// Strips what a document without state does not show of a running guest: less than what
    /// [`Devices::inactive`] does, as with the stock daemon.
    pub(crate) fn hide_running(&mut self) {
        macro_rules! all_but_names {
            ($($list:ident)*) => {$(
                for device in self.$list.iter_mut() {
                    let info = device.info.clone();
                    device.inactive();
                    device.info = info;
                }
            )*};
        }
        self.disks.iter_mut().for_each(disk::Disk::hide_running);
        all_but_names!(interfaces serials parallels consoles channels memories vsock);
        self.graphics
            .iter_mut()
            .for_each(graphics::Graphics::hide_ports);
    }

    /// Strips passwords.
    pub fn hide_secrets(&mut self) {
        self.graphics
            .iter_mut()
            .for_each(graphics::Graphics::hide_secrets);
        self.disks.iter_mut().for_each(disk::Disk::hide_secrets);
    }

    /// Whether networks made something of interfaces.
    pub(crate) fn has_actuals(&self) -> bool {
        self.interfaces.iter().any(|i| i.actual.is_some())
    }

    /// Puts what networks made of interfaces in the place of what they are defined as.
    pub(crate) fn show_actuals(&mut self) {
        self.interfaces
            .iter_mut()
            .for_each(interface::Interface::show_actual);
    }

    /// Whether there is anything [`Devices::hide_secrets`] strips.
    pub fn has_secrets(&self) -> bool {
        self.graphics.iter().any(graphics::Graphics::has_secrets)
            || self.disks.iter().any(disk::Disk::has_secrets)
    }
}
