//! How many checks pass.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// What a check wants of the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expects {
    /// A document or command line equal to the expected one.
    Result,
    /// That the input is refused.
    Rejection,
}

impl fmt::Display for Expects {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Result => "result",
            Self::Rejection => "rejection",
        })
    }
}

/// A row of the figures: data set, check, what is expected.
pub type Key = (String, String, Expects);

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Checks that pass.
    pub pass: u32,
    /// All of them.
    pub of: u32,
}

impl Share {
    /// One more.
    pub fn count(&mut self, passed: bool) {
        self.of += 1;
        self.pass += u32::from(passed);
    }

    fn and(self, other: Self) -> Self {
        Self {
            pass: self.pass + other.pass,
            of: self.of + other.of,
        }
    }

    /// In hundredths, rounded down so that 100 means all.
    pub fn percent(self) -> f64 {
        let thousandths = u64::from(self.pass) * 1000 / u64::from(self.of.max(1));
        // At most 1000: exact.
        thousandths as f64 / 10.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} of {} ({:.1} %)", self.pass, self.of, self.percent())
    }
}

/// One check that was run.
pub(super) struct Checked<'a> {
    pub(super) dataset: &'a str,
    pub(super) check: &'a str,
    pub(super) expects: Expects,
    pub(super) primary: bool,
    pub(super) passed: bool,
    pub(super) features: Vec<String>,
}

/// All that were run.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// The primary tier.
    pub primary: BTreeMap<Key, Share>,
    /// The other architectures.
    pub secondary: BTreeMap<Key, Share>,
    /// What the definitions use, with the primary checks that expect a result.
    pub features: BTreeMap<String, Share>,
}

impl Figures {
    pub(super) fn add(&mut self, checked: Checked<'_>) {
        let tier = if checked.primary {
            &mut self.primary
        } else {
            &mut self.secondary
        };
        let key = (
            checked.dataset.to_owned(),
            checked.check.to_owned(),
            checked.expects,
        );
        tier.entry(key).or_default().count(checked.passed);
        if checked.primary && checked.expects == Expects::Result {
            for feature in checked.features {
                self.features
                    .entry(feature)
                    .or_default()
                    .count(checked.passed);
            }
        }
    }

    /// All checks of a tier.
    pub fn total(tier: &BTreeMap<Key, Share>) -> Share {
        tier.values().copied().fold(Share::default(), Share::and)
    }

    /// The table of one tier, as Markdown.
    pub fn table(tier: &BTreeMap<Key, Share>) -> String {
        let mut out = String::from(
            "| data set | check | expects | pass | of | % |\n| --- | --- | --- | ---: | ---: | ---: |\n",
        );
        let mut row = |(dataset, check, expects): (&str, &str, &str), share: Share| {
            let Share { pass, of } = share;
            let percent = share.percent();
            let _ = writeln!(
                out,
                "| {dataset} | {check} | {expects} | {pass} | {of} | {percent:.1} |"
            );
        };
        for ((dataset, check, expects), share) in tier {
            row((dataset, check, &expects.to_string()), *share);
        }
        row(("all", "", ""), Self::total(tier));
        out
    }

    /// What is used by at least two checks of which at least half fail: the failing ones first.
    pub fn missing(&self) -> Vec<(&str, Share)> {
        let mut missing: Vec<_> = self
            .features
            .iter()
            .filter(|(_, share)| share.of >= 2 && share.pass * 2 <= share.of)
            .map(|(feature, share)| (feature.as_str(), *share))
            .collect();
        missing.sort_by_key(|(feature, share)| (share.pass * 100 / share.of, *feature));
        missing
    }
}
