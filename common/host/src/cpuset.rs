//! Sets of CPU or NUMA node numbers, and the kernel's list format (`0-3,8`).

use std::fmt;

/// The kernel's own bound is 8192 CPUs; anything far beyond it is a mistake in the input.
const MAX: u32 = 1 << 16;

/// A set of small numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CpuSet {
    words: Vec<u64>,
}

impl CpuSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the kernel's list format; `None` when it is malformed or a number is above 65535.
    pub fn parse(text: &str) -> Option<Self> {
        let mut set = Self::new();
        for part in text.trim().split(',').map(str::trim) {
            if part.is_empty() {
                continue;
            }
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
                None => {
                    let one: u32 = part.parse().ok()?;
                    (one, one)
                }
            };
            if first > last || last >= MAX {
                return None;
            }
            for number in first..=last {
                set.insert(number);
            }
        }
        Some(set)
    }

    /// Adds a number; numbers above 65535 are ignored.
    pub fn insert(&mut self, number: u32) {
        if number >= MAX {
            return;
        }
        let word = number as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (number % 64);
    }

    /// Whether the number is in the set.
    pub fn contains(&self, number: u32) -> bool {
        self.words
            .get(number as usize / 64)
            .is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many numbers are in it.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0u32..).flat_map(|(word, index)| {
            (0..64)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| index * 64 + bit)
        })
    }

    /// The largest number.
    pub fn last(&self) -> Option<u32> {
        self.iter().last()
    }

    /// The bitmap as the wire carries it: bit n of byte n/8, `bytes` long.
    pub fn to_bytes(&self, bytes: usize) -> Vec<u8> {
        let mut map = vec![0; bytes];
        for number in self.iter() {
            if let Some(byte) = map.get_mut(number as usize / 8) {
                *byte |= 1 << (number % 8);
            }
        }
        map
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::new();
        numbers.into_iter().for_each(|number| set.insert(number));
        set
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = numbers.next() {
            let mut last = first;
            while numbers.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            f.write_str(separator)?;
            separator = ",";
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written_back() {
        for text in ["", "0", "0-3", "0,2-5,64,127-128"] {
            assert_eq!(CpuSet::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(CpuSet::parse("0-1\n").unwrap().len(), 2);
        assert_eq!(CpuSet::parse("0,1,2,3").unwrap().to_string(), "0-3");
    }

    #[test]
    fn malformed_and_huge_lists_are_refused() {
        for text in ["a", "3-1", "1-", "0-4294967295", "65536", "-1"] {
            assert!(CpuSet::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_wire_bitmap_is_little_endian_by_bit() {
        assert_eq!(CpuSet::parse("0-1,9").unwrap().to_bytes(2), [3, 2]);
        assert_eq!(CpuSet::parse("0-1,9").unwrap().to_bytes(1), [3]);
    }
}
