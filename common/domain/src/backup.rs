//! `<domainbackup>`: a copy of a running guest's disks, pushed into files or pulled by a client.
//!
//! Facts: the page formatbackup and domainbackup.rng of libvirt's documentation.

use crate::devices::disk::Disk;
use crate::devices::storage::{
    Location, StorageFormat, StorageKind, StorageSource, write_source_as,
};
use crate::domain::refuse_unknown;
use crate::moment::Listed;
use crate::refusal::{unsupported, xml};
use crate::snapshot::maybe_text;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Tree, Words, Writer, YesNo};

/// Who moves the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum BackupMode {
    /// QEMU writes it.
    #[default]
    Push,
    /// A client fetches it from an NBD server.
    Pull,
}

/// How much of a disk is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum DiskBackupMode {
    /// All.
    Full,
    /// What changed since a checkpoint.
    Incremental,
}

/// How far a disk is; kept on disk only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum BackupState {
    /// Not begun.
    None,
    /// Under way.
    Running,
    /// Done.
    Complete,
    /// It failed.
    Failed,
    /// It is being cancelled.
    Cancelling,
    /// It was cancelled.
    Cancelled,
}

/// `<server>`: where clients fetch the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupServer {
    /// What it listens on.
    pub listen: BackupListen,
    /// Whether it is encrypted.
    pub tls: Option<YesNo>,
}

/// What the server listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupListen {
    /// TCP.
    Tcp {
        /// Name or address.
        name: String,
        /// The port; chosen where absent.
        port: Option<u16>,
    },
    /// A UNIX socket.
    Unix {
        /// Its path.
        socket: String,
    },
    /// A socket that a client handed over.
    Fd {
        /// The name it was handed over with.
        fdgroup: String,
    },
}

/// `<disk>` of a backup.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupDisk {
    /// The disk's target.
    pub name: String,
    /// Whether it takes part.
    pub backup: bool,
    /// How far it is.
    pub state: Option<BackupState>,
    /// What kind of place the copy is.
    pub kind: StorageKind,
    /// How much is copied.
    pub mode: Option<DiskBackupMode>,
    /// Since which checkpoint.
    pub incremental: Option<String>,
    /// Name of the export.
    pub exportname: Option<String>,
    /// Name under which changed blocks are told.
    pub exportbitmap: Option<String>,
    /// Number of the block node; live only.
    pub index: Option<u32>,
    /// Format of the copy.
    pub format: Option<StorageFormat>,
    /// Where the copy is (`<target>`), or what was there before the guest overwrote it while the
    /// client fetches (`<scratch>`).
    pub store: Option<StorageSource>,
}

/// `<domainbackup>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Backup {
    /// Who moves the data.
    pub mode: BackupMode,
    /// Since which checkpoint.
    pub incremental: Option<String>,
    /// Where clients fetch it, with `pull`.
    pub server: Option<BackupServer>,
    /// The guest's disks; absent: all take part.
    pub disks: Option<Vec<BackupDisk>>,
    /// What the driver keeps with it on disk.
    pub private_data: Option<Tree>,
}

impl Backup {
    /// Reads a backup; `internal`: as it is kept on disk. What is unknown in it is refused by name.
    ///
    /// # Errors
    /// XML_DETAIL for what is no XML, XML_ERROR and CONFIG_UNSUPPORTED for what is no backup.
    pub fn read(text: &str, internal: bool) -> Result<Self> {
        let (backup, unknown) = virt_xml::read_named_with("domainbackup", text, |node| {
            Self::read_node(node, internal)
        })?;
        refuse_unknown(&unknown)?;
        Ok(backup)
    }

