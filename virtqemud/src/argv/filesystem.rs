//! Options of file systems: 9p, which QEMU serves itself, and virtiofs, which another process serves.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::{OptionList, Props};
use super::virtio;
use crate::vhost_user;
use virt_domain::Domain;
use virt_domain::devices::filesystem::{
    AccessMode, Filesystem, FilesystemDriverKind, Mode, Multidevs,
};
use virt_error::Result;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for filesystem in &domain.devices.filesystems {
        let tag = filesystem.target.as_ref().map(|t| t.dir.clone());
        let device = match filesystem.driver_kind() {
            Some(FilesystemDriverKind::Virtiofs) => {
                virtiofs(b, filesystem, context).maybe("tag", tag)
            }
            Some(FilesystemDriverKind::Mtp) => mtp(filesystem).maybe("desc", tag),
            _ => plan9(b, filesystem).maybe("mount_tag", tag),
        };
        let device = device
            .maybe("bootindex", filesystem.info.boot_order())
            .placed(domain, &filesystem.info)?;
        b.device(&device);
    }
    Ok(())
}

fn alias(filesystem: &Filesystem) -> &str {
    filesystem.info.alias().unwrap_or_default()
}

fn base(name: &str, filesystem: &Filesystem) -> Props {
    virtio::device(name, filesystem.model, &filesystem.info)
        .with_virtio(filesystem.driver.as_ref().map(|d| &d.virtio))
        .with("id", alias(filesystem))
}

fn plan9(b: &mut Builder, filesystem: &Filesystem) -> Props {
    let mode = filesystem.accessmode.map(|mode| match mode {
        AccessMode::Mapped => "mapped",
        AccessMode::Squash => "none",
        AccessMode::Passthrough => "passthrough",
    });
    let octal = |mode: Mode| format!("{:04o}", mode.0);
    let driver = filesystem.driver.as_ref();
    let id = format!("fsdev-{}", alias(filesystem));
    let path = folder(filesystem);
    let mut options = OptionList::starting("local")
        .maybe("security_model", mode)
        .maybe(
            "multidevs",
            filesystem
                .multidevs
                .filter(|m| *m != Multidevs::Default)
                .map(|m| m.word()),
        )
        .maybe("fmode", filesystem.fmode.map(octal))
        .maybe("dmode", filesystem.dmode.map(octal))
        .maybe(
            "writeout",
            driver.and_then(|d| d.wrpolicy).map(|p| p.word()),
        )
        .with("id", &id)
        .with("path", path);
    if filesystem.readonly {
        options.word("readonly");
    }
    b.option("-fsdev", options.finish());
    base("virtio-9p", filesystem).with("fsdev", id)
}

/// The folder on the host.
fn folder(filesystem: &Filesystem) -> &str {
    let source = filesystem.source.as_ref();
    source.and_then(|s| s.dir.as_deref()).unwrap_or_default()
}

fn mtp(filesystem: &Filesystem) -> Props {
    Props::device("usb-mtp")
        .with("id", alias(filesystem))
        .with("rootdir", folder(filesystem))
        .with("readonly", filesystem.readonly)
}

fn virtiofs(b: &mut Builder, filesystem: &Filesystem, context: &StartContext) -> Props {
    let chardev = format!("chr-vu-{}", alias(filesystem));
    let given = filesystem.source.as_ref().and_then(|s| s.socket.clone());
    let socket = given.unwrap_or_else(|| {
        let ours = vhost_user::socket_path(&context.guest_dir, alias(filesystem));
        ours.display().to_string()
    });
    b.option(
        "-chardev",
        OptionList::starting("socket")
            .with("id", &chardev)
            .with("path", socket)
            .finish(),
    );
    base("vhost-user-fs", filesystem)
        .with("chardev", chardev)
        .maybe(
            "queue-size",
            filesystem.driver.as_ref().and_then(|d| d.queue),
        )
}
