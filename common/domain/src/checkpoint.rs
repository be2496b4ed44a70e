//! `<domaincheckpoint>`: a moment from which on changes of disks are recorded.
//!
//! Facts: the page formatcheckpoint and domaincheckpoint.rng of libvirt's documentation; texts of
//! refusals are the stock library's.

use crate::devices::disk::Disk;
use crate::domain::{Domain, refuse_unknown};
use crate::moment::Listed;
use crate::refusal::{internal, invalid_schema, unsupported, xml};
use crate::snapshot::{Purpose, creation_time, maybe_text, parent, write_domain, write_parent};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// How changes of a disk are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum CheckpointKind {
    /// They aren't.
    No,
    /// In a bitmap of the image.
    #[default]
    Bitmap,
}

/// `<disk>` of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointDisk {
    /// The disk's target or, from a client, the path of its source.
    pub name: String,
    /// How its changes are recorded.
    pub checkpoint: CheckpointKind,
    /// Name of the bitmap, with `bitmap`.
    pub bitmap: Option<String>,
    /// Bytes changed since then, where somebody asked; never read.
    pub size: Option<u64>,
}

/// `<domaincheckpoint>`, its parts in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// Its name; made from the time where absent.
    pub name: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// Name of the one it follows.
    pub parent: Option<String>,
    /// Seconds since the epoch; 0 while it isn't made.
    pub creation_time: i64,
    /// The guest's disks.
    pub disks: Vec<CheckpointDisk>,
    /// The guest's definition.
    pub domain: Option<Box<Domain>>,
}

impl Checkpoint {
    /// Reads a checkpoint. What is unknown in it is refused by name. The guest inside is as it is
    /// written; the driver completes it.
    ///
    /// # Errors
    /// XML_DETAIL for what is no XML, XML_INVALID_SCHEMA, XML_ERROR, INTERNAL_ERROR and
    /// CONFIG_UNSUPPORTED for what is no checkpoint.
    pub fn read(text: &str, purpose: Purpose, random: fn(&mut [u8])) -> Result<Self> {
        let (mut checkpoint, unknown) =
            virt_xml::read_named_with("domaincheckpoint", text, |node| {
                Self::read_node(node, purpose)
            })?;
        refuse_unknown(&unknown)?;
        if let Some(domain) = &mut checkpoint.domain {
            domain.settle(random)?;
            domain.inactive();
        }
        Ok(checkpoint)
    }

    fn read_node(node: &mut Node<'_>, purpose: Purpose) -> Result<Self> {
        let mut checkpoint = Self {
            name: node.child_text("name")?,
            description: node.child_text("description")?,
            parent: parent(node)?,
            ..Self::default()
        };
        for (element, name) in [
            ("name", &checkpoint.name),
            ("parent/name", &checkpoint.parent),
        ] {
            if let Some(name) = name {
                check_name(&format!("{}/{element}", node.path()), name)?;
            }
        }
        if purpose == Purpose::Redefine {
            if checkpoint.name.is_none() {
                return Err(xml("a redefined checkpoint must have a name"));
            }
            checkpoint.creation_time = creation_time(node)?
                .ok_or_else(|| internal("missing creationTime from existing checkpoint"))?;
            checkpoint.domain = node.child::<Domain>("domain")?.map(Box::new);
        } else {
            checkpoint.parent = None;
            node.raw("creationTime");
            node.raw("domain");
        }
        if let Some(disks) = node.child_with("disks", |node| node.children("disk"))? {
            checkpoint.disks = disks;
            if checkpoint.disks.is_empty() {
                return Err(invalid_schema(format!(
                    "{}/disks is empty; name disks or leave it out",
                    node.path()
                )));
            }
        }
        Ok(checkpoint)
    }

    /// Names one that is being made, by the time if it has no name.
    pub fn make(&mut self, now: i64) {
        self.creation_time = now;
        self.name.get_or_insert_with(|| now.to_string());
    }

    /// Settles the disks with the guest's: every disk is listed in the guest's order. When none was
    /// named, changes of all that can be written are recorded, else of those alone.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED for disks the guest doesn't have, that are named twice, or that are empty or
    /// read-only.
    pub fn align(&mut self, disks: &[Disk]) -> Result<()> {
        let named = std::mem::take(&mut self.disks);
        let mut listed = Listed::new(disks, named, |disk| &disk.name)?;
        let all = listed.is_empty();
        for disk in disks {
            let recordable = !disk.readonly && !disk.is_empty();
            let mut own = listed.take(disk.name()).unwrap_or(CheckpointDisk {
                name: String::new(),
                checkpoint: if all && recordable {
                    CheckpointKind::Bitmap
                } else {
                    CheckpointKind::No
                },
                bitmap: None,
                size: None,
            });
            disk.name().clone_into(&mut own.name);
            if own.checkpoint == CheckpointKind::Bitmap {
                if !recordable {
                    return Err(unsupported(format!(
                        "disk '{}' is empty or readonly",
                        own.name
                    )));
                }
                own.bitmap = own.bitmap.or_else(|| self.name.clone());
            }
            self.disks.push(own);
        }
        Ok(())
    }

