//! Devices of which a guest has a list and nothing more is to be known here: all but disks, interfaces
//! and leases.

use std::any::Any;
use std::fmt::Debug;

use virt_domain::devices::Devices;
use virt_domain::devices::chardev::{Channel, Console, Parallel, Serial};
use virt_domain::devices::controller::Controller;
use virt_domain::devices::filesystem::Filesystem;
use virt_domain::devices::hostdev::Hostdev;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::input::Input;
use virt_domain::devices::memory::MemoryDevice;
use virt_domain::devices::redirdev::Redirdev;
use virt_domain::devices::rng::Rng;
use virt_domain::devices::shmem::Shmem;
use virt_domain::devices::smartcard::Smartcard;
use virt_domain::devices::sound::Sound;
use virt_domain::devices::video::Video;
use virt_domain::devices::watchdog::Watchdog;
use virt_driver::audit::{Audited, Resource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Tree};

use crate::document::read;
use crate::missing;

/// One of them. `driver` is whose guest it is.
pub trait Plain: Debug + Send + Sync {
    /// The name of its element.
    fn kind(&self) -> &'static str;

    /// Puts it behind those of its kind.
    fn add(&self, devices: &mut Devices);

    /// Takes the one that looks like it away.
    ///
    /// # Errors
    /// DEVICE_MISSING, OPERATION_FAILED when several look like it.
    fn remove(&self, driver: ErrorDomain, devices: &mut Devices) -> Result<Box<dyn Plain>>;

    /// Takes the last one of its kind away.
    fn pop(&self, devices: &mut Devices) -> Option<Box<dyn Plain>>;

    /// Its name in a guest that runs.
    fn alias(&self) -> String;

    /// Itself, for who knows more of its kind.
    fn as_any(&self) -> &dyn Any;

    /// What of the host's it is.
    fn resources(&self) -> Vec<Resource>;

    /// The same again.
    fn copy(&self) -> Box<dyn Plain>;
}

impl Clone for Box<dyn Plain> {
    fn clone(&self) -> Self {
        self.copy()
    }
}

impl Audited for Box<dyn Plain> {
    fn audited(&self) -> Vec<Resource> {
        self.resources()
    }
}

/// A kind of them.
trait Kind: Element + Audited + Clone + PartialEq + Debug + Send + Sync + 'static {
    const NAME: &'static str;

    fn list(devices: &mut Devices) -> &mut Vec<Self>;

    fn info(&mut self) -> &mut DeviceInfo;

    /// Whether a description means it: all that it says is so.
    fn is_meant(&self, meant: &Tree) -> bool {
        tree(self).is_some_and(|known| known.has(meant))
    }
}

/// Its document.
fn tree<K: Kind>(device: &K) -> Option<Tree> {
    virt_xml::parse(&virt_xml::write(K::NAME, device)).ok()
}

impl<K: Kind> Plain for K {
    fn kind(&self) -> &'static str {
        K::NAME
    }

    fn add(&self, devices: &mut Devices) {
        K::list(devices).push(self.clone());
    }

    fn remove(&self, driver: ErrorDomain, devices: &mut Devices) -> Result<Box<dyn Plain>> {
        let list = K::list(devices);
        let meant = tree(self).unwrap_or_default();
        let mut places =
            (0..list.len()).filter(|at| list.get(*at).is_some_and(|one| one.is_meant(&meant)));
        let (first, second) = (places.next(), places.next());
        drop(places);
        match (first, second) {
            (Some(place), None) => Ok(Box::new(list.remove(place))),
            (Some(_), Some(_)) => Err(Error::new(
                ErrorCode::OperationFailed,
                driver,
                format!(
                    "several <{}> devices look like this one; give its address",
                    K::NAME
                ),
            )),
            (None, _) => Err(missing(
                driver,
                format!("no <{}> device looks like this one", K::NAME),
            )),
        }
    }

    fn pop(&self, devices: &mut Devices) -> Option<Box<dyn Plain>> {
        Some(Box::new(K::list(devices).pop()?))
    }

    fn alias(&self) -> String {
        let mut own = self.clone();
        own.info().alias().unwrap_or_default().to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn resources(&self) -> Vec<Resource> {
        self.audited()
    }

    fn copy(&self) -> Box<dyn Plain> {
        Box::new(self.clone())
    }
}

macro_rules! kinds {
    ($($name:literal $kind:ident $list:ident;)*) => {
        $(impl Kind for $kind {
            const NAME: &'static str = $name;

            fn list(devices: &mut Devices) -> &mut Vec<Self> {
                &mut devices.$list
            }

            fn info(&mut self) -> &mut DeviceInfo {
                &mut self.info
            }
        })*

        /// Reads one; nothing for what is none of them.
        ///
        /// # Errors
        /// What is wrong with the document.
        pub fn read_plain(kind: &str, xml: &str) -> Result<Option<Box<dyn Plain>>> {
            Ok(Some(match kind {
                $($name => Box::new(read::<$kind>(xml)?),)*
                _ => return Ok(None),
            }))
        }

        /// Takes the one of that name away, whatever it is.
        pub fn remove_alias(devices: &mut Devices, alias: &str) -> Option<Box<dyn Plain>> {
            $(
                let mut all = devices.$list.iter();
                if let Some(place) = all.position(|one| one.info.alias() == Some(alias)) {
                    return Some(Box::new(devices.$list.remove(place)));
                }
            )*
            None
        }
    };
}

// Those that the stock daemon adds to a definition.
kinds! {
    "channel" Channel channels;
    "console" Console consoles;
    "controller" Controller controllers;
    "filesystem" Filesystem filesystems;
    "hostdev" Hostdev hostdevs;
    "input" Input inputs;
    "memory" MemoryDevice memories;
    "parallel" Parallel parallels;
    "redirdev" Redirdev redirdevs;
    "rng" Rng rngs;
    "serial" Serial serials;
    "shmem" Shmem shmems;
    "smartcard" Smartcard smartcards;
    "sound" Sound sounds;
    "video" Video videos;
    "watchdog" Watchdog watchdogs;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_what_is_said_of_it() {
        let device = |xml: &str| read_plain("rng", xml).unwrap().unwrap();
        let one = "<rng model='virtio'><backend model='random'>/dev/random</backend></rng>";
        let at = |slot: &str| {
            let address = format!("<address type='pci' slot='{slot}'/></rng>");
            one.replace("</rng>", &address)
        };
        let mut devices = Devices::default();
        device(&at("0x07")).add(&mut devices);
        device(&at("0x08")).add(&mut devices);
        assert!(device(one).remove(ErrorDomain::Qemu, &mut devices).is_err());
        device(&at("0x08"))
            .remove(ErrorDomain::Qemu, &mut devices)
            .unwrap();
        let other = one.replace("/dev/random", "/dev/urandom");
        assert!(
            device(&other)
                .remove(ErrorDomain::Qemu, &mut devices)
                .is_err()
        );
        device(one).remove(ErrorDomain::Qemu, &mut devices).unwrap();
        assert!(devices.rngs.is_empty());
        assert!(read_plain("hub", "<hub type='usb'/>").unwrap().is_none());
    }
}
