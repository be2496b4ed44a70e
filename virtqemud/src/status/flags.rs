//! `<qemuCaps>`: what the guest's QEMU could do when it was started.

use virt_error::Result;
use virt_xml::{Element, Node, Tag, Writer};

use crate::caps::{CapFlag, CapFlags};

/// The flags; those of other versions are kept at their places.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flags {
    /// Those this version knows.
    pub known: CapFlags,
    /// Place in the list and name of the others.
    others: Vec<(usize, String)>,
}

impl From<CapFlags> for Flags {
    fn from(known: CapFlags) -> Self {
        Self {
            known,
            others: Vec::new(),
        }
    }
}

impl Flags {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.iter().next().is_none() && self.others.is_empty()
    }
}

#[derive(Debug, PartialEq, Element)]
struct Flag {
    #[xml(attr)]
    name: String,
}

impl Element for Flags {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mut flags = Self::default();
        for (place, flag) in node.children::<Flag>("flag")?.into_iter().enumerate() {
            match CapFlag::from_name(&flag.name) {
                Some(known) => flags.known.set(known, true),
                None => flags.others.push((place, flag.name)),
            }
        }
        Ok(flags)
    }

    fn attrs(&self, _: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        let mut known = self.known.iter();
        let mut others = self.others.iter().peekable();
        let mut place = 0;
        loop {
            let name = match others.next_if(|(at, _)| *at == place) {
                Some((_, name)) => name.as_str(),
                None => match known.next() {
                    Some(flag) => flag.name(),
                    // Fewer are known than were when it was written.
                    None => match others.next() {
                        Some((_, name)) => name.as_str(),
                        None => break,
                    },
                },
            };
            out.open("flag", |tag| tag.text("name", name), |_| {});
            place += 1;
        }
    }
}
