//! `<os>`: what the guest boots.

use std::borrow::Cow;

use crate::arch::{Arch, OsKind};
use crate::devices::storage::{StorageKind, StorageSource, write_source};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Value, Words, Writer, YesNo};

/// `<os>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Os {
    /// Which kind of firmware is chosen automatically.
    #[xml(attr)]
    pub firmware: Option<FirmwareKind>,
    /// System, architecture and machine.
    #[xml(child = "type")]
    pub kind: OsType,
    /// What the chosen firmware has to offer.
    #[xml(child = "firmware")]
    pub firmware_features: Option<FirmwareFeatures>,
    /// Containers: the first program.
    #[xml(child_text)]
    pub init: Option<String>,
    /// Containers: its arguments.
    #[xml(child_text = "initarg")]
    pub initargs: Vec<String>,
    /// Containers: its environment.
    #[xml(child = "initenv")]
    pub initenv: Vec<InitEnv>,
    /// Containers: its folder.
    #[xml(child_text)]
    pub initdir: Option<String>,
    /// Containers: its user.
    #[xml(child_text)]
    pub inituser: Option<String>,
    /// Containers: its group.
    #[xml(child_text)]
    pub initgroup: Option<String>,
    /// The firmware's image.
    #[xml(child)]
    pub loader: Option<Loader>,
    /// Its variables.
    #[xml(child)]
    pub nvram: Option<OsNvram>,
    /// A kernel that is booted directly.
    #[xml(child_text)]
    pub kernel: Option<String>,
    /// Its initial RAM disk.
    #[xml(child_text)]
    pub initrd: Option<String>,
    /// Its command line.
    #[xml(child_text)]
    pub cmdline: Option<String>,
    /// The shim that verifies it.
    #[xml(child_text)]
    pub shim: Option<String>,
    /// Its device tree.
    #[xml(child_text)]
    pub dtb: Option<String>,
    /// Xen: its root device.
    #[xml(child_text)]
    pub root: Option<String>,
    /// ACPI tables.
    #[xml(child)]
    pub acpi: Option<AcpiTables>,
    /// What is tried in turn.
    #[xml(child = "boot")]
    pub boot: Vec<Boot>,
    /// Whether there is a menu.
    #[xml(child)]
    pub bootmenu: Option<BootMenu>,
    /// How the BIOS behaves.
    #[xml(child)]
    pub bios: Option<Bios>,
    /// Where SMBIOS data comes from.
    #[xml(child)]
    pub smbios: Option<Smbios>,
}

/// Kinds of firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum FirmwareKind {
    /// A BIOS.
    Bios,
    /// UEFI.
    Efi,
}

/// `<type arch= machine=>hvm</type>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OsType {
    /// The architecture; the host's when not said.
    pub arch: Option<Arch>,
    /// The machine type.
    pub machine: Option<String>,
    /// What kind of system.
    pub kind: OsKind,
}

impl Element for OsType {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let unsupported =
            |text: String| Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, text);
        let arch = match node.attr_text("arch") {
            None | Some("") => None,
            Some(text) => Some(
                Arch::from_word(text)
                    .ok_or_else(|| unsupported(format!("Unknown architecture {text}")))?,
            ),
        };
        let machine = node.attr("machine")?;
        let text: String = node.text()?;
        let kind = OsKind::from_word(&text)
            .ok_or_else(|| unsupported(format!("unknown OS type '{text}'")))?;
        Ok(Self {
            arch,
            machine,
            kind,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("arch", &self.arch);
        tag.maybe("machine", &self.machine);
    }

    fn content(&self, out: &mut Writer) {
        out.text(&self.kind);
    }
}

/// `<firmware>` in `<os>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct FirmwareFeatures {
    /// What is wanted or not.
    #[xml(child = "feature")]
    pub features: Vec<FirmwareFeature>,
}

/// A feature of the firmware.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct FirmwareFeature {
    /// Whether it has to be there.
    #[xml(attr)]
    pub enabled: YesNo,
    /// Which one.
    #[xml(attr)]
    pub name: FirmwareFeatureName,
}

