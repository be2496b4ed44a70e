//! Protocol nodes: files, devices and servers.

use super::credentials::{self, AuthSecret};
use super::image::{Image, Options};
use super::{Needs, Nodes, Part, aio, network, unsupported};
use crate::argv::props::Props;
use virt_domain::devices::storage::Location;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// How a node can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// As it is needed.
    Any,
    /// For reading alone.
    ReadOnly,
    /// For both, and only so.
    ReadWrite,
}

/// A protocol node without its name.
#[derive(Debug)]
pub(super) struct Protocol {
    pub(super) node: Props,
    /// What it needs.
    pub(super) parts: Vec<Part>,
    pub(super) access: Access,
}

/// The protocol node of an image; `name` is the name it gets.
pub(super) fn describe(
    image: &Image,
    name: &str,
    options: &Options,
    needs: &mut Needs,
) -> Result<Protocol> {
    let mut out = Nodes::default();
    let manager = credentials::reservations(&mut out, image.source, name);
    let mut access = Access::Any;
    let node = match image.source.place() {
        Location::File {
            fdgroup: Some(group),
            ..
        } => {
            let opened = needs.descriptors.disk_group(group)?;
            let members = opened.descriptors.iter().zip(0..);
            let members: Vec<_> = members
                .map(|(fd, at): (_, u32)| (*fd, format!("{name}{at}")))
                .collect();
            access = match members.len() {
                1 if image.read_only && !opened.writable => Access::ReadOnly,
                1 => Access::ReadWrite,
                _ => Access::Any,
            };
            let path = descriptor_set(&mut out, image, members, needs)?;
            Props::of("driver", "file")
                .with("filename", path)
                .maybe("aio", aio(options.io))
        }
        Location::VhostVdpa { path } => {
            let fd = needs.descriptors.vhost_vdpa(path.as_ref())?;
            let members = vec![(fd, format!("{name}-vdpa"))];
            let path = descriptor_set(&mut out, image, members, needs)?;
            Props::of("driver", "virtio-blk-vhost-vdpa").with("path", path)
        }
        Location::Network(server) => match credentials::nbdkit_socket(server, name, needs) {
            Some(socket) => Props::of("driver", "nbd").with(
                "server",
                serde_json::json!({ "type": "unix", "path": socket }),
            ),
            None => {
                let secret = format!("{name}-auth-secret0");
                let auth = credentials::auth(&mut out, image.auth, secret, needs)?;
                let cookies = credentials::cookies(&mut out, server, name, needs);
                let tls = credentials::tls(&mut out, server, name, needs)?;
                network::protocol(server, auth.as_ref(), cookies, tls)?
            }
        },
        local => plain(local, None, options)?.maybe("pr-manager", manager),
    };
    Ok(Protocol {
        node,
        parts: out.parts,
        access,
    })
}

/// Adds a set of descriptors; the path that stands for it.
fn descriptor_set(
    out: &mut Nodes,
    image: &Image,
    members: Vec<(i32, String)>,
    needs: &Needs,
) -> Result<String> {
    let number = image.name.parse().ok();
    let set = number.and_then(|number: u32| needs.sets.get(&number));
    // Numbers are given out to all images before.
    let set = *set.ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            format!(
                "no set is known for the descriptors of image {}",
                image.name
            ),
        )
    })?;
    out.parts.push(Part::DescriptorSet { set, members });
    Ok(format!("/dev/fdset/{set}"))
}

/// A node that needs nothing but what is said here.
pub(super) fn plain(
    place: &Location,
    auth: Option<&AuthSecret>,
    options: &Options,
) -> Result<Props> {
    let local = |driver: &str, path: &Option<String>| {
        Props::of("driver", driver)
            .with("filename", path.clone().unwrap_or_default())
            .maybe("aio", aio(options.io))
    };
    Ok(match place {
        Location::File { path, .. } => local("file", path),
        Location::Block { path } if options.cdrom => local("host_cdrom", path),
        Location::Block { path } => local("host_device", path),
        Location::Dir { path } => Props::of("driver", "vvfat")
            .with("dir", path.clone().unwrap_or_default())
            .with("floppy", options.floppy)
            .with("rw", false),
        Location::Network(server) => network::protocol(server, auth, None, None)?,
        Location::Nvme {
            namespace, address, ..
        } => Props::of("driver", "nvme")
            .with("device", address.to_string())
            .with("namespace", *namespace),
        Location::Volume { pool, volume, .. } => {
            return Err(unsupported(format!(
                "volume '{}' of pool '{}' was not looked up, so that it",
                volume.as_deref().unwrap_or_default(),
                pool.as_deref().unwrap_or_default()
            )));
        }
        Location::VhostUser { .. } => {
            return Err(unsupported("a block node for a vhost-user disk"));
        }
        Location::VhostVdpa { .. } => {
            return Err(unsupported("a vhost-vdpa disk without a descriptor"));
        }
    })
}
