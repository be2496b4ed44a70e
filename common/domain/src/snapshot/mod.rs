//! `<domainsnapshot>`: a guest at one moment of the past.
//!
//! [`DomainSnapshot::read`] takes one in, from a client that wants it made or that gives back one
//! that was made before; [`DomainSnapshot::align`] settles the disks with the guest's;
//! [`DomainSnapshot::to_xml`] gives it out. Facts: the page formatsnapshot and domainsnapshot.rng of
//! libvirt's documentation; texts of refusals are the stock library's.

mod align;
mod disk;

pub use disk::SnapshotDisk;

use crate::devices::disk::DiskSnapshot;
use crate::domain::{Domain, refuse_unknown};
use crate::refusal::{internal, unsupported, xml};
use crate::view::View;
use uuid::Uuid;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Tree, Words, Writer};

/// Why a snapshot, checkpoint or backup is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It is to be made: what only a made one has is not looked at.
    New,
    /// It was made before and is made known again.
    Redefine,
}

/// What the guest did when the snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum SnapshotState {
    /// It ran.
    Running,
    /// It waited for something.
    Blocked,
    /// It was paused.
    Paused,
    /// It was being shut down.
    Shutdown,
    /// It was off.
    Shutoff,
    /// It had crashed.
    Crashed,
    /// It slept.
    Pmsuspended,
    /// It ran, but only its disks were taken.
    DiskSnapshot,
}

/// Where the guest's memory is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotMemory {
    /// Not at all, within a disk, in a file; never `manual`.
    pub mode: DiskSnapshot,
    /// The file, with `external`.
    pub file: Option<String>,
}

/// `<domainsnapshot>`, its parts in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DomainSnapshot {
    /// Its name; made from the time where absent.
    pub name: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// What the guest did.
    pub state: Option<SnapshotState>,
    /// Name of the one it follows.
    pub parent: Option<String>,
    /// Seconds since the epoch; 0 while it isn't made.
    pub creation_time: i64,
    /// The guest's memory.
    pub memory: Option<SnapshotMemory>,
    /// Its disks.
    pub disks: Vec<SnapshotDisk>,
    /// Files that the guest writes to since it went back to the snapshot.
    pub revert_disks: Vec<SnapshotDisk>,
    /// The guest's definition.
    pub domain: Option<Box<Domain>>,
    /// What it would be after its next start, where that is something else.
    pub inactive_domain: Option<Box<Domain>>,
    /// What else the driver needs for going back.
    pub cookie: Option<Tree>,
    /// Whether it is the current one; kept on disk only.
    pub active: Option<bool>,
}

/// What of a snapshot is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotView {
    /// Passwords of the guest too.
    pub secure: bool,
    /// As it is kept on disk: whether it is the current one.
    pub internal: bool,
    /// UUID of the guest, for snapshots that hold no definition of it.
    pub domain_uuid: Option<Uuid>,
}

impl DomainSnapshot {
    /// Reads a snapshot. What is unknown in it is refused by name. Guests inside are as they are
    /// written; the driver completes them.
    ///
    /// # Errors
    /// XML_DETAIL for what is no XML, XML_ERROR, INTERNAL_ERROR and CONFIG_UNSUPPORTED for what is no
    /// snapshot.
    pub fn read(text: &str, purpose: Purpose, random: fn(&mut [u8])) -> Result<Self> {
        let (mut snapshot, unknown) = virt_xml::read_named_with("domainsnapshot", text, |node| {
            Self::read_node(node, purpose)
        })?;
        refuse_unknown(&unknown)?;
        for domain in [&mut snapshot.domain, &mut snapshot.inactive_domain]
            .into_iter()
            .flatten()
        {
            domain.settle(random)?;
            domain.inactive();
        }
        Ok(snapshot)
    }

    fn read_node(node: &mut Node<'_>, purpose: Purpose) -> Result<Self> {
        let made = purpose == Purpose::Redefine;
        let name: Option<String> = node.child_text("name")?;
        let mut snapshot = Self {
            name: name.filter(|name| !name.is_empty()),
            description: node.child_text("description")?,
            ..Self::default()
        };
        if made && snapshot.name.is_none() {
            return Err(xml("a redefined snapshot must have a name"));
        }
        if made {
            snapshot.read_made(node)?;
        } else {
            for name in [
                "creationTime",
                "state",
                "parent",
                "domain",
                "inactiveDomain",
                "cookie",
                "active",
                "revertDisks",
            ] {
                node.raw(name);
            }
        }
        snapshot.memory = node.child_with("memory", SnapshotMemory::read)?.flatten();
        snapshot.check_memory()?;
        snapshot.disks = disk::read_all(node, "disks")?;
        Ok(snapshot)
    }

    /// What only a made one has.
    fn read_made(&mut self, node: &mut Node<'_>) -> Result<()> {
        self.creation_time = creation_time(node)?
            .ok_or_else(|| internal("missing creationTime from existing snapshot"))?;
        self.parent = parent(node)?;
        let state: Option<String> = node.child_text("state")?;
        let state = state.ok_or_else(|| xml("missing state from existing snapshot"))?;
        let known = SnapshotState::from_word(&state);
        self.state = Some(known.ok_or_else(|| {
            let allowed = <SnapshotState as virt_xml::Value>::allowed();
            unsupported(format!(
                "Invalid state '{state}' in domain snapshot XML. Allowed: {allowed}"
            ))
        })?);
        self.domain = node.child_with("domain", definition)?.flatten();
        self.inactive_domain = node.child_with("inactiveDomain", definition)?.flatten();
        self.cookie = node.raw("cookie");
        self.revert_disks = disk::read_all(node, "revertDisks")?;
        self.active = match node.child_text::<u8>("active")? {
            Some(active) if active > 1 => {
                return Err(internal(format!(
                    "invalid value '{active}' of element 'active'; allowed: 0, 1"
                )));
            }
            active => active.map(|active| active == 1),
        };
        Ok(())
    }

