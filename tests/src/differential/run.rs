//! Many guests, and the differences by cause.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use virt_xml::Tree;

use super::compare::{Difference, anonymous};
use super::minimise::Pair;
use super::mutate::Mutator;
use super::random::Random;
use super::schema::{FOLDER, Schema};
use super::{decisions::Decisions, guests};

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the dice start.
    pub seed: u64,
    /// How many guests.
    pub guests: u32,
    /// Whether guests of the corpus are among them.
    pub corpus: bool,
    /// How many questions a cause may cost to be made small; 0 leaves it as it was found.
    pub tries: u32,
}

impl Plan {
    /// What CI runs: the same guests everywhere, with or without a corpus.
    pub const CI: Self = Self {
        seed: 11,
        guests: 300,
        corpus: false,
        tries: 0,
    };
}

/// A cause with its smallest guest.
#[derive(Debug, Clone)]
pub struct Cause {
    /// How often it was met.
    pub times: u32,
    /// The difference in the guest shown.
    pub difference: Difference,
    /// The guest.
    pub guest: Tree,
    /// Why it is meant to be so, if it is.
    pub decided: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Guests asked about.
    pub asked: u32,
    /// Those that the stock daemon takes.
    pub accepted: u32,
    /// Those without a difference.
    pub equal: u32,
    /// Those whose only differences are decided ones.
    pub decided: u32,
    /// The differences, by question and cause.
    pub causes: BTreeMap<(&'static str, String), Cause>,
    /// Pairs of sentences of refusals that differ, without what varies, with a guest.
    pub sentences: BTreeMap<(String, String), (u32, Tree)>,
    /// How often the daemons ended: stock, ours.
    pub ended: (u32, u32),
}

/// A guest's changes from one start; then another start.
const CHANGES: u32 = 12;

impl Plan {
    /// Asks both daemons about all guests. The seed alone decides about them, and what the stock
    /// daemon accepts: a guest that it takes is changed further, another one is dropped.
    pub fn run(&self, decisions: &Decisions) -> Report {
        let schema = Schema::of_guests(Path::new(FOLDER));
        let mut starts = guests::own();
        if self.corpus {
            starts.extend(guests::of_corpus());
        }
        let mutator = Mutator::new(&schema, &starts);
        let mut pair = Pair::start();
        let mut report = Report::default();
        let mut rows = 0;
        while report.asked < self.guests {
            // Each row has dice of its own: what is fixed in one leaves the others as they are.
            let mut random = Random::new(self.seed.wrapping_add(rows << 32));
            rows += 1;
            // Every second row begins with one of our own, which are sure to be taken.
            let start = if random.chance(50) {
                random.pick(&starts[..guests::own().len()])
            } else {
                random.pick(&starts)
            };
            let mut guest = start.clone();
            if !self.look(&mut pair, &guest, decisions, &mut report) {
                continue;
            }
            for _ in 0..CHANGES {
                let mut next = guest.clone();
                mutator.change(&mut next, &mut random);
                if self.look(&mut pair, &next, decisions, &mut report) {
                    guest = next;
                }
            }
        }
        report.ended = (pair.stock.ended, pair.ours.ended);
        report
    }

    /// Asks about one guest; whether it is good to go on from: taken, and the same on both sides.
    fn look(
        &self,
        pair: &mut Pair,
        guest: &Tree,
        decisions: &Decisions,
        report: &mut Report,
    ) -> bool {
        let verdict = pair.ask(guest);
        report.asked += 1;
        report.accepted += u32::from(verdict.accepted);
        report.equal += u32::from(verdict.differences.is_empty());
        for (_, stock, ours) in &verdict.sentences {
            let key = (anonymous(stock), anonymous(ours));
            let entry = report.sentences.entry(key);
            entry.or_insert_with(|| (0, guest.clone())).0 += 1;
        }
        let mut all_decided = !verdict.differences.is_empty();
        for difference in verdict.differences.iter().cloned() {
            let reason = decisions.reason(&difference).map(str::to_owned);
            all_decided &= reason.is_some();
            let key = (difference.question, difference.cause.clone());
            if let Some(known) = report.causes.get_mut(&key) {
                known.times += 1;
                continue;
            }
            let small = match reason {
                None => pair.minimise(guest, &difference, self.tries),
                Some(_) => guest.clone(),
            };
            let shown = pair.ask(&small).differences;
            let same = shown
                .into_iter()
                .find(|found| found.cause == difference.cause);
            if reason.is_none() {
                // A run takes minutes: what is found is told at once.
                let Difference {
                    question, cause, ..
                } = &difference;
                eprintln!("guest {}: {question}: {cause}", report.asked);
            }
            let cause = Cause {
                times: 1,
                difference: same.unwrap_or(difference),
                guest: small,
                decided: reason,
            };
            report.causes.insert(key, cause);
        }
        report.decided += u32::from(all_decided);
        verdict.accepted && verdict.differences.is_empty()
    }
}

impl Report {
    /// Causes that nobody decided to leave.
    pub fn undecided(&self) -> impl Iterator<Item = &Cause> {
        self.causes.values().filter(|cause| cause.decided.is_none())
    }

    /// Guests with a difference that nobody decided to leave.
    pub fn undocumented(&self) -> u32 {
        self.asked - self.equal - self.decided
    }

    /// One line of figures.
    pub fn figures(&self) -> String {
        let open = self.undecided().count();
        format!(
            "{} guests, {} accepted by the stock daemon; {} without a difference, {} with decided ones only; \
             {open} causes undecided, {} decided; {} refusals with another sentence; ended: stock {}, ours {}",
            self.asked,
            self.accepted,
            self.equal,
            self.decided,
            self.causes.len() - open,
            self.sentences.len(),
            self.ended.0,
            self.ended.1
        )
    }

    /// Everything, for people: the most frequent cause first.
    pub fn text(&self, sentences: bool) -> String {
        let mut out = self.figures() + "\n";
        let mut causes: Vec<_> = self.causes.values().collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.times));
        for cause in causes.iter().filter(|cause| cause.decided.is_none()) {
            let Difference {
                question,
                cause: name,
                shown,
            } = &cause.difference;
            let xml = cause.guest.to_xml(0);
            let _ = write!(
                out,
                "\n## {question}: {name}\n{} times\n{}\n{xml}\n",
                cause.times,
                shown.trim_end()
            );
        }
        for cause in causes {
            if let Some(reason) = &cause.decided {
                let _ = write!(
                    out,
                    "\ndecided ({reason}): {} times {}: {}",
                    cause.times, cause.difference.question, cause.difference.cause
                );
            }
        }
        if sentences {
            let mut pairs: Vec<_> = self.sentences.iter().collect();
            pairs.sort_by_key(|(_, (times, _))| std::cmp::Reverse(*times));
            for ((stock, ours), (times, _)) in pairs {
                let _ = write!(
                    out,
                    "\nsentence, {times} times\n  stock: {stock}\n  ours:  {ours}"
                );
            }
        }
        out
    }
}