/// Features a firmware may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum FirmwareFeatureName {
    /// Keys are enrolled from the start.
    EnrolledKeys,
    /// It can verify what it boots.
    SecureBoot,
}

/// `<initenv name=>value</initenv>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct InitEnv {
    /// The variable.
    #[xml(attr)]
    pub name: String,
    /// Its value.
    #[xml(text)]
    pub value: String,
}

/// `<loader>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loader {
    /// Whether the guest can't write to it.
    pub readonly: Option<YesNo>,
    /// Into what it is loaded.
    pub kind: Option<LoaderType>,
    /// Whether it protects itself by system management mode.
    pub secure: Option<YesNo>,
    /// Whether it keeps no variables.
    pub stateless: Option<YesNo>,
    /// Format of the image.
    pub format: Option<FlashFormat>,
    /// Path of the image.
    pub path: Option<String>,
}

/// Into what firmware is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum LoaderType {
    /// Plain memory.
    Rom,
    /// Flash memory.
    Pflash,
}

/// Format of a flash image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum FlashFormat {
    /// As it is.
    Raw,
    /// QEMU's.
    Qcow2,
}

impl Element for Loader {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            readonly: node.attr("readonly")?,
            kind: node.attr("type")?,
            secure: node.attr("secure")?,
            stateless: node.attr("stateless")?,
            format: flash_format(node, "format")?,
            path: node.maybe_text()?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("readonly", &self.readonly);
        tag.maybe("secure", &self.secure);
        tag.maybe("type", &self.kind);
        tag.maybe("stateless", &self.stateless);
        tag.maybe("format", &self.format);
    }

    fn content(&self, out: &mut Writer) {
        if let Some(path) = &self.path {
            out.text(path);
        }
    }
}

/// Flash can be raw or qcow2; other formats of images are known but refused.
fn flash_format(node: &mut Node<'_>, name: &str) -> Result<Option<FlashFormat>> {
    let Some(text) = node.attr_text(name) else {
        return Ok(None);
    };
    FlashFormat::from_word(text).map(Some).ok_or_else(|| {
        Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Domain,
            format!("Unsupported {} format '{text}'", node.name()),
        )
    })
}

/// `<nvram>` in `<os>`: where the firmware's variables are kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OsNvram {
    /// What they start from.
    pub template: Option<String>,
    /// Format of that.
    pub template_format: Option<FlashFormat>,
    /// Format of the variable store.
    pub format: Option<FlashFormat>,
    /// Its path, in the short form.
    pub path: Option<String>,
    /// Kind of its place, in the long form.
    pub kind: Option<StorageKind>,
    /// Where it is, in the long form.
    pub source: Option<StorageSource>,
}

impl Element for OsNvram {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let template = node.attr("template")?;
        let template_format = flash_format(node, "templateFormat")?;
        let format = flash_format(node, "format")?;
        let kind: Option<StorageKind> = node.attr("type")?;
        let (path, source) = match kind {
            None => (node.maybe_text()?, None),
            Some(kind) => {
                let source = node.child_with("source", |n| StorageSource::read(n, kind))?;
                (None, source)
            }
        };
        Ok(Self {
            template,
            template_format,
            format,
            path,
            // The kind of a place that isn't given says nothing.
            kind: kind.filter(|_| source.is_some()),
            source,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("template", &self.template);
        tag.maybe("templateFormat", &self.template_format);
        tag.maybe("type", &self.kind);
        tag.maybe("format", &self.format);
    }

    fn content(&self, out: &mut Writer) {
        if let Some(path) = &self.path {
            out.text(path);
        }
        write_source(out, self.source.as_ref());
    }
}

/// `<acpi>` in `<os>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct AcpiTables {
    /// The tables.
    #[xml(child = "table")]
    pub tables: Vec<AcpiTable>,
}

