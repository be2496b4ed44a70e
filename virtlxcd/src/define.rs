//! From XML to a definition that says all of what a container gets, and from that to the [`Plan`] of
//! its start. What has no place in a plan is refused by name.

use std::path::Path;

use virt_domain::arch::{OsKind, VirtType};
use virt_domain::devices::chardev::{CharBackend, CharSource, Console, ConsoleType};
use virt_domain::devices::filesystem::{AccessMode, Filesystem, FilesystemKind};
use virt_domain::devices::info::DeviceInfo;
use virt_domain::seclabel::SeclabelType;
use virt_domain::{Arch, Domain};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::capabilities;
use crate::devices::Ready;
use crate::interfaces;
use crate::limits;
use crate::plan::{self, Mount, Plan, Range, Source};
use crate::sharing;

/// What the stock driver names as the program that runs containers; ours is elsewhere, and documents
/// stay the same.
pub const EMULATOR: &str = "/usr/lib/libvirt/libvirt_lxc";

/// The first program where none is named.
const INIT: &str = "/sbin/init";

/// No container has more consoles.
const MAX_CONSOLES: usize = 64;

fn unsupported(what: impl Into<String>) -> Error {
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

/// Its maps of users and groups.
fn maps(domain: &Domain) -> (Vec<Range>, Vec<Range>) {
    let ranges = |all: &[virt_domain::resource::IdRange]| {
        let all = all.iter().map(|range| Range {
            inside: range.start,
            outside: range.target,
            count: range.count,
        });
        all.collect()
    };
    let idmap = domain.idmap.as_ref();
    idmap.map_or_else(Default::default, |map| {
        (ranges(&map.uids), ranges(&map.gids))
    })
}

/// The host's user and group that are the container's root.
pub fn root_ids(domain: &Domain) -> (u32, u32) {
    let (users, groups) = maps(domain);
    (plan::root(&users), plan::root(&groups))
}

/// Those that the container can't have.
fn capabilities(domain: &Domain) -> Result<Vec<u8>> {
    let features = domain.features.as_ref();
    capabilities::dropped(features.and_then(|features| features.capabilities.as_ref()))
}

fn host_arch() -> Arch {
    Arch::from_word(std::env::consts::ARCH).unwrap_or_default()
}

/// What a start makes of a definition.
///
/// # Errors
/// CONFIG_UNSUPPORTED naming the element that is not there yet, XML_ERROR for one that can't be.
pub fn plan(domain: &Domain, socket: &Path, ready: &Ready) -> Result<Plan> {
    refuse(domain)?;
    limits::check(domain)?;
    let mut root = None;
    let mut mounts = Vec::new();
    for (place, one) in domain.devices.filesystems.iter().enumerate() {
        let device = ready.file_systems.get(&place);
        match is_root(one) {
            true if root.is_none() => root = Some((source(one, device)?, one.readonly)),
            true => {}
            false => mounts.push(mount(one, device)?),
        }
    }
    let (root, root_readonly) = root.unwrap_or_else(|| (Source::Host("/".to_owned()), false));
    let (users, groups) = maps(domain);
    let os = &domain.os;
    let init = os.init.clone().unwrap_or_else(|| INIT.to_owned());
    Ok(Plan {
        name: domain.name.clone(),
        socket: socket.to_string_lossy().into_owned(),
        init: std::iter::once(init)
            .chain(os.initargs.iter().cloned())
            .collect(),
        environment: environment(domain),
        folder: os.initdir.clone().unwrap_or_else(|| "/".to_owned()),
        user: id(os.inituser.as_deref(), "inituser")?,
        group: id(os.initgroup.as_deref(), "initgroup")?,
        root,
        root_readonly,
        mounts,
        nodes: ready.nodes.clone(),
        users,
        groups,
        own_network: interfaces::owns_network(domain),
        shared: sharing::of(domain)
            .into_iter()
            .map(|(what, _)| what)
            .collect(),
        consoles: u32::try_from(domain.devices.consoles.len()).unwrap_or(u32::MAX),
        dropped: capabilities(domain)?,
    })
}

/// Checks what a start could not be made of.
///
/// # Errors
/// As [`plan`].
pub(crate) fn check(domain: &Domain) -> Result<()> {
    refuse(domain)
}

/// Refuses what containers can have and this driver does not give them yet, and what they can't.
fn refuse(domain: &Domain) -> Result<()> {
    let devices = &domain.devices;
    let not_yet = [
        ("<seclabel>", !domain.seclabels.is_empty()),
        ("<cmdline>", domain.os.cmdline.is_some()),
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
        ("<lease>", !devices.leases.is_empty()),
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

fn is_root(filesystem: &Filesystem) -> bool {
    let target = filesystem.target.as_ref();
    target.is_some_and(|target| target.dir == "/")
}

/// What is mounted; `device` has the file system of one on a block device.
fn source(filesystem: &Filesystem, device: Option<&String>) -> Result<Source> {
    let source = filesystem.source.as_ref();
    let folder = || {
        let dir = source.and_then(|source| source.dir.clone());
        dir.filter(|dir| dir.starts_with('/'))
    };
    let missing = |what: &str| Error::new(ErrorCode::XmlError, ErrorDomain::Lxc, what);
    match (filesystem.kind, device) {
        (FilesystemKind::Mount, _) => folder().map(Source::Host).ok_or_else(|| {
            missing("<filesystem type='mount'>: <source dir=…> is an absolute path")
        }),
        (FilesystemKind::Block | FilesystemKind::File, Some(device)) => {
            Ok(Source::Device(device.clone()))
        }
        (FilesystemKind::Bind, _) if !is_root(filesystem) => {
            folder().map(Source::Container).ok_or_else(|| {
                missing(
                    "<filesystem type='bind'>: <source dir=…> is an absolute path of the container",
                )
            })
        }
        (FilesystemKind::Ram, _) if !is_root(filesystem) => {
            let size = source.and_then(|source| source.usage).unwrap_or(0);
            let unit = source.and_then(|source| source.units.as_deref());
            Ok(Source::Memory(bytes(size, unit)?))
        }
        (kind, _) => Err(unsupported(format!(
            "<filesystem type='{}'> is not supported {}",
            virt_xml::Value::to_text(&kind),
            match is_root(filesystem) {
                true => "for a container's root",
                false => "for containers",
            }
        ))),
    }
}

fn mount(filesystem: &Filesystem, device: Option<&String>) -> Result<Mount> {
    let target = filesystem.target.as_ref().map(|target| target.dir.clone());
    let target = target
        .filter(|target| target.starts_with('/'))
        .ok_or_else(|| {
            Error::new(
                ErrorCode::XmlError,
                ErrorDomain::Lxc,
                "<filesystem>: <target dir=…> is an absolute path",
            )
        })?;
    Ok(Mount {
        what: source(filesystem, device)?,
        target,
        readonly: filesystem.readonly,
    })
}

/// The size of a file system in memory. Without a unit it is KiB (formatdomain).
fn bytes(size: u64, unit: Option<&str>) -> Result<u64> {
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

/// A user or group by its number; names are the container's own and are not looked up.
fn id(text: Option<&str>, element: &str) -> Result<u32> {
    let Some(text) = text else { return Ok(0) };
    text.strip_prefix('+').unwrap_or(text).parse().map_err(|_| {
        unsupported(format!(
            "<{element}>: '{text}' is no number; names are not looked up in the container here"
        ))
    })
}

/// What init finds in its environment (WIRE.md section 31).
fn environment(domain: &Domain) -> Vec<String> {
    let uuid = domain.uuid;
    let mut all = vec![
        "PATH=/bin:/sbin".to_owned(),
        "TERM=linux".to_owned(),
        "container=lxc-libvirt".to_owned(),
        "HOME=/".to_owned(),
        format!("container_uuid={uuid}"),
    ];
    let consoles = domain.devices.consoles.len();
    if consoles > 1 {
        let ttys: Vec<String> = (0..consoles)
            .map(|number| format!("tty{}", number + 1))
            .collect();
        all.push(format!("container_ttys={}", ttys.join(" ")));
    }
    all.push(format!("LIBVIRT_LXC_UUID={uuid}"));
    all.push(format!("LIBVIRT_LXC_NAME={}", domain.name));
    let own = domain.os.initenv.iter();
    all.extend(own.map(|one| format!("{}={}", one.name, one.value)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(devices: &str) -> String {
        format!(
            "<domain type='lxc'><name>a</name><memory>65536</memory>\
             <os><type>exe</type><init>/bin/sh</init></os><devices>{devices}</devices></domain>"
        )
    }

    fn planned(devices: &str) -> Result<Plan> {
        let domain = read(&container(devices)).unwrap();
        plan(&domain, Path::new("/s"), &Ready::default())
    }

    #[test]
    fn a_container_has_a_console_and_the_hosts_root_unless_it_says_otherwise() {
        let plan = planned("").unwrap();
        assert_eq!((plan.root, plan.consoles), (Source::Host("/".into()), 1));
        let root = "<filesystem type='mount'><source dir='/srv'/><target dir='/'/><readonly/>\
                    </filesystem><filesystem type='ram'><source usage='2' units='MiB'/>\
                    <target dir='/tmp'/></filesystem>";
        let plan = planned(root).unwrap();
        assert_eq!(
            (plan.root, plan.root_readonly),
            (Source::Host("/srv".into()), true)
        );
        assert_eq!(plan.mounts.len(), 1);
        assert_eq!(plan.mounts[0].what, Source::Memory(2 << 20));
    }

    #[test]
    fn what_has_no_place_in_a_plan_is_refused_by_name() {
        let error = planned("<interface type='user'/>").unwrap_err();
        assert!(error.message().contains("type='user'"), "{error}");
        let other = "<filesystem type='template'><source name='a'/><target dir='/b'/></filesystem>";
        assert!(
            planned(other)
                .unwrap_err()
                .message()
                .contains("type='template'")
        );
        assert!(read("<domain type='kvm'><name>a</name><memory>1</memory><os><type>hvm</type></os></domain>").is_err());
    }
}
