//! Amounts with a unit, such as `<memory unit='MiB'>512</memory>`.

use std::borrow::Cow;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Value, Writer};

/// Bytes in a KiB.
pub const KIB: u64 = 1024;

/// An element that holds an amount of memory, kept and written in KiB. A unit that is not given is
/// KiB; smaller amounts are rounded up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KiB(pub u64);

impl KiB {
    /// The amount in bytes.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(KIB)
    }

    /// The amount in MiB, rounded up.
    pub fn mib(self) -> u64 {
        self.0.div_ceil(1024)
    }
}

impl Element for KiB {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        /// One more than the stock daemon takes.
        const TOO_MUCH: u64 = i64::MAX.unsigned_abs().div_ceil(KIB);
        let kib = amount_text(node, KIB)?.div_ceil(KIB);
        match kib < TOO_MUCH {
            true => Ok(Self(kib)),
            false => Err(Error::new(
                ErrorCode::Overflow,
                ErrorDomain::Domain,
                "size value too large",
            )),
        }
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("unit", "KiB");
    }

    fn content(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

/// Reads an amount from an element's text and its attribute `unit`, in bytes; a unit that is not
/// given stands for `default` bytes.
///
/// # Errors
/// As [`amount_attr`].
pub fn amount_text(node: &mut Node<'_>, default: u64) -> Result<u64> {
    let unit = node.attr_text("unit");
    let place = place(node);
    let text: String = node.text()?;
    amount(&text, unit, default, &place)
}

/// Reads an amount from the attributes `name` and `unit` of an element, in bytes; a unit that is
/// not given stands for `default` bytes.
///
/// # Errors
/// `XML_ERROR` for a text that is no number, `INVALID_ARG` for an unknown unit, `OVERFLOW` for
/// more than 2^64 - 1 bytes.
pub fn amount_attr(node: &mut Node<'_>, name: &str, default: u64) -> Result<Option<u64>> {
    let unit = node.attr_text("unit");
    let Some(text) = node.attr_text(name) else {
        return Ok(None);
    };
    let place = format!("{}/@{name}", place(node));
    amount(text, unit, default, &place).map(Some)
}

/// The place of an element as the stock messages write it: relative to `<domain>`.
fn place(node: &Node<'_>) -> Cow<'static, str> {
    let path = node.path();
    let inner = path
        .strip_prefix('/')
        .and_then(|p| p.split_once('/'))
        .map_or(path.as_str(), |(_, inner)| inner);
    let number = if path.ends_with(']') { "" } else { "[1]" };
    Cow::Owned(format!("./{inner}{number}"))
}

fn amount(text: &str, unit: Option<&str>, default: u64, place: &str) -> Result<u64> {
    let number = u64::from_text(text).ok_or_else(|| {
        Error::new(
            ErrorCode::XmlError,
            ErrorDomain::Domain,
            format!("Invalid value '{text}' for element or attribute '{place}'"),
        )
    })?;
    match unit.filter(|unit| !unit.is_empty()) {
        Some(unit) => crate::units::bytes(number, unit),
        None => number.checked_mul(default).ok_or_else(|| {
            Error::new(
                ErrorCode::Overflow,
                ErrorDomain::Domain,
                format!("value too large: {text}"),
            )
        }),
    }
}

/// The largest unit that leaves no rest, as libvirt prints amounts it keeps in bytes.
pub fn pretty(bytes: u64) -> (u64, &'static str) {
    for (power, unit) in [(5, "PiB"), (4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")] {
        let size = 1024u64.pow(power);
        if bytes >= size && bytes.is_multiple_of(size) {
            return (bytes / size, unit);
        }
    }
    (bytes, "B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_round_up_and_large_ones_are_refused() {
        let read = |text: &str| virt_xml::read::<KiB>(text).map(|(k, _)| k.0);
        assert_eq!(read("<memory unit='b'>1025</memory>").unwrap(), 2);
        assert_eq!(read("<memory>5</memory>").unwrap(), 5);
        assert!(
            read("<memory unit='EiB'>99</memory>")
                .unwrap_err()
                .is(ErrorCode::Overflow)
        );
    }
}