    fn check_memory(&self) -> Result<()> {
        let kept = self.memory.as_ref();
        let kept = kept.is_some_and(|memory| memory.mode != DiskSnapshot::No);
        let off = matches!(
            self.state,
            Some(SnapshotState::Shutoff | SnapshotState::DiskSnapshot)
        );
        if kept && off {
            return Err(xml(
                "memory state cannot be saved with offline or disk-only snapshot",
            ));
        }
        Ok(())
    }

    /// Names one that is being made, by the time if it has no name.
    pub fn make(&mut self, now: i64) {
        self.creation_time = now;
        self.name.get_or_insert_with(|| now.to_string());
    }

    /// The snapshot as a document.
    pub fn to_xml(&self, view: &SnapshotView) -> String {
        let mut out = Writer::new();
        out.open("domainsnapshot", |_| {}, |out| self.write(out, view));
        out.finish()
    }

    fn write(&self, out: &mut Writer, view: &SnapshotView) {
        maybe_text(out, "name", self.name.as_ref());
        maybe_text(out, "description", self.description.as_ref());
        maybe_text(out, "state", self.state.as_ref());
        write_parent(out, self.parent.as_ref());
        if self.creation_time != 0 {
            out.text_element("creationTime", &self.creation_time);
        }
        if let Some(memory) = &self.memory {
            let attrs = |tag: &mut Tag<'_>| {
                tag.attr("snapshot", &memory.mode);
                tag.maybe("file", &memory.file);
            };
            out.open("memory", attrs, |_| {});
        }
        disk::write_all(out, "disks", &self.disks);
        disk::write_all(out, "revertDisks", &self.revert_disks);
        write_domain(out, "domain", self.domain.as_deref(), view.secure);
        if let (None, Some(uuid)) = (&self.domain, &view.domain_uuid) {
            out.open("domain", |_| {}, |out| out.text_element("uuid", uuid));
        }
        write_domain(
            out,
            "inactiveDomain",
            self.inactive_domain.as_deref(),
            view.secure,
        );
        if let Some(cookie) = &self.cookie {
            out.tree(cookie);
        }
        if view.internal {
            out.text_element("active", &u8::from(self.active.unwrap_or(false)));
        }
    }
}

impl SnapshotMemory {
    fn read(node: &mut Node<'_>) -> Result<Option<Self>> {
        let mode: Option<DiskSnapshot> = node.attr("snapshot")?;
        let file: Option<String> = node.attr("file")?;
        let mode = match (mode, &file) {
            (Some(mode), _) => mode,
            (None, Some(_)) => DiskSnapshot::External,
            (None, None) => return Ok(None),
        };
        match (&file, mode) {
            (_, DiskSnapshot::Manual) => {
                return Err(xml("'manual' memory snapshot mode not supported"));
            }
            (Some(file), DiskSnapshot::External) if !file.starts_with('/') => {
                return Err(xml(format!(
                    "memory snapshot file path ({file}) must be absolute"
                )));
            }
            (None, DiskSnapshot::External) => {
                return Err(xml("external memory snapshots require a filename"));
            }
            (Some(file), DiskSnapshot::No | DiskSnapshot::Internal) => {
                return Err(xml(format!(
                    "memory filename '{file}' requires external snapshot"
                )));
            }
            _ => {}
        }
        Ok(Some(Self { mode, file }))
    }
}

/// A whole definition; what names only a UUID, as old ones do, is none.
fn definition(node: &mut Node<'_>) -> Result<Option<Box<Domain>>> {
    if node.tree().attribute("type").is_some() {
        return <Domain as Element>::read(node).map(Box::new).map(Some);
    }
    node.child_text::<String>("uuid")?;
    Ok(None)
}

/// `<creationTime>`; what is no number is none.
pub(crate) fn creation_time(node: &mut Node<'_>) -> Result<Option<i64>> {
    let text: Option<String> = node.child_text("creationTime")?;
    Ok(text.and_then(|text| text.trim().parse().ok()))
}

/// The name in `<parent>`.
pub(crate) fn parent(node: &mut Node<'_>) -> Result<Option<String>> {
    let name = node.child_with("parent", |node| node.child_text("name"))?;
    Ok(name.flatten())
}

pub(crate) fn write_parent(out: &mut Writer, parent: Option<&String>) {
    if let Some(name) = parent {
        out.open("parent", |_| {}, |out| out.text_element("name", name));
    }
}

pub(crate) fn write_domain(out: &mut Writer, name: &str, domain: Option<&Domain>, secure: bool) {
    if let Some(domain) = domain {
        let view = View {
            inactive: false,
            secure,
            migratable: false,
        };
        let mut kept = domain.clone();
        kept.inactive();
        out.element(name, &*kept.shown(view));
    }
}

pub(crate) fn maybe_text<V: virt_xml::Value>(out: &mut Writer, name: &str, value: Option<&V>) {
    if let Some(value) = value {
        out.text_element(name, value);
    }
}

#[cfg(test)]
mod tests;