    fn read_node(node: &mut Node<'_>, internal: bool) -> Result<Self> {
        let mode: BackupMode = node.attr("mode")?.unwrap_or_default();
        let mut backup = Self {
            mode,
            incremental: node.child_text("incremental")?,
            server: node.child("server")?,
            disks: node.child_with("disks", |node| {
                node.children_with("disk", |node| BackupDisk::read(node, mode, internal))
            })?,
            private_data: None,
        };
        if internal {
            backup.private_data = node.raw("privateData");
        }
        match (mode, &backup.server) {
            (BackupMode::Push, Some(_)) => {
                return Err(xml("use of <server> requires pull mode backup"));
            }
            (BackupMode::Pull, None) => {
                return Err(xml(format!(
                    "missing element 'server' in element '{}': a client fetches a backup of mode \
                     'pull' from it",
                    node.path()
                )));
            }
            _ => {}
        }
        Ok(backup)
    }

    /// Settles the backup with the guest's disks: those it doesn't name take part when it names none
    /// at all; copies without a place get one beside the image, its name with `suffix` appended.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED for disks the guest doesn't have or that can't be copied, and where no name
    /// can be made.
    pub fn align(&mut self, disks: &[Disk], suffix: &str) -> Result<()> {
        let all = self.disks.is_none();
        let named = self.disks.take().unwrap_or_default();
        let order: Vec<String> = named.iter().map(|disk| disk.name.clone()).collect();
        let by_name: std::collections::HashMap<&str, &Disk> =
            disks.iter().map(|disk| (disk.name(), disk)).collect();
        if let Some(unknown) = order
            .iter()
            .find(|name| !by_name.contains_key(name.as_str()))
        {
            return Err(unsupported(format!("no disk named '{unknown}'")));
        }
        let mut listed = Listed::new(disks, named, |disk| &disk.name)?;
        let mut settled = Vec::new();
        for name in &order {
            let (Some(mut own), Some(disk)) = (listed.take(name), by_name.get(name.as_str()))
            else {
                continue;
            };
            if own.backup && disk.is_empty() {
                return Err(unsupported(format!(
                    "backup of empty disk '{name}' is not supported"
                )));
            }
            self.settle(&mut own, disk, suffix)?;
            settled.push(own);
        }
        let named: std::collections::HashSet<String> = order.into_iter().collect();
        for disk in disks.iter().filter(|disk| !named.contains(disk.name())) {
            let mut own = BackupDisk::named(disk.name());
            own.backup = all && !disk.is_empty() && !disk.readonly;
            self.settle(&mut own, disk, suffix)?;
            settled.push(own);
        }
        self.disks = Some(settled);
        Ok(())
    }

    fn settle(&self, own: &mut BackupDisk, disk: &Disk, suffix: &str) -> Result<()> {
        if !own.backup {
            return Ok(());
        }
        if own.mode.is_none() {
            let since = own.incremental.is_some() || self.incremental.is_some();
            own.mode = Some(if since {
                DiskBackupMode::Incremental
            } else {
                DiskBackupMode::Full
            });
        }
        if own.mode == Some(DiskBackupMode::Incremental) {
            own.incremental = own.incremental.take().or_else(|| self.incremental.clone());
            if own.incremental.is_none() {
                return Err(unsupported(format!(
                    "backupmode='incremental' of disk '{}' needs the name of a checkpoint",
                    own.name
                )));
            }
        }
        if own.store.as_ref().is_some_and(|store| !store.is_empty()) {
            return Ok(());
        }
        let place = disk.source.as_ref().map(|source| &source.location);
        let Some(Location::File {
            path: Some(path), ..
        }) = place.filter(|_| own.kind == StorageKind::File)
        else {
            return Err(unsupported(format!(
                "refusing to generate file name for disk '{}'",
                own.name
            )));
        };
        own.store = Some(StorageSource::from(Location::File {
            path: Some(format!("{path}.{suffix}")),
            fdgroup: None,
        }));
        Ok(())
    }

    /// The backup as a document; `internal`: as it is kept on disk.
    pub fn to_xml(&self, internal: bool) -> String {
        let mut out = Writer::new();
        let content = |out: &mut Writer| self.write(out, internal);
        out.open("domainbackup", |tag| tag.attr("mode", &self.mode), content);
        out.finish()
    }

