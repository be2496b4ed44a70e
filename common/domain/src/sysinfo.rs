//! `<sysinfo>`: what SMBIOS and the firmware configuration device tell the guest.

use virt_error::Result;
use virt_xml::{Element, Node, Tag, Value, Words, Writer};

/// `<sysinfo type=>`.
#[derive(Debug, Clone, PartialEq)]
pub enum Sysinfo {
    /// SMBIOS tables.
    Smbios(Box<SmbiosInfo>),
    /// Blobs of the firmware configuration device.
    Fwcfg(Vec<FwcfgEntry>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
enum SysinfoType {
    Smbios,
    Fwcfg,
}

/// SMBIOS tables.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct SmbiosInfo {
    /// Table 0.
    #[xml(child)]
    pub bios: Option<Table<BiosKey>>,
    /// Table 1.
    #[xml(child)]
    pub system: Option<Table<SystemKey>>,
    /// Tables 2.
    #[xml(child = "baseBoard")]
    pub base_boards: Vec<Table<BaseBoardKey>>,
    /// Table 3.
    #[xml(child)]
    pub chassis: Option<Table<ChassisKey>>,
    /// Table 11.
    #[xml(child = "oemStrings")]
    pub oem_strings: Option<OemStrings>,
}

impl Element for Sysinfo {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(match node.required("type")? {
            SysinfoType::Smbios => {
                let mut info = SmbiosInfo::read(node)?;
                info.oem_strings = info.oem_strings.filter(|all| !all.entries.is_empty());
                Self::Smbios(Box::new(info))
            }
            SysinfoType::Fwcfg => {
                let mut entries: Vec<FwcfgEntry> = node.children("entry")?;
                for entry in &mut entries {
                    if entry.file.is_some() {
                        entry.value = None;
                    } else if entry.value.as_ref().is_none_or(String::is_empty) {
                        return Err(
                            node.error("Firmware entry must have either value or 'file' attribute")
                        );
                    }
                }
                Self::Fwcfg(entries)
            }
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        let kind = match self {
            Self::Smbios(_) => SysinfoType::Smbios,
            Self::Fwcfg(_) => SysinfoType::Fwcfg,
        };
        tag.attr("type", &kind);
    }

    fn content(&self, out: &mut Writer) {
        match self {
            Self::Smbios(info) => info.content(out),
            Self::Fwcfg(entries) => entries.iter().for_each(|e| out.element("entry", e)),
        }
    }
}

/// Entries of a table by their keys, in the order of the keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<K> {
    /// Key and value.
    pub entries: Vec<(K, String)>,
}

impl<K: Value + Ord + Copy> Element for Table<K> {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mut entries = node.children_with("entry", |entry| {
            Ok((entry.required::<K>("name")?, entry.text::<String>()?))
        })?;
        entries.sort_by_key(|(key, _)| *key);
        Ok(Self { entries })
    }

    fn attrs(&self, _tag: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        for (key, value) in &self.entries {
            out.open("entry", |tag| tag.attr("name", key), |out| out.text(value));
        }
    }
}

impl<K: PartialEq> Table<K> {
    /// The value of a key.
    pub fn get(&self, key: K) -> Option<&str> {
        let found = self.entries.iter().find(|(k, _)| *k == key);
        found.map(|(_, value)| value.as_str())
    }
}

/// Keys of table 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Words)]
#[allow(missing_docs, reason = "SMBIOS's names")]
pub enum BiosKey {
    Vendor,
    Version,
    Date,
    Release,
}

/// Keys of table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Words)]
#[allow(missing_docs, reason = "SMBIOS's names")]
pub enum SystemKey {
    Manufacturer,
    Product,
    Version,
    Serial,
    Uuid,
    Sku,
    Family,
}

/// Keys of table 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Words)]
#[allow(missing_docs, reason = "SMBIOS's names")]
pub enum BaseBoardKey {
    Manufacturer,
    Product,
    Version,
    Serial,
    Asset,
    Location,
}

/// Keys of table 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Words)]
#[allow(missing_docs, reason = "SMBIOS's names")]
pub enum ChassisKey {
    Manufacturer,
    Version,
    Serial,
    Asset,
    Sku,
}

/// `<oemStrings>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct OemStrings {
    /// The texts.
    #[xml(child_text = "entry")]
    pub entries: Vec<String>,
}

/// A blob of the firmware configuration device.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct FwcfgEntry {
    /// Its name.
    #[xml(attr)]
    pub name: String,
    /// A file with its content.
    #[xml(attr)]
    pub file: Option<String>,
    /// Its content.
    #[xml(text)]
    pub value: Option<String>,
}
