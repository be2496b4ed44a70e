//! What every device may have besides what it is: its place in the boot order, alias, option ROM,
//! ACPI index and address.

use super::address::{Address, PciAddress};
use crate::refusal::unsupported;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, OnOff, Tag, Tree, Writer, YesNo};

/// Flattened into each device, behind everything of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceInfo {
    /// Place in the boot order.
    pub boot: Option<Boot>,
    /// The name QEMU and clients know the device by; live, or given by the user (`ua-…`).
    pub alias: Option<Alias>,
    /// Only at USB companion controllers: the first port of the master.
    pub master: Option<UsbMaster>,
    /// The PCI option ROM.
    pub rom: Option<Rom>,
    /// What the guest's firmware is told of the device.
    pub acpi: Option<Acpi>,
    /// Where it sits.
    pub address: Option<Address>,
    /// What the driver keeps of it; status files only.
    pub kept: DeviceState,
}

/// Devices that firmware can boot from; `<boot>` means nothing to others.
const BOOTABLE: &[&str] = &["disk", "interface", "filesystem", "hostdev", "redirdev"];

/// Devices whose option ROM can be chosen; `<rom>` means nothing to others.
const WITH_ROM: &[&str] = &["interface", "hostdev"];

impl Element for DeviceInfo {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        // What is left unread is reported as unknown.
        let boot = match BOOTABLE.contains(&node.name()) {
            true => node.child("boot")?,
            false => None,
        };
        let rom: Option<Rom> = match WITH_ROM.contains(&node.name()) {
            true => node.child("rom")?,
            false => None,
        };
        if let Some(Rom {
            enabled: Some(YesNo::No),
            bar,
            file,
        }) = &rom
            && (bar.is_some() || file.is_some())
        {
            return Err(unsupported(
                "ROM tuning is not supported when ROM is disabled",
            ));
        }
        Ok(Self {
            boot,
            alias: node
                .child_with("alias", |node| node.attr("name"))?
                .flatten()
                .map(|name| Alias { name }),
            master: node.child("master")?,
            rom: rom.filter(|rom| *rom != Rom::default()),
            acpi: node
                .child::<Acpi>("acpi")?
                .filter(|acpi| acpi.index.is_some()),
            address: node.child("address")?,
            kept: DeviceState::read(node)?,
        })
    }

    fn attrs(&self, _: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        out.maybe("boot", self.boot.as_ref());
        out.maybe("alias", self.alias.as_ref());
        out.maybe("master", self.master.as_ref());
        out.maybe("rom", self.rom.as_ref());
        out.maybe("acpi", self.acpi.as_ref());
        out.maybe("address", self.address.as_ref());
        self.kept.content(out);
    }
}

/// `<privateData>` of a device in a status file, as it was read: what other versions keep is not
/// lost. That of disks is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceState(pub Option<Box<Tree>>);

impl Element for DeviceState {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self(match node.is_of_driver() {
            true => node.raw("privateData").map(Box::new),
            false => None,
        }))
    }

    fn attrs(&self, _: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        if let Some(tree) = &self.0
            && out.is_of_driver()
        {
            out.tree(tree);
        }
    }
}

/// `<boot order=…/>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// 1 is tried first.
    pub order: u32,
    /// What an s390x boot loader is told: 1 to 8 characters.
    pub loadparm: Option<String>,
}

impl Element for Boot {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let order = node.required("order")?;
        if order == 0 {
            return Err(node.error(
                "Invalid value for attribute 'order' in element 'boot': Zero is not permitted",
            ));
        }
        let loadparm: Option<String> = node.attr("loadparm")?;
        let loadparm = loadparm.map(|text| loadparm_of(&text)).transpose()?;
        Ok(Self { order, loadparm })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("order", &self.order);
        tag.maybe("loadparm", &self.loadparm);
    }

    fn content(&self, _: &mut Writer) {}
}

/// What a boot loader is told, in its own letters.
fn loadparm_of(text: &str) -> Result<String> {
    let text = text.to_ascii_uppercase();
    let internal = |what: String| Error::new(ErrorCode::InternalError, ErrorDomain::Domain, what);
    if !(1..=8).contains(&text.len()) {
        return Err(internal(format!(
            "loadparm value '{text}' must be between 1 and 8 characters"
        )));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b' ');
    if !text.bytes().all(allowed) {
        return Err(internal(format!(
            "invalid loadparm value '{text}', expecting chars in set of [a-zA-Z0-9.] and blank spaces"
        )));
    }
    Ok(text)
}

/// `<alias name=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Alias {
    /// The name.
    #[xml(attr)]
    pub name: String,
}

impl Alias {
    /// Whether a user may give that name (formatdomain "Devices"); any other is passed over.
    fn is_users(name: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        name.starts_with("ua-") && name.bytes().all(allowed)
    }
}

/// `<master startport=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct UsbMaster {
    /// First port of the master controller that this companion serves.
    #[xml(attr, default)]
    pub startport: u32,
}

/// `<rom …/>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct Rom {
    /// Whether the guest sees any ROM.
    #[xml(attr)]
    pub enabled: Option<YesNo>,
    /// Whether the guest can map it.
    #[xml(attr)]
    pub bar: Option<OnOff>,
    /// Path of another content.
    #[xml(attr)]
    pub file: Option<String>,
}

/// `<acpi index=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acpi {
    /// Never 0; the guest's firmware wants them unique.
    pub index: Option<u32>,
}

impl Element for Acpi {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let index = node.attr("index")?;
        if index == Some(0) {
            return Err(node.error(
                "Invalid value for attribute 'index' in element 'acpi': Zero is not permitted",
            ));
        }
        Ok(Self { index })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("index", &self.index);
    }

    fn content(&self, _: &mut Writer) {}
}

impl DeviceInfo {
    /// Writes what the device is called, and nothing else.
    pub fn only_alias(&self, out: &mut Writer) {
        out.maybe("alias", self.alias.as_ref());
    }

    /// The alias, if it has one yet.
    pub fn alias(&self) -> Option<&str> {
        self.alias.as_ref().map(|a| a.name.as_str())
    }

    /// Gives the device that alias unless it has one.
    pub fn name(&mut self, alias: impl FnOnce() -> String) {
        self.alias.get_or_insert_with(|| Alias { name: alias() });
    }

    /// Takes away what only a running guest has: the alias, unless the user gave it.
    pub fn inactive(&mut self) {
        self.kept = DeviceState::default();
        if self.alias().is_some_and(|name| !Alias::is_users(name)) {
            self.alias = None;
        }
    }

    /// Its place in the boot order.
    pub fn boot_order(&self) -> Option<u32> {
        self.boot.as_ref().map(|b| b.order)
    }

    /// The PCI address, if it has one and it was chosen.
    pub fn pci(&self) -> Option<&PciAddress> {
        self.address
            .as_ref()
            .and_then(Address::pci)
            .filter(|a| !a.is_any())
    }
}
