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
