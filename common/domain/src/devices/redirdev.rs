//! `<redirdev>` and `<redirfilter>`: USB devices of the client.
//!
//! Facts: formatdomain "Redirected devices"; the texts of refusals are the stock library's.

use super::chardev::CharSource;
use super::info::DeviceInfo;
use crate::refusal::{internal, unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Writer, YesNo};

/// Name of the channel on D-Bus where none is given.
const DBUS_CHANNEL: &str = "org.qemu.usbredir";

/// `<redirdev bus='usb'>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Redirdev {
    /// What the client is behind.
    pub source: CharSource,
    /// Boot order, alias and address.
    pub info: DeviceInfo,
}

/// `<redirfilter>`: which devices are let in; the first rule that fits decides.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct RedirFilter {
    /// The rules.
    #[xml(child = "usbdev")]
    pub rules: Vec<RedirRule>,
}

/// `<usbdev …/>`; what is absent fits everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirRule {
    /// Class.
    pub class: Option<u8>,
    /// Vendor.
    pub vendor: Option<u16>,
    /// Product.
    pub product: Option<u16>,
    /// Version as BCD.
    pub version: Option<u16>,
    /// Whether such devices are let in.
    pub allow: bool,
}

impl Redirdev {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.source.inactive();
        self.info.inactive();
    }
}

impl Element for Redirdev {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        match node.attr_text("bus") {
            None | Some("usb") => {}
            Some(other) => return Err(unsupported(format!("unknown redirdev bus '{other}'"))),
        }
        let word = node
            .attr_text("type")
            .ok_or_else(|| internal("missing type in redirdev"))?;
        let kind = super::chardev::CharType::from_word(word).ok_or_else(|| {
            unsupported(format!("unknown redirdev character device type '{word}'"))
        })?;
        Ok(Self {
            source: CharSource::read_named(node, kind, Some(DBUS_CHANNEL))?,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("bus", "usb");
        self.source.attrs(tag);
    }

    fn content(&self, out: &mut Writer) {
        self.source.content(out);
        self.info.content(out);
    }
}

/// A number of a device, up to `top`; `-1` fits everything.
fn id(node: &mut Node<'_>, name: &str, what: &str, top: i64) -> Result<Option<u16>> {
    let Some(text) = node.attr_text(name) else {
        return Ok(None);
    };
    let digits = text.trim();
    let number = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    };
    match number {
        Some(-1) => Ok(None),
        // At most 0xffff, as `top` is.
        Some(number) if (0..=top).contains(&number) => Ok(Some(number as u16)),
        Some(_) => Err(internal(format!("Invalid USB {what} {text}"))),
        None => Err(node.bad_attr(name, text, "a number such as 8 or 0x08, or -1")),
    }
}

/// `1.10` is version 0x0110.
fn version(text: &str) -> Option<u16> {
    let (major, minor) = text.split_once('.')?;
    let part = |text: &str| -> Option<u16> {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
    };
    Some(part(major)? << 8 | part(minor)?)
}

impl Element for RedirRule {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let class = id(node, "class", "Class code", 0xff)?;
        let version = match node.attr_text("version") {
            None | Some("-1") => None,
            Some(text) => Some(
                version(text)
                    .ok_or_else(|| xml(format!("Cannot parse USB device version {text}")))?,
            ),
        };
        Ok(Self {
            class: class.map(|class| class as u8), // at most 0xff
            vendor: id(node, "vendor", "vendor id", 0xffff)?,
            product: id(node, "product", "product id", 0xffff)?,
            version,
            allow: node.required::<YesNo>("allow")?.is_yes(),
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("class", &self.class.map(|n| format!("0x{n:02X}")));
        tag.maybe("vendor", &self.vendor.map(|n| format!("0x{n:04X}")));
        tag.maybe("product", &self.product.map(|n| format!("0x{n:04X}")));
        let version = |n: u16| format!("{:x}.{:02x}", n >> 8, n & 0xff);
        tag.maybe("version", &self.version.map(version));
        tag.attr("allow", &YesNo::from(self.allow));
    }

    fn content(&self, _: &mut Writer) {}
}