    fn write(&self, out: &mut Writer, internal: bool) {
        maybe_text(out, "incremental", self.incremental.as_ref());
        out.maybe("server", self.server.as_ref());
        if let Some(disks) = self.disks.as_ref().filter(|disks| !disks.is_empty()) {
            let content = |out: &mut Writer| {
                for disk in disks {
                    disk.write(out, self.mode, internal);
                }
            };
            out.open("disks", |_| {}, content);
        }
        if let Some(private_data) = self.private_data.as_ref().filter(|_| internal) {
            out.tree(private_data);
        }
    }
}

impl Element for BackupServer {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let tls = node.attr("tls")?;
        let transport: Option<String> = node.attr("transport")?;
        let listen = match transport.as_deref() {
            None | Some("tcp") => BackupListen::Tcp {
                name: node.required("name")?,
                port: node.attr("port")?,
            },
            Some("unix") => {
                let socket: String = node.required("socket")?;
                if !socket.starts_with('/') {
                    return Err(xml(format!(
                        "backup socket path '{socket}' must be absolute"
                    )));
                }
                BackupListen::Unix { socket }
            }
            Some("fd") => BackupListen::Fd {
                fdgroup: node.required("fdgroup")?,
            },
            Some(other) => {
                return Err(node.bad_attr("transport", other, "'tcp', 'unix', 'fd'"));
            }
        };
        Ok(Self { listen, tls })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        let transport = match &self.listen {
            BackupListen::Tcp { .. } => "tcp",
            BackupListen::Unix { .. } => "unix",
            BackupListen::Fd { .. } => "fd",
        };
        tag.text("transport", transport);
        tag.maybe("tls", &self.tls);
        match &self.listen {
            BackupListen::Tcp { name, port } => {
                tag.attr("name", name);
                tag.maybe("port", port);
            }
            BackupListen::Unix { socket } => tag.attr("socket", socket),
            BackupListen::Fd { fdgroup } => tag.attr("fdgroup", fdgroup),
        }
    }

    fn content(&self, _: &mut Writer) {}
}

impl BackupDisk {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            backup: true,
            state: None,
            kind: StorageKind::File,
            mode: None,
            incremental: None,
            exportname: None,
            exportbitmap: None,
            index: None,
            format: None,
            store: None,
        }
    }

    fn read(node: &mut Node<'_>, mode: BackupMode, internal: bool) -> Result<Self> {
        let name: String = node.required("name")?;
        let mut disk = Self::named(&name);
        disk.backup = node.attr::<YesNo>("backup")?.is_none_or(YesNo::is_yes);
        if internal {
            disk.state = node.attr("state")?;
            disk.index = node.attr("index")?;
        }
        disk.mode = node.attr("backupmode")?;
        disk.incremental = node.attr("incremental")?;
        if disk.mode == Some(DiskBackupMode::Full) && disk.incremental.is_some() {
            return Err(unsupported(format!(
                "disk '{name}' has backupmode='full' and the checkpoint of an incremental one"
            )));
        }
        disk.exportname = node.attr("exportname")?;
        disk.exportbitmap = node.attr("exportbitmap")?;
        if mode == BackupMode::Push && (disk.exportname.is_some() || disk.exportbitmap.is_some()) {
            return Err(unsupported(format!(
                "'exportname' and 'exportbitmap' of disk '{name}' require pull mode backup"
            )));
        }
        disk.kind = node.attr("type")?.unwrap_or_default();
        if !matches!(disk.kind, StorageKind::File | StorageKind::Block) {
            return Err(unsupported(format!(
                "unsupported disk backup type '{}'",
                disk.kind
            )));
        }
        disk.format = node.child_with("driver", |node| node.required("type"))?;
        if mode == BackupMode::Pull && disk.format.is_some_and(|f| f != StorageFormat::Qcow2) {
            return Err(unsupported(format!(
                "pull mode backup of disk '{name}' keeps its scratch data in format 'qcow2' only"
            )));
        }
        let kind = disk.kind;
        disk.store = node.child_with(store_name(mode), |node| StorageSource::read(node, kind))?;
        Ok(disk)
    }

    fn write(&self, out: &mut Writer, mode: BackupMode, internal: bool) {
        let attrs = |tag: &mut Tag<'_>| {
            tag.attr("name", &self.name);
            tag.attr("backup", &YesNo::from(self.backup));
            if !self.backup {
                return;
            }
            if internal {
                tag.maybe("state", &self.state);
            }
            tag.attr("type", &self.kind);
            tag.maybe("backupmode", &self.mode);
            tag.maybe("incremental", &self.incremental);
            tag.maybe("exportname", &self.exportname);
            tag.maybe("exportbitmap", &self.exportbitmap);
            tag.maybe("index", &self.index);
        };
        let content = |out: &mut Writer| {
            if !self.backup {
                return;
            }
            if let Some(format) = &self.format {
                out.open("driver", |tag| tag.attr("type", format), |_| {});
            }
            if let Some(store) = &self.store {
                write_source_as(out, store_name(mode), store);
            }
        };
        out.open("disk", attrs, content);
    }
}

