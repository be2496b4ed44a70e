//! `<hub>`: USB hubs.

use super::info::DeviceInfo;
use crate::refusal::{internal, unsupported};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Writer};

/// `<hub type='usb'>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hub {
    /// Alias and address.
    pub info: DeviceInfo,
}

impl Hub {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Hub {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        match node.attr_text("type") {
            Some("usb") => Ok(Self {
                info: DeviceInfo::read(node)?,
            }),
            Some(other) => Err(unsupported(format!("unknown hub device type '{other}'"))),
            None => Err(internal("missing hub device type")),
        }
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("type", "usb");
    }

    fn content(&self, out: &mut Writer) {
        self.info.content(out);
    }
}
