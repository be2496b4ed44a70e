//! `<panic>`: how the guest tells that it crashed.

use super::info::DeviceInfo;
use crate::refusal::unsupported;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// `<panic>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Panic {
    /// The device; chosen where absent.
    pub model: Option<PanicModel>,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Ways to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum PanicModel {
    /// A port on the ISA bus.
    Isa,
    /// pSeries' firmware.
    Pseries,
    /// Hyper-V's registers.
    Hyperv,
    /// s390x's.
    S390,
    /// A PCI card.
    Pvpanic,
}

impl Panic {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Panic {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let model = match node.attr_text("model") {
            None => None,
            Some(word) => Some(
                PanicModel::from_word(word)
                    .ok_or_else(|| unsupported(format!("unknown panic model '{word}'")))?,
            ),
        };
        Ok(Self {
            model,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("model", &self.model);
    }

    fn content(&self, out: &mut Writer) {
        self.info.content(out);
    }
}
