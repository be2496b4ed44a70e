//! From a definition to the [`Plan`] of a start. What has no place in a plan is refused by name.

use std::path::Path;

use virt_domain::Domain;
use virt_domain::devices::filesystem::{Filesystem, FilesystemKind};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_label::Label;

use crate::define::{INIT, bytes, capabilities, check, unsupported};
use crate::devices::Ready;
use crate::interfaces;
use crate::plan::{self, Mount, Plan, Range, Source};
use crate::sharing;

/// What a start makes of a definition.
///
/// # Errors
/// CONFIG_UNSUPPORTED naming the element that is not there yet, XML_ERROR for one that can't be.
pub fn plan(domain: &Domain, socket: &Path, ready: &Ready, label: Option<Label>) -> Result<Plan> {
    check(domain)?;
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
        cgroup: None,
        shared: sharing::of(domain)
            .into_iter()
            .map(|(what, _)| what)
            .collect(),
        consoles: u32::try_from(domain.devices.consoles.len()).unwrap_or(u32::MAX),
        dropped: capabilities(domain)?,
        granted: granted(domain)?,
        label,
    })
}

/// Those that its definition names as to be had.
fn granted(domain: &Domain) -> Result<Vec<u8>> {
    let features = domain.features.as_ref();
    crate::capabilities::granted(features.and_then(|features| features.capabilities.as_ref()))
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
    let words = domain.os.cmdline.iter();
    all.extend(words.map(|words| format!("LIBVIRT_LXC_CMDLINE={words}")));
    let own = domain.os.initenv.iter();
    all.extend(own.map(|one| format!("{}={}", one.name, one.value)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::define::read;

    fn container(devices: &str) -> String {
        format!(
            "<domain type='lxc'><name>a</name><memory>65536</memory>\
             <os><type>exe</type><init>/bin/sh</init></os><devices>{devices}</devices></domain>"
        )
    }

    fn planned(devices: &str) -> Result<Plan> {
        let domain = read(&container(devices)).unwrap();
        plan(&domain, Path::new("/s"), &Ready::default(), None)
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
