//! Categories: what keeps guests apart that are of one SELinux type. Each guest has two of its own.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// No policy has more.
const MOST: u16 = 1024;

/// A daemon with fewer can't keep guests apart.
const FEWEST: usize = 8;

/// How often chance may choose a pair that is taken, before all are looked at.
const TRIES: usize = 64;

/// Two categories of one guest, the smaller first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Pair(u16, u16);

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{},c{}", self.0, self.1)
    }
}

impl Pair {
    /// Those of a range such as [`Limits::range`] makes.
    pub(crate) fn of(range: &str) -> Option<Self> {
        let (_, categories) = range.split_once(':')?;
        let (low, high) = categories.split_once(',')?;
        let (low, high) = (number(low)?, number(high)?);
        (low < high).then_some(Self(low, high))
    }
}

/// What a daemon's own range leaves to guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    sensitivity: String,
    categories: Vec<u16>,
}

impl Limits {
    /// Those of a range: `s0`, `s0:c0.c511`, `s0-s0:c0.c1023`. One without categories has all.
    ///
    /// # Errors
    /// A sentence, where it is no range or has too few categories.
    pub(crate) fn of(range: &str) -> Result<Self, String> {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let sensitivity = low.split(':').next().unwrap_or(low).to_owned();
        let categories = match high.split_once(':') {
            None => (0..MOST).collect(),
            Some((_, set)) => expand(set).ok_or_else(|| format!("'{range}' is no range"))?,
        };
        match categories.len() {
            0..FEWEST => Err(format!(
                "the daemon's own range '{range}' has fewer than {FEWEST} categories, which can't keep \
                 guests apart"
            )),
            _ => Ok(Self {
                sensitivity,
                categories,
            }),
        }
    }

    /// The range of a guest with these categories.
    pub(crate) fn range(&self, pair: Pair) -> String {
        format!("{}:{pair}", self.sensitivity)
    }

    /// All pairs there are.
    fn pairs(&self) -> impl Iterator<Item = Pair> {
        let all = self.categories.iter().enumerate();
        all.flat_map(|(place, low)| {
            let above = self.categories.iter().skip(place + 1);
            above.map(|high| Pair(*low, *high))
        })
    }

    /// The pair that two numbers choose.
    fn pair(&self, first: u16, second: u16) -> Option<Pair> {
        let count = self.categories.len();
        let first = usize::from(first) % count;
        let second = usize::from(second) % (count - 1);
        // Never the same again: what is not below the first is one further.
        let second = second + usize::from(second >= first);
        let (one, other) = (self.categories.get(first)?, self.categories.get(second)?);
        Some(Pair(*one.min(other), *one.max(other)))
    }
}

/// The categories of a set: `c0.c3,c7`.
fn expand(set: &str) -> Option<Vec<u16>> {
    let mut all = Vec::new();
    for part in set.split(',') {
        let (first, last) = part.split_once('.').unwrap_or((part, part));
        all.extend(number(first)?..=number(last)?);
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

fn number(category: &str) -> Option<u16> {
    let number = category.strip_prefix('c')?.parse().ok()?;
    (number < MOST).then_some(number)
}

/// The categories of the guests that run.
#[derive(Debug, Clone, Default)]
pub struct Taken(Arc<Mutex<HashSet<Pair>>>);

/// Categories that are one guest's own as long as this lives.
#[derive(Debug)]
pub struct Reserved {
    pub(crate) pair: Pair,
    taken: Taken,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.taken.pairs().remove(&self.pair);
    }
}

impl Taken {
    fn pairs(&self) -> MutexGuard<'_, HashSet<Pair>> {
        // Nothing can panic while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These, unless a guest has them.
    pub(crate) fn reserve(&self, pair: Pair) -> Option<Reserved> {
        let reserved = self.pairs().insert(pair);
        reserved.then(|| Reserved {
            pair,
            taken: self.clone(),
        })
    }

    /// Two that nobody has, by chance: `random` gives numbers.
    ///
    /// # Errors
    /// A sentence, where all are taken.
    pub(crate) fn choose(
        &self,
        limits: &Limits,
        mut random: impl FnMut() -> u16,
    ) -> Result<Reserved, String> {
        let tries = (0..TRIES).filter_map(|_| limits.pair(random(), random()));
        tries
            .chain(limits.pairs())
            .find_map(|pair| self.reserve(pair))
            .ok_or_else(|| "other guests have all pairs of categories: stop one".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_say_what_there_is() {
        let limits = |range| Limits::of(range).unwrap();
        assert_eq!(limits("s0").categories.len(), 1024);
        assert_eq!(limits("s0-s0:c0.c1023"), limits("s0"));
        assert_eq!(limits("s0-s15:c8.c15").sensitivity, "s0");
        assert_eq!(
            limits("s1:c0.c5,c9,c11").categories,
            [0, 1, 2, 3, 4, 5, 9, 11]
        );
        for wrong in ["s0:c0.c3", "s0:c0,c4000", "s0:x", "s0:c9.c1"] {
            assert!(Limits::of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_two_guests_have_the_same_and_what_is_given_back_is_free() {
        let limits = Limits::of("s0:c0.c7").unwrap();
        let taken = Taken::default();
        let mut held = Vec::new();
        let mut seen = HashSet::new();
        // Chance that always says the same.
        for _ in 0..28 {
            let reserved = taken.choose(&limits, || 7).unwrap();
            assert!(reserved.pair.0 < reserved.pair.1);
            assert!(seen.insert(reserved.pair), "{}", reserved.pair);
            held.push(reserved);
        }
        assert!(taken.choose(&limits, || 7).is_err());
        let free = held.pop().unwrap().pair;
        assert_eq!(taken.choose(&limits, || 7).unwrap().pair, free);
    }

    #[test]
    fn a_range_has_its_pair_again() {
        let limits = Limits::of("s0").unwrap();
        let pair = limits.pair(3, 2).unwrap();
        assert_eq!(limits.range(pair), "s0:c2,c3");
        assert_eq!(Pair::of("s0:c2,c3"), Some(pair));
        for other in ["s0", "s0:c3", "s0:c3,c2", "s0:c1.c5"] {
            assert_eq!(Pair::of(other), None, "{other}");
        }
    }
}