const fn store_name(mode: BackupMode) -> &'static str {
    match mode {
        BackupMode::Push => "target",
        BackupMode::Pull => "scratch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disks() -> Vec<Disk> {
        [
            "<disk type='file'><source file='/x/a'/><target dev='vda'/></disk>",
            "<disk type='block'><source dev='/dev/b'/><target dev='vdb'/></disk>",
            "<disk type='file' device='cdrom'><target dev='hdc'/><readonly/></disk>",
        ]
        .map(|text| virt_xml::read::<Disk>(text).unwrap().0)
        .into()
    }

    fn made(text: &str) -> Result<String> {
        let mut backup = Backup::read(text, false)?;
        backup.align(&disks(), "7")?;
        Ok(backup.to_xml(false))
    }

    #[test]
    fn disks_that_are_not_named_stay_out() {
        let text = "<domainbackup mode='pull'>
  <incremental>c</incremental>
  <server transport='tcp' tls='yes' name='localhost' port='10809'/>
  <disks>
    <disk name='vdb' type='block' exportname='e'><scratch dev='/dev/s'/></disk>
    <disk name='vda' backupmode='full'/>
  </disks>
</domainbackup>";
        let expected = "<domainbackup mode='pull'>
  <incremental>c</incremental>
  <server transport='tcp' tls='yes' name='localhost' port='10809'/>
  <disks>
    <disk name='vdb' backup='yes' type='block' backupmode='incremental' incremental='c' exportname='e'>
      <scratch dev='/dev/s'/>
    </disk>
    <disk name='vda' backup='yes' type='file' backupmode='full'>
      <scratch file='/x/a.7'/>
    </disk>
    <disk name='hdc' backup='no'/>
  </disks>
</domainbackup>
";
        assert_eq!(made(text).unwrap(), expected);
    }

    #[test]
    fn refusals_say_why() {
        for (text, message) in [
            (
                "<domainbackup/>",
                "refusing to generate file name for disk 'vdb'",
            ),
            (
                "<domainbackup><server name='a'/></domainbackup>",
                "requires pull mode backup",
            ),
            ("<domainbackup mode='pull'/>", "missing element 'server'"),
            (
                "<domainbackup><disks><disk name='vdz'/></disks></domainbackup>",
                "no disk named 'vdz'",
            ),
            (
                "<domainbackup><disks><disk name='hdc'/></disks></domainbackup>",
                "empty disk 'hdc'",
            ),
            (
                "<domainbackup><disks><disk name='vda' type='network'/></disks></domainbackup>",
                "unsupported disk backup type 'network'",
            ),
            (
                "<domainbackup><disks><disk name='vda' backupmode='incremental'/></disks>\
                 </domainbackup>",
                "needs the name of a checkpoint",
            ),
        ] {
            let refused = made(text).unwrap_err();
            assert!(refused.message().contains(message), "{}", refused.message());
        }
    }
}
