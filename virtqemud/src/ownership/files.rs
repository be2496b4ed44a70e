//! The files of the host that a guest's QEMU opens by path. Pure.

use std::collections::HashSet;

use virt_confinement::Remember;
use virt_domain::Domain;
use virt_domain::devices::chardev::{CharBackend, CharSource};
use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::{BackingStore, Location, StorageSource};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GuestFile<'d> {
    /// Its path.
    pub path: &'d str,
    /// Whether its owner is remembered (WIRE.md section 23).
    pub remember: Remember,
}

/// All of them, each once, in the order of the definition.
pub(super) fn files(domain: &Domain) -> Vec<GuestFile<'_>> {
    let mut files = Vec::new();
    for disk in &domain.devices.disks {
        of_disk(disk, &mut files);
    }
    let os = &domain.os;
    for path in [&os.kernel, &os.initrd, &os.dtb, &os.shim]
        .into_iter()
        .flatten()
    {
        files.push(remembered(path));
    }
    for table in os.acpi.iter().flat_map(|acpi| &acpi.tables) {
        files.push(remembered(&table.path));
    }
    if let Some(nvram) = &os.nvram {
        files.extend(nvram.path.as_deref().map(remembered));
        files.extend(nvram.source.as_ref().and_then(local).map(remembered));
    }
    let devices = &domain.devices;
    let persistent = devices
        .memories
        .iter()
        .filter_map(|memory| memory.source.as_ref()?.path.as_deref());
    files.extend(persistent.map(remembered));
    let sources = devices
        .serials
        .iter()
        .map(|serial| &serial.source)
        .chain(devices.parallels.iter().map(|parallel| &parallel.source))
        .chain(devices.consoles.iter().map(|console| &console.source))
        .chain(devices.channels.iter().map(|channel| &channel.source));
    files.extend(sources.filter_map(of_chardev).map(remembered));
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.path));
    files
}

fn remembered(path: &str) -> GuestFile<'_> {
    GuestFile {
        path,
        remember: Remember::Yes,
    }
}

fn of_disk<'d>(disk: &'d Disk, files: &mut Vec<GuestFile<'d>>) {
    let remember = match disk.readonly || disk.shareable {
        true => Remember::No,
        false => Remember::Yes,
    };
    if let Some(path) = disk.source.as_ref().and_then(local) {
        files.push(GuestFile { path, remember });
    }
    if let Some(path) = disk.source.as_ref().and_then(data_file) {
        files.push(GuestFile { path, remember });
    }
    let mut below = disk.backing.as_ref();
    while let Some(BackingStore::Image(image)) = below {
        let source = image.source.as_ref();
        let paths = [source.and_then(local), source.and_then(data_file)];
        files.extend(paths.into_iter().flatten().map(|path| GuestFile {
            path,
            remember: Remember::No,
        }));
        below = image.backing.as_ref();
    }
}

/// The file that holds the data of a qcow2 image.
fn data_file(source: &StorageSource) -> Option<&str> {
    source.data_store.as_ref()?.source.as_ref().and_then(local)
}

fn local(source: &StorageSource) -> Option<&str> {
    match source.place() {
        // What a client opened is not opened by path.
        Location::File {
            fdgroup: Some(_), ..
        } => None,
        Location::File { path, .. } | Location::Block { path } => path.as_deref(),
        _ => None,
    }
}

/// What QEMU opens itself; files are opened by the daemon and handed over.
fn of_chardev(source: &CharSource) -> Option<&str> {
    match &source.backend {
        CharBackend::Dev { path } => Some(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_and_boot_files_are_the_guests() {
        let domain = Domain::read(
            "<domain type='qemu'><name>a</name><memory>1024</memory>
               <os><type arch='x86_64'>hvm</type><kernel>/k</kernel><initrd>/i</initrd></os>
               <devices>
                 <disk type='file' device='disk'><source file='/d'/>
                   <backingStore type='file'><format type='raw'/><source file='/base'/><backingStore/></backingStore>
                   <target dev='vda'/></disk>
                 <disk type='file' device='cdrom'><source file='/iso'/><target dev='sda' bus='sata'/><readonly/></disk>
                 <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>
                 <serial type='dev'><source path='/dev/ttyS0'/></serial>
               </devices></domain>",
        )
        .unwrap();
        let found: Vec<_> = files(&domain)
            .iter()
            .map(|file| (file.path, file.remember == Remember::Yes))
            .collect();
        assert_eq!(
            found,
            [
                ("/d", true),
                ("/base", false),
                ("/iso", false),
                ("/k", true),
                ("/i", true),
                ("/dev/ttyS0", true),
            ]
        );
    }
}