/// An ACPI table.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct AcpiTable {
    /// How it is used.
    #[xml(attr = "type")]
    pub kind: AcpiTableType,
    /// Path of the file.
    #[xml(text)]
    pub path: String,
}

/// How an ACPI table is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum AcpiTableType {
    /// As one table.
    Raw,
    /// As several.
    Rawset,
    /// As licence of the system, by its header.
    Slic,
    /// As licence key.
    Msdm,
}

/// `<boot dev=/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Boot {
    /// Which kind of device.
    #[xml(attr)]
    pub dev: BootDev,
}

/// Kinds of devices to boot from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum BootDev {
    /// Floppy.
    Fd,
    /// CD-ROM.
    Cdrom,
    /// Disk.
    Hd,
    /// Network.
    Network,
}

/// Most kinds of devices that are tried: what the stock library keeps.
const MAX_BOOT_DEVICES: usize = 4;

impl Os {
    /// What holds nothing says nothing.
    pub(crate) fn settle(&mut self) {
        self.boot.truncate(MAX_BOOT_DEVICES);
        self.bootmenu = self.bootmenu.take().filter(|menu| menu.enable.is_some());
        self.bios = self.bios.take().filter(|bios| *bios != Bios::default());
        self.smbios = self.smbios.take().filter(|smbios| smbios.mode.is_some());
        self.acpi = self.acpi.take().filter(|acpi| !acpi.tables.is_empty());
        let features = self.firmware_features.take();
        self.firmware_features = features.filter(|firmware| !firmware.features.is_empty());
    }
}

impl BootDev {
    /// QEMU's letter.
    pub fn letter(self) -> char {
        match self {
            Self::Fd => 'a',
            Self::Cdrom => 'd',
            Self::Hd => 'c',
            Self::Network => 'n',
        }
    }
}

/// `<bootmenu/>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BootMenu {
    /// Whether it is shown.
    pub enable: Option<YesNo>,
    /// For how many milliseconds.
    pub timeout: Option<u16>,
}

impl Element for BootMenu {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let enable = node.attr("enable")?;
        let timeout = match node.attr_text("timeout") {
            Some(text) if enable == Some(YesNo::Yes) => {
                Some(text.trim().parse().map_err(|_| {
                    Error::new(
                        ErrorCode::ConfigUnsupported,
                        ErrorDomain::Domain,
                        "invalid value for boot menu timeout, must be in range [0,65535]",
                    )
                })?)
            }
            _ => None,
        };
        Ok(Self { enable, timeout })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("enable", &self.enable);
        tag.maybe("timeout", &self.timeout);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<bios/>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bios {
    /// Whether it talks to a serial port too.
    pub useserial: Option<YesNo>,
    /// Milliseconds until it tries again; -1: never.
    pub reboot_timeout: Option<RebootTimeout>,
}

impl Element for Bios {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        // Every other word is a no, as for the stock library.
        let word = node.attr_text("useserial");
        Ok(Self {
            useserial: word.map(|word| YesNo::from(word == "yes")),
            reboot_timeout: node.attr("rebootTimeout")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("useserial", &self.useserial);
        tag.maybe("rebootTimeout", &self.reboot_timeout);
    }

    fn content(&self, _: &mut Writer) {}
}

/// Milliseconds, or -1 for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RebootTimeout(pub i32);

impl Value for RebootTimeout {
    fn from_text(text: &str) -> Option<Self> {
        let number = text.trim().parse().ok()?;
        (-1..=65535).contains(&number).then_some(Self(number))
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.0.to_string())
    }

    fn allowed() -> String {
        "-1 to 65535".to_owned()
    }
}

/// `<smbios mode=/>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Smbios {
    /// Where the data comes from.
    #[xml(attr)]
    pub mode: Option<SmbiosMode>,
}

/// Where SMBIOS data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum SmbiosMode {
    /// QEMU makes it up.
    Emulate,
    /// It is the host's.
    Host,
    /// The definition gives it.
    Sysinfo,
}
