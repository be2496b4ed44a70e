//! The form of the map's files.

use std::borrow::Cow;

use virt_xml::{Element, Value, Words};

/// `index.xml`.
#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Index {
    #[xml(child = "arch")]
    pub archs: Vec<Arch>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Arch {
    #[xml(attr)]
    pub name: String,
    #[xml(child = "include")]
    pub includes: Vec<Include>,
    #[xml(child = "group")]
    pub groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Group {
    #[xml(child = "include")]
    pub includes: Vec<Include>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Include {
    #[xml(attr)]
    pub filename: String,
}

/// Every other file.
#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Cpus {
    #[xml(child = "vendor")]
    pub vendors: Vec<VendorXml>,
    #[xml(child = "feature")]
    pub features: Vec<FeatureXml>,
    #[xml(child = "model")]
    pub models: Vec<ModelXml>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct VendorXml {
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub string: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct FeatureXml {
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub migratable: Option<Switch>,
    #[xml(child = "alias")]
    pub aliases: Vec<Alias>,
    #[xml(child = "cpuid")]
    pub leaves: Vec<Leaf>,
    #[xml(child = "msr")]
    pub registers: Vec<Msr>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Alias {
    #[xml(attr)]
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Leaf {
    #[xml(attr)]
    pub eax_in: Hex,
    #[xml(attr)]
    pub ecx_in: Option<Hex>,
    #[xml(attr)]
    pub eax: Option<Hex>,
    #[xml(attr)]
    pub ebx: Option<Hex>,
    #[xml(attr)]
    pub ecx: Option<Hex>,
    #[xml(attr)]
    pub edx: Option<Hex>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Msr {
    #[xml(attr)]
    pub index: Hex,
    #[xml(attr)]
    pub eax: Option<Hex>,
    #[xml(attr)]
    pub edx: Option<Hex>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct ModelXml {
    #[xml(attr)]
    pub name: String,
    #[xml(child)]
    pub decode: Option<Decode>,
    #[xml(child = "signature")]
    pub signatures: Vec<SignatureXml>,
    #[xml(child)]
    pub model: Option<Ancestor>,
    #[xml(child)]
    pub vendor: Option<VendorXml>,
    #[xml(child = "feature")]
    pub features: Vec<ModelFeature>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Ancestor {
    #[xml(attr)]
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct Decode {
    #[xml(attr)]
    pub host: Switch,
    #[xml(attr)]
    pub guest: Switch,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct SignatureXml {
    #[xml(attr)]
    pub family: Hex,
    #[xml(attr)]
    pub model: Hex,
    /// One number, or a range of them: `0-5`.
    #[xml(attr)]
    pub stepping: Option<Steppings>,
}

#[derive(Debug, Clone, PartialEq, Element)]
pub(super) struct ModelFeature {
    #[xml(attr)]
    pub name: String,
    #[xml(attr)]
    pub added: Option<Switch>,
    #[xml(attr)]
    pub removed: Option<Switch>,
}

/// The map says it both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub(super) enum Switch {
    On,
    Off,
    Yes,
    No,
}

impl Switch {
    pub(super) fn is_on(self) -> bool {
        matches!(self, Self::On | Self::Yes)
    }
}

/// A number, with `0x` in front a hexadecimal one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hex(pub u32);

impl Value for Hex {
    fn from_text(text: &str) -> Option<Self> {
        match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        }
        .map(Self)
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{:#x}", self.0))
    }

    fn allowed() -> String {
        "a number of at most 32 bits".to_owned()
    }
}

/// A range of steppings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steppings {
    pub first: u32,
    pub last: u32,
}

impl Value for Steppings {
    fn from_text(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(Self {
            first: first.parse().ok()?,
            last: last.parse().ok()?,
        })
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}-{}", self.first, self.last))
    }

    fn allowed() -> String {
        "a stepping or FIRST-LAST".to_owned()
    }
}
