//! The document's form.

use virt_xml::{Writer, YesNo};

use super::cpu::Modes;
use super::features::Features;
use super::os::Os;

/// The document.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainCapabilities {
    /// Path of the binary.
    pub path: String,
    /// The kind of guest.
    pub domain: String,
    /// Full name of the machine.
    pub machine: String,
    /// The guest's architecture.
    pub arch: String,
    /// How many virtual CPUs it may have.
    pub max_vcpus: Option<u32>,
    /// Firmware.
    pub os: Os,
    /// CPU modes and models.
    pub cpu: Modes,
    /// What memory may be backed by.
    pub memory_backing: Section,
    /// Devices by their element's name.
    pub devices: Vec<(&'static str, Section)>,
    /// Everything else.
    pub features: Features,
}

/// Something that is supported or not, and the values its attributes may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// Whether it is.
    pub supported: bool,
    /// The attributes.
    pub enums: Vec<Enum>,
}

/// An attribute and its values; it may have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enum {
    /// The document's name for it.
    pub name: &'static str,
    /// The values.
    pub values: Vec<String>,
}

impl Enum {
    /// An attribute with its values.
    pub fn new<T: Into<String>>(name: &'static str, values: impl IntoIterator<Item = T>) -> Self {
        Self {
            name,
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    /// An attribute with those of the values for which something holds.
    pub fn of(name: &'static str, values: &[(&str, bool)]) -> Self {
        Self::new(
            name,
            values.iter().filter(|(_, there)| *there).map(|(v, _)| *v),
        )
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.open(
            "enum",
            |tag| tag.text("name", self.name),
            |out| {
                for value in &self.values {
                    out.text_element("value", value);
                }
            },
        );
    }
}

impl Section {
    /// Something that is supported.
    pub fn supported(enums: impl IntoIterator<Item = Enum>) -> Self {
        Self {
            supported: true,
            enums: enums.into_iter().collect(),
        }
    }

    /// Something that is supported or not and says nothing more.
    pub fn plain(supported: bool) -> Self {
        Self {
            supported,
            enums: Vec::new(),
        }
    }

    /// Something that is supported when its first attribute has any value.
    pub fn if_any(enums: impl IntoIterator<Item = Enum>) -> Self {
        let all = Self::supported(enums);
        match all.enums.first() {
            Some(first) if first.values.is_empty() => Self::default(),
            _ => all,
        }
    }

    /// Writes it, with `first` before the attributes.
    pub(super) fn write_with(&self, out: &mut Writer, name: &str, first: impl FnOnce(&mut Writer)) {
        self.write_around(out, name, first, |_| {});
    }

    /// Writes it, with `then` after the attributes.
    pub(super) fn write_then(&self, out: &mut Writer, name: &str, then: impl FnOnce(&mut Writer)) {
        self.write_around(out, name, |_| {}, then);
    }

    /// Writes it.
    pub(super) fn write(&self, out: &mut Writer, name: &str) {
        self.write_around(out, name, |_| {}, |_| {});
    }

    fn write_around(
        &self,
        out: &mut Writer,
        name: &str,
        first: impl FnOnce(&mut Writer),
        then: impl FnOnce(&mut Writer),
    ) {
        out.open(
            name,
            |tag| tag.attr("supported", &YesNo::from(self.supported)),
            |out| {
                first(out);
                if self.supported {
                    self.enums.iter().for_each(|e| e.write(out));
                }
                then(out);
            },
        );
    }
}

impl DomainCapabilities {
    /// The document's text.
    pub fn to_xml(&self) -> String {
        let mut out = Writer::new();
        out.open(
            "domainCapabilities",
            |_| {},
            |out| {
                out.text_element("path", &self.path);
                out.text_element("domain", &self.domain);
                out.text_element("machine", &self.machine);
                out.text_element("arch", &self.arch);
                if let Some(max) = &self.max_vcpus {
                    out.open("vcpu", |tag| tag.attr("max", max), |_| {});
                }
                Section::plain(true).write(out, "iothreads");
                self.os.write(out);
                out.open("cpu", |_| {}, |out| self.cpu.write(out));
                self.memory_backing.write(out, "memoryBacking");
                out.open(
                    "devices",
                    |_| {},
                    |out| {
                        for (name, section) in &self.devices {
                            section.write(out, name);
                        }
                    },
                );
                out.open("features", |_| {}, |out| self.features.write(out));
            },
        );
        out.finish()
    }
}
