//! Hardware addresses.

use crate::refusal::xml;
use std::fmt;
use virt_error::Result;
use virt_xml::{Node, Tag, Words, Writer, YesNo};

/// A hardware address of 6 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Reads `52:54:00:12:34:56`; a byte may have one digit.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next()?;
            let digits =
                (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
            if !digits {
                return None;
            }
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(Self(bytes))
    }

    /// A locally made up address in QEMU's range; `random` fills a buffer with random bytes.
    pub fn generated(random: fn(&mut [u8])) -> Self {
        let mut bytes = [0x52, 0x54, 0, 0, 0, 0];
        for byte in &mut bytes[3..] {
            random(std::slice::from_mut(byte));
        }
        Self(bytes)
    }

    /// Whether it stands for a group of stations.
    pub fn is_multicast(&self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// `<mac …/>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mac {
    /// The address.
    pub address: MacAddress,
    /// Whether it was made up; only other drivers ask.
    pub kind: Option<MacType>,
    /// Whether the address is checked for being in a vendor's range; only other drivers ask.
    pub check: Option<YesNo>,
    /// What the guest changed it to; live only.
    pub current: Option<MacAddress>,
}

/// Where an address comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum MacType {
    /// It was made up.
    Generated,
    /// It was given.
    Static,
}

impl From<MacAddress> for Mac {
    fn from(address: MacAddress) -> Self {
        Self {
            address,
            kind: None,
            check: None,
            current: None,
        }
    }
}

impl Mac {
    /// Reads `<mac>`; one without an address says nothing, nor does the address that is all zero.
    pub(super) fn read(node: &mut Node<'_>) -> Result<Option<Self>> {
        let address = |text: String| {
            MacAddress::parse(&text)
                .ok_or_else(|| xml(format!("unable to parse mac address '{text}'")))
        };
        let kind = node.attr("type")?;
        let check = node.attr("check")?;
        let current = node.attr("currentAddress")?.map(address).transpose()?;
        let Some(text) = node.attr::<String>("address")? else {
            return Ok(None);
        };
        let address = address(text.clone())?;
        if address.is_multicast() {
            return Err(xml(format!(
                "expected unicast mac address, found multicast '{text}'"
            )));
        }
        Ok((address.0 != [0; 6]).then_some(Self {
            address,
            kind,
            check,
            current,
        }))
    }
}

/// Writing only; [`Mac::read`] reads.
pub(super) fn write(out: &mut Writer, mac: &Mac) {
    let attrs = |tag: &mut Tag<'_>| {
        tag.text("address", &mac.address.to_string());
        tag.maybe("type", &mac.kind);
        tag.maybe("check", &mac.check);
        tag.maybe("currentAddress", &mac.current.map(|m| m.to_string()));
    };
    out.open("mac", attrs, |_| {});
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        let address = MacAddress::parse("52:54:0:AB:cd:0f").unwrap();
        assert_eq!(address.to_string(), "52:54:00:ab:cd:0f");
        for bad in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:0f:1",
            "52:54:00:ab:cd:0fg",
            "5:5:5:5:5:+5",
        ] {
            assert_eq!(MacAddress::parse(bad), None, "{bad}");
        }
        assert!(
            MacAddress::parse("01:00:5e:00:00:01")
                .unwrap()
                .is_multicast()
        );
    }
}
