//! From XML to a definition that says all of what a container gets. What it can't get is refused by name.

use virt_domain::arch::{OsKind, VirtType};
use virt_domain::devices::chardev::{CharBackend, CharSource, Console, ConsoleType};
use virt_domain::devices::filesystem::AccessMode;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::seclabel::SeclabelType;
use virt_domain::{Arch, Domain};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::capabilities;
use crate::interfaces;
use crate::limits;
use crate::sharing;

/// What the stock driver names as the program that runs containers; ours is elsewhere, and documents
/// stay the same.
pub const EMULATOR: &str = "/usr/lib/libvirt/libvirt_lxc";

/// The first program where none is named.
pub(crate) const INIT: &str = "/sbin/init";

/// No container has more consoles.
const MAX_CONSOLES: usize = 64;

pub(crate) fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Lxc, what)
}

/// Reads a client's definition and completes it.
///
/// # Errors
/// What is wrong with it, by name; CONFIG_UNSUPPORTED for what is no container.
pub fn read(xml: &str) -> Result<Box<Domain>> {
    let mut domain = Box::new(Domain::read(xml)?);
    domain.inactive();
    complete(&mut domain)?;
    Ok(domain)
}

/// Fills in what a definition leaves open, and checks it.
///
/// # Errors
/// CONFIG_UNSUPPORTED, XML_ERROR; the text names the element.
pub fn complete(domain: &mut Domain) -> Result<()> {
    if domain.virt_type != VirtType::Lxc {
        return Err(unsupported(
            "virtlxcd runs domains of type 'lxc' only: virtual machines are virtqemud's",
        ));
    }
    if domain.os.kind.kind != OsKind::Exe {
        return Err(unsupported(
            "<os>: a container's <type> is 'exe'; <init> names its first program",
        ));
    }
    domain.os.kind.arch.get_or_insert(host_arch());
    domain.os.init.get_or_insert_with(|| INIT.to_owned());
    interfaces::complete(domain);
    if let Some(map) = &domain.idmap {
        let maps_root =
            |ranges: &[virt_domain::resource::IdRange]| ranges.iter().any(|range| range.start == 0);
        if !maps_root(&map.uids) || !maps_root(&map.gids) {
            return Err(unsupported("You must map the root user of container"));
        }
    }
    capabilities(domain)?;
    let devices = &mut domain.devices;
    devices.emulator.get_or_insert_with(|| EMULATOR.to_owned());
    for filesystem in &mut devices.filesystems {
        filesystem.accessmode.get_or_insert(AccessMode::Passthrough);
        if let Some(source) = filesystem.source.as_mut()
            && let Some(size) = source.usage
        {
            // Written in KiB, whatever it was given in.
            source.usage = Some(bytes(size, source.units.as_deref())? >> 10);
            source.units = Some("KiB".to_owned());
        }
    }
    for label in &mut domain.seclabels {
        // No driver has none to give.
        if label.kind == Some(SeclabelType::None) {
            label.model = None;
        }
    }
    if devices.consoles.is_empty() {
        devices.consoles.push(Console {
            source: CharSource {
                backend: CharBackend::Pty { path: None },
                seclabels: Vec::new(),
                log: None,
            },
            kind: Some(ConsoleType::Lxc),
            port: Some(0),
            info: DeviceInfo::default(),
        });
    }
    for (number, console) in (0..).zip(&mut devices.consoles) {
        console.kind.get_or_insert(ConsoleType::Lxc);
        console.port.get_or_insert(number);
    }
    Ok(())
}

/// Those that the container can't have.
pub(crate) fn capabilities(domain: &Domain) -> Result<Vec<u8>> {
    let features = domain.features.as_ref();
    capabilities::dropped(features.and_then(|features| features.capabilities.as_ref()))
}

fn host_arch() -> Arch {
    Arch::from_word(std::env::consts::ARCH).unwrap_or_default()
}

/// Refuses what containers can have and this driver does not give them yet, and what they can't.
///
/// # Errors
/// CONFIG_UNSUPPORTED naming the element.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    let devices = &domain.devices;
    let not_yet = [
        ("<controller>", !devices.controllers.is_empty()),
        ("<serial>", !devices.serials.is_empty()),
        ("<parallel>", !devices.parallels.is_empty()),
        ("<channel>", !devices.channels.is_empty()),
        ("<graphics>", !devices.graphics.is_empty()),
        ("<video>", !devices.videos.is_empty()),
        ("<sound>", !devices.sounds.is_empty()),
        ("<input>", !devices.inputs.is_empty()),
        ("<tpm>", !devices.tpms.is_empty()),
        ("<rng>", !devices.rngs.is_empty()),
        ("<watchdog>", !devices.watchdogs.is_empty()),
        ("<shmem>", !devices.shmems.is_empty()),
    ];
    if let Some((element, _)) = not_yet.iter().find(|(_, is_there)| *is_there) {
        return Err(unsupported(format!(
            "{element} is not supported for containers here"
        )));
    }
    domain
        .devices
        .interfaces
        .iter()
        .try_for_each(interfaces::refuse)?;
    sharing::refuse(domain)?;
    limits::check(domain)?;
    if domain.devices.consoles.len() > MAX_CONSOLES {
        return Err(unsupported(format!(
            "a container has at most {MAX_CONSOLES} <console>s"
        )));
    }
    for console in &domain.devices.consoles {
        if !matches!(console.source.backend, CharBackend::Pty { .. })
            || console.source.log.is_some()
        {
            return Err(unsupported(
                "<console>: only PTY console types are supported",
            ));
        }
    }
    Ok(())
}

/// The size of a file system in memory. Without a unit it is KiB (formatdomain).
pub(crate) fn bytes(size: u64, unit: Option<&str>) -> Result<u64> {
    let bytes = virt_domain::units::bytes(size, unit.unwrap_or("KiB"))?;
    match bytes {
        0 => Err(Error::new(
            ErrorCode::XmlError,
            ErrorDomain::Lxc,
            "<filesystem type='ram'>: <source usage=… units=…> is how much it can hold",
        )),
        bytes => Ok(bytes),
    }
}