    /// The checkpoint as a document; `secure`: with the guest's passwords.
    pub fn to_xml(&self, secure: bool) -> String {
        let mut out = Writer::new();
        out.open("domaincheckpoint", |_| {}, |out| self.write(out, secure));
        out.finish()
    }

    fn write(&self, out: &mut Writer, secure: bool) {
        maybe_text(out, "name", self.name.as_ref());
        maybe_text(out, "description", self.description.as_ref());
        write_parent(out, self.parent.as_ref());
        if self.creation_time != 0 {
            out.text_element("creationTime", &self.creation_time);
        }
        if !self.disks.is_empty() {
            let content = |out: &mut Writer| {
                self.disks.iter().for_each(|disk| out.element("disk", disk));
            };
            out.open("disks", |_| {}, content);
        }
        write_domain(out, "domain", self.domain.as_deref(), secure);
    }
}

/// Names become names of files: letters, digits, `_`, `-` and, not in front, `.`.
fn check_name(path: &str, name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let sane = name.bytes().all(|b| plain(b) || b == b'.');
    if sane && name.bytes().next().is_some_and(plain) {
        return Ok(());
    }
    Err(invalid_schema(format!(
        "{path} is '{name}'; allowed: letters, digits, '_', '-' and '.', which may not come first"
    )))
}

impl Element for CheckpointDisk {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let disk = Self {
            name: node.required("name")?,
            checkpoint: node.attr("checkpoint")?.unwrap_or_default(),
            bitmap: node.attr("bitmap")?,
            size: None,
        };
        // What it was once is of no use.
        let size: Option<u64> = node.attr("size")?;
        if disk.checkpoint == CheckpointKind::No && (disk.bitmap.is_some() || size.is_some()) {
            return Err(invalid_schema(format!(
                "{} has checkpoint='no'; 'bitmap' and 'size' are allowed with 'bitmap' only",
                node.path()
            )));
        }
        Ok(disk)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("name", &self.name);
        tag.attr("checkpoint", &self.checkpoint);
        tag.maybe("bitmap", &self.bitmap);
        tag.maybe("size", &self.size);
    }

    fn content(&self, _: &mut Writer) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disks() -> Vec<Disk> {
        [
            "<disk type='file'><source file='/x/a'/><target dev='vda'/></disk>",
            "<disk type='file'><source file='/x/b'/><target dev='vdb'/></disk>",
            "<disk type='file' device='cdrom'><target dev='hdc'/><readonly/></disk>",
        ]
        .map(|text| virt_xml::read::<Disk>(text).unwrap().0)
        .into()
    }

    fn made(inner: &str) -> Result<String> {
        let text = format!("<domaincheckpoint>{inner}</domaincheckpoint>");
        let mut checkpoint = Checkpoint::read(&text, Purpose::New, crate::random)?;
        checkpoint.make(7);
        checkpoint.align(&disks())?;
        Ok(checkpoint.to_xml(false))
    }

    #[test]
    fn all_disks_that_can_be_written_take_part_unless_some_are_named() {
        let expected = "<domaincheckpoint>
  <name>7</name>
  <creationTime>7</creationTime>
  <disks>
    <disk name='vda' checkpoint='bitmap' bitmap='7'/>
    <disk name='vdb' checkpoint='bitmap' bitmap='7'/>
    <disk name='hdc' checkpoint='no'/>
  </disks>
</domaincheckpoint>
";
        assert_eq!(made("").unwrap(), expected);
        let some = made("<name>c</name><disks><disk name='/x/b' bitmap='q'/></disks>").unwrap();
        assert!(some.contains("<disk name='vda' checkpoint='no'/>"));
        assert!(some.contains("<disk name='vdb' checkpoint='bitmap' bitmap='q'/>"));
    }

    #[test]
    fn names_and_disks_are_checked() {
        for (inner, message) in [
            ("<name>../a</name>", "/domaincheckpoint/name is '../a'"),
            ("<name></name>", "/domaincheckpoint/name is ''"),
            ("<disks/>", "/domaincheckpoint/disks is empty"),
            ("<disks><disk name='vdz'/></disks>", "no disk named 'vdz'"),
            (
                "<disks><disk name='vda'/><disk name='/x/a'/></disks>",
                "disk '/x/a' specified twice",
            ),
            (
                "<disks><disk name='hdc'/></disks>",
                "disk 'hdc' is empty or readonly",
            ),
            (
                "<disks><disk name='vda' checkpoint='no' bitmap='b'/></disks>",
                "checkpoint='no'",
            ),
            ("<fancy/>", "unknown element '/domaincheckpoint/fancy'"),
        ] {
            let refused = made(inner).unwrap_err();
            assert!(refused.message().contains(message), "{}", refused.message());
        }
        let text = "<domaincheckpoint><name>a</name></domaincheckpoint>";
        let refused = Checkpoint::read(text, Purpose::Redefine, crate::random).unwrap_err();
        assert!(
            refused
                .message()
                .ends_with("missing creationTime from existing checkpoint")
        );
    }
}
