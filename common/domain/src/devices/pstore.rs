//! `<pstore>`: memory that keeps a guest's last words.

use super::info::DeviceInfo;
use crate::refusal::xml;
use crate::units;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// `<pstore>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pstore {
    /// The device.
    pub backend: PstoreBackend,
    /// The file; chosen where absent.
    pub path: Option<String>,
    /// KiB.
    pub size: u64,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Devices that keep last words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum PstoreBackend {
    /// ACPI's error record serialisation table.
    AcpiErst,
}

impl Pstore {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Pstore {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let backend = node.required("backend")?;
        let size = node.child_with("size", |node| {
            let unit: Option<String> = node.attr("unit")?;
            units::bytes(node.text()?, unit.as_deref().unwrap_or("KiB"))
        })?;
        let bytes = size.ok_or_else(|| xml("missing element or attribute './size'"))?;
        if bytes < 4096 || !bytes.is_power_of_two() {
            return Err(xml("invalid size of ACPI ERST pstore device"));
        }
        Ok(Self {
            backend,
            path: node.child_text("path")?,
            size: bytes / 1024,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("backend", &self.backend);
    }

    fn content(&self, out: &mut Writer) {
        if let Some(path) = &self.path {
            out.text_element("path", path);
        }
        out.open(
            "size",
            |tag| tag.text("unit", "KiB"),
            |out| out.text(&self.size),
        );
        self.info.content(out);
    }
}
