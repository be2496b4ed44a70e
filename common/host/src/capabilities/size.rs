//! Amounts with their unit.

use virt_xml::Element;

/// An amount of memory in KiB, as the text of an element.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Kib {
    /// Always `KiB`.
    #[xml(attr)]
    pub unit: String,
    /// The amount.
    #[xml(text)]
    pub value: u64,
}

impl Kib {
    /// An amount.
    pub fn new(value: u64) -> Self {
        Self {
            unit: "KiB".to_owned(),
            value,
        }
    }
}

/// A page size in KiB, and in a NUMA node how many such pages it has.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct PageSize {
    /// Always `KiB`.
    #[xml(attr)]
    pub unit: String,
    /// Of one page.
    #[xml(attr)]
    pub size: u64,
    /// How many.
    #[xml(text)]
    pub count: Option<u64>,
}

impl PageSize {
    /// A size.
    pub fn new(size: u64, count: Option<u64>) -> Self {
        Self {
            unit: "KiB".to_owned(),
            size,
            count,
        }
    }
}

/// Bytes in the largest unit that divides them: `1536 KiB`, `3 MiB`.
pub(super) fn scaled(bytes: u64) -> (u64, &'static str) {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    UNITS
        .into_iter()
        .find(|(_, shift)| bytes != 0 && bytes.is_multiple_of(1 << shift))
        .map_or((bytes, "B"), |(unit, shift)| (bytes >> shift, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_largest_that_leaves_no_rest() {
        assert_eq!(scaled(33 << 20), (33, "MiB"));
        assert_eq!(scaled(1536 << 10), (1536, "KiB"));
        assert_eq!(scaled(1 << 30), (1, "GiB"));
        assert_eq!(scaled(10), (10, "B"));
        assert_eq!(scaled(0), (0, "B"));
    }
}
