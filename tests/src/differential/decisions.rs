//! Differences that are meant to be.

use super::compare::Difference;

/// Decisions, a line each: a piece of the difference's question and cause, ` -- `, the reason.
#[derive(Debug, Clone, Default)]
pub struct Decisions(Vec<(String, String)>);

impl Decisions {
    /// Those of the repository.
    ///
    /// # Panics
    /// When a line has no reason.
    pub fn kept() -> Self {
        Self::read(include_str!("../../differential/decisions.txt"))
    }

    /// Reads them.
    ///
    /// # Panics
    /// When a line has no reason.
    pub fn read(text: &str) -> Self {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let pairs = lines.map(|line| {
            let (piece, reason) = line.split_once(" -- ").expect("a decision has a reason");
            (piece.trim().to_owned(), reason.trim().to_owned())
        });
        Self(pairs.collect())
    }

    /// Why this one is meant to be, if it is.
    pub fn reason(&self, difference: &Difference) -> Option<&str> {
        let whole = format!("{}: {}", difference.question, difference.cause);
        let found = self
            .0
            .iter()
            .find(|(piece, _)| whole.contains(piece.as_str()));
        found.map(|(_, reason)| reason.as_str())
    }
}

/// What is known and still to be fixed: nobody decided that it stays.
#[derive(Debug, Clone, Copy)]
pub struct Open {
    /// How many of CI's guests show a difference that is not decided.
    pub guests: u32,
}

impl Open {
    /// Where it is kept.
    pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/differential/open.txt");

    /// That of the repository: the first line that is no comment begins with the number.
    ///
    /// # Panics
    /// When there is none.
    pub fn kept() -> Self {
        let mut lines = include_str!("../../differential/open.txt").lines();
        let line = lines.find(|line| !line.starts_with('#'));
        let number = line.and_then(|line| line.split(' ').next());
        Self {
            guests: number
                .and_then(|word| word.parse().ok())
                .expect("a number of guests"),
        }
    }

    /// The text with these.
    pub fn text<'d>(guests: u32, differences: impl Iterator<Item = &'d Difference>) -> String {
        let head = format!(
            "# Differences from the stock daemon that are known and still to be fixed; the number must\n\
             # only fall. Written by: cargo run -p virt-tests --bin differential -- --write-open\n\
             {guests} guests, by these causes:\n"
        );
        let lines = differences.map(|found| format!("{}: {}\n", found.question, found.cause));
        lines.fold(head, |text, line| text + &line)
    }
}
