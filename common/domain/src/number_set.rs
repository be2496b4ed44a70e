//! Sets of CPU, node or thread numbers as libvirt writes them: `0-3,^2,8`.

use std::borrow::Cow;
use std::fmt;

use virt_xml::Value;

/// The largest number a set can hold: far above what kernels support, small enough that a set of
/// a malicious document stays small.
const MAX: u32 = 16383;

/// A set of small numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct NumberSet(Vec<u64>);

impl NumberSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the list format: numbers, ranges and, with a `^`, numbers taken out again. `None` when
    /// it is malformed, empty or has a number above 16383.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_any(text).filter(|set| !set.is_empty())
    }

    /// As [`NumberSet::parse`], but everything may be taken out again.
    pub(crate) fn parse_any(text: &str) -> Option<Self> {
        let mut set = Self::new();
        for part in text.split(',').map(str::trim) {
            if let Some(out) = part.strip_prefix('^') {
                set.remove(number(out)?);
                continue;
            }
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first > last {
                return None;
            }
            set.insert_range(first, last);
        }
        Some(set)
    }

    /// Adds all numbers from `first` to `last`, neither above 16383, a word at a time.
    fn insert_range(&mut self, first: u32, last: u32) {
        let (from, to) = (first as usize / 64, last as usize / 64);
        if to >= self.0.len() {
            self.0.resize(to + 1, 0);
        }
        for word in from..=to {
            let mut bits = u64::MAX;
            if word == from {
                bits &= u64::MAX << (first % 64);
            }
            if word == to {
                bits &= u64::MAX >> (63 - last % 64);
            }
            self.0[word] |= bits;
        }
    }

    /// Adds a number; one above 16383 is ignored.
    pub fn insert(&mut self, number: u32) {
        if number > MAX {
            return;
        }
        let word = number as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    /// Takes a number out.
    pub fn remove(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word &= !(1 << (number % 64));
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// Whether the number is in the set.
    pub fn contains(&self, number: u32) -> bool {
        self.0
            .get(number as usize / 64)
            .is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many numbers are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().zip(0u32..).flat_map(|(word, index)| {
            (0..64)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| index * 64 + bit)
        })
    }

    /// The largest number.
    pub fn last(&self) -> Option<u32> {
        self.iter().last()
    }

    /// Takes out what is not below `limit`.
    pub fn keep_below(&mut self, limit: u32) {
        let word = limit as usize / 64;
        if let Some(last) = self.0.get_mut(word) {
            *last &= (1 << (limit % 64)) - 1;
            self.0.truncate(word + 1);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// Whether all of its numbers are in the other one.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|number| other.contains(number))
    }

    /// Whether a number is in both sets.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// The ranges of successive numbers, both ends included.
    pub fn ranges(&self) -> Vec<(u32, u32)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => ranges.push((number, number)),
            }
        }
        ranges
    }
}

fn number(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|n| *n <= MAX)
}

impl FromIterator<u32> for NumberSet {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut set = Self::new();
        numbers.into_iter().for_each(|n| set.insert(n));
        set
    }
}

impl fmt::Display for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges().into_iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl Value for NumberSet {
    fn from_text(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }

    fn allowed() -> String {
        "a list of numbers and ranges such as '0-3,^2,8', none above 16383".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_exclusions_are_understood_and_written_shortest() {
        let text = |t: &str| NumberSet::parse(t).map(|s| s.to_string());
        assert_eq!(text("0,1,2, 8").as_deref(), Some("0-2,8"));
        assert_eq!(text("1-4,^3,^2").as_deref(), Some("1,4"));
        for wrong in ["", "0,^0", "aaa", "3-1", "1-", "^", "16384", "-1"] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }
}
