//! The file system on a block device, made ready by the controller: the kernel lets nobody who maps
//! users read the structures of one.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

/// The kernel's list of kinds.
const KINDS: &str = "/proc/filesystems";

/// Mounts what is on the device, seen nowhere yet, all of it in that security context.
pub(super) fn of_device(
    device: &str,
    readonly: bool,
    context: Option<&str>,
) -> Result<OwnedFd, String> {
    let kinds =
        std::fs::read_to_string(KINDS).map_err(|e| format!("cannot read '{KINDS}': {e}"))?;
    let mut last = Errno::INVAL;
    for kind in on_devices(&kinds) {
        match mount(kind, device, readonly, context) {
            Ok(mounted) => return Ok(mounted),
            // It is of another kind.
            Err(Errno::INVAL) => {}
            Err(error) => last = error,
        }
    }
    Err(match last {
        Errno::INVAL => format!(
            "there is no file system on '{device}' that the kernel knows: make one (mkfs), or load \
             the module of its kind"
        ),
        error => format!("cannot mount the file system on '{device}': {error}"),
    })
}

/// The kinds that are on block devices, the newest of a family first: the kernel lists those first
/// that were there first.
fn on_devices(kinds: &str) -> impl Iterator<Item = &str> {
    let kinds = kinds.lines().rev();
    kinds
        .filter(|line| !line.starts_with("nodev"))
        .map(str::trim)
}

fn mount(
    kind: &str,
    device: &str,
    readonly: bool,
    label: Option<&str>,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", device)?;
    if let Some(label) = label {
        fsconfig_set_string(&context, "context", label)?;
    }
    if readonly {
        fsconfig_set_flag(&context, "ro")?;
    }
    fsconfig_create(&context)?;
    // A file of it that is a device is none of the host's.
    let mut flags = MountAttrFlags::MOUNT_ATTR_NODEV;
    flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, readonly);
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_without_a_device_are_left_out() {
        let kinds = "nodev\tsysfs\n\text3\n\text2\n\text4\nnodev\ttmpfs\n";
        assert_eq!(
            on_devices(kinds).collect::<Vec<_>>(),
            ["ext4", "ext2", "ext3"]
        );
    }
}
