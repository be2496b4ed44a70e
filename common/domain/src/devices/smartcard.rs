//! `<smartcard>`.
//!
//! Facts: formatdomain "Smartcard devices"; the texts of refusals are the stock library's.

use super::chardev::CharSource;
use super::info::DeviceInfo;
use crate::refusal::xml;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Writer};

/// `<smartcard>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Smartcard {
    /// What card it is.
    pub kind: SmartcardMode,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// What card it is.
#[derive(Debug, Clone, PartialEq)]
pub enum SmartcardMode {
    /// The host's.
    Host,
    /// One made of certificates of the host.
    HostCertificates {
        /// Their three names.
        certificates: [String; 3],
        /// The data base they are in; absent: the host's own.
        database: Option<String>,
    },
    /// One at the other end of a character device.
    Passthrough(CharSource),
}

impl Smartcard {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
        if let SmartcardMode::Passthrough(source) = &mut self.kind {
            source.inactive();
        }
    }
}

impl Element for Smartcard {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mode: String = node.required("mode")?;
        let kind = match mode.as_str() {
            "host" => SmartcardMode::Host,
            "host-certificates" => {
                let names: Vec<String> = node.child_texts("certificate")?;
                let certificates = names
                    .try_into()
                    .map_err(|_| xml("host-certificates mode needs exactly three certificates"))?;
                let database: Option<String> = node.child_text("database")?;
                if let Some(path) = database.as_ref().filter(|path| !path.starts_with('/')) {
                    return Err(xml(format!("expecting absolute path: {path}")));
                }
                SmartcardMode::HostCertificates {
                    certificates,
                    database,
                }
            }
            "passthrough" => {
                let kind = CharSource::read_kind(node)?.ok_or_else(|| {
                    xml("passthrough mode requires a character device type attribute")
                })?;
                SmartcardMode::Passthrough(CharSource::read_as(node, kind)?)
            }
            other => {
                let allowed = "'host', 'host-certificates', 'passthrough'";
                return Err(node.bad_attr("mode", other, allowed));
            }
        };
        Ok(Self {
            kind,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        match &self.kind {
            SmartcardMode::Host => tag.text("mode", "host"),
            SmartcardMode::HostCertificates { .. } => tag.text("mode", "host-certificates"),
            SmartcardMode::Passthrough(source) => {
                tag.text("mode", "passthrough");
                source.attrs(tag);
            }
        }
    }

    fn content(&self, out: &mut Writer) {
        match &self.kind {
            SmartcardMode::Host => {}
            SmartcardMode::HostCertificates {
                certificates,
                database,
            } => {
                for name in certificates {
                    out.text_element("certificate", name);
                }
                if let Some(database) = database {
                    out.text_element("database", database);
                }
            }
            SmartcardMode::Passthrough(source) => source.content(out),
        }
        self.info.content(out);
    }
}
