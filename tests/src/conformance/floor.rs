//! The figures that must not fall again.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::figures::{Expects, Key, Share};

/// The floor of every row of the primary tier. As text it is a line a row: data set, check, what
/// is expected, how many pass, of how many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Floor(BTreeMap<Key, Share>);

impl Floor {
    /// Where it is kept.
    pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/floor.txt");

    /// Reads the text.
    ///
    /// # Errors
    /// The line that is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut rows = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (key, share) = row(line).ok_or_else(|| format!("not a row: {line}"))?;
            if rows.insert(key, share).is_some() {
                return Err(format!("twice: {line}"));
            }
        }
        Ok(Self(rows))
    }

    /// The text.
    pub fn write(&self) -> String {
        let mut out = String::from(
            "# How many checks of the conformance corpus must pass; only rises.\n\
             # Raised by: cargo run -p virt-tests --bin conformance -- --raise\n",
        );
        for ((dataset, check, expects), Share { pass, of }) in &self.0 {
            let _ = writeln!(out, "{dataset} {check} {expects} {pass} {of}");
        }
        out
    }

    /// What is below it, a line each. A row of another size was taken from another corpus: then
    /// nothing can be said, and that is said.
    pub fn below(&self, figures: &BTreeMap<Key, Share>) -> Vec<String> {
        let mut below = Vec::new();
        for (key, floor) in &self.0 {
            let (dataset, check, expects) = key;
            let found = figures.get(key).copied().unwrap_or_default();
            if found.of != floor.of {
                below.push(format!(
                    "{dataset} {check} ({expects}): {} checks, the floor was taken from {}",
                    found.of, floor.of
                ));
            } else if found.pass < floor.pass {
                below.push(format!(
                    "{dataset} {check} ({expects}): {found} pass, {} did",
                    floor.pass
                ));
            }
        }
        for (dataset, check, expects) in figures.keys().filter(|key| !self.0.contains_key(key)) {
            below.push(format!("{dataset} {check} ({expects}): has no floor"));
        }
        below
    }

    /// The floor with every row that has risen. A row whose corpus has grown starts anew.
    #[must_use]
    pub fn raised(&self, figures: &BTreeMap<Key, Share>) -> Self {
        let rows = figures.iter().map(|(key, found)| {
            let kept = self.0.get(key).filter(|floor| floor.of == found.of);
            let pass = kept.map_or(0, |floor| floor.pass).max(found.pass);
            (key.clone(), Share { pass, ..*found })
        });
        Self(rows.collect())
    }
}

fn row(line: &str) -> Option<(Key, Share)> {
    let mut words = line.split_whitespace();
    let (dataset, check) = (words.next()?.to_owned(), words.next()?.to_owned());
    let expects = match words.next()? {
        "result" => Expects::Result,
        "rejection" => Expects::Rejection,
        _ => return None,
    };
    let share = Share {
        pass: words.next()?.parse().ok()?,
        of: words.next()?.parse().ok()?,
    };
    words
        .next()
        .is_none()
        .then_some(((dataset, check, expects), share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(pass: u32, of: u32) -> BTreeMap<Key, Share> {
        let key = ("set".to_owned(), "xml".to_owned(), Expects::Result);
        BTreeMap::from([(key, Share { pass, of })])
    }

    #[test]
    fn only_rises() {
        let floor = Floor::default().raised(&figures(5, 10));
        assert_eq!(Floor::read(&floor.write()).as_ref(), Ok(&floor));
        assert!(floor.below(&figures(5, 10)).is_empty());
        assert_eq!(floor.below(&figures(4, 10)).len(), 1);
        assert_eq!(floor.raised(&figures(4, 10)), floor);
        assert_ne!(floor.raised(&figures(6, 10)), floor);
    }

    #[test]
    fn rows_that_vanish_or_come_are_told() {
        let floor = Floor::default().raised(&figures(5, 10));
        assert_eq!(floor.below(&BTreeMap::new()).len(), 1);
        assert_eq!(floor.below(&figures(5, 11)).len(), 1);
        assert_eq!(Floor::default().below(&figures(0, 1)).len(), 1);
        assert!(Floor::read("set xml result 5").is_err());
    }
}
