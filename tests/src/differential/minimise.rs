//! Smaller guests with the same difference.

use virt_xml::Tree;

use super::compare::{Difference, Verdict, compare};
use super::mutate::settle;
use super::place::{at_mut, places, remove};
use super::side::{Answer, Side};
use crate::target::Target;

/// Both daemons.
pub struct Pair {
    /// The distribution's.
    pub stock: Side,
    /// Ours.
    pub ours: Side,
}

impl Pair {
    /// Starts both.
    pub fn start() -> Self {
        Self {
            stock: Side::start(Target::Stock),
            ours: Side::start(Target::Ours),
        }
    }

    /// What the stock daemon and ours make of a guest. They think at the same time.
    pub fn both(&mut self, xml: &str) -> (Answer, Answer) {
        let (stock, ours) = (&mut self.stock, &mut self.ours);
        std::thread::scope(|scope| {
            let stock = scope.spawn(|| stock.ask(xml));
            let ours = ours.ask(xml);
            (stock.join().expect("the stock daemon's thread"), ours)
        })
    }

    /// The same, compared.
    pub fn ask(&mut self, guest: &Tree) -> Verdict {
        let (stock, ours) = self.both(&guest.to_xml(0));
        compare(&stock, &ours)
    }

    /// The guest with everything taken out that the difference does without. At most `tries`
    /// questions are asked.
    pub fn minimise(&mut self, guest: &Tree, difference: &Difference, mut tries: u32) -> Tree {
        let mut smallest = guest.clone();
        loop {
            let mut smaller = false;
            // From the end, so that places before stay what they are.
            for (place, _) in places(&smallest).into_iter().rev() {
                for candidate in without(&smallest, &place) {
                    if tries == 0 {
                        return smallest;
                    }
                    tries -= 1;
                    let same = |found: &Difference| {
                        found.question == difference.question && found.cause == difference.cause
                    };
                    if self.ask(&candidate).differences.iter().any(same) {
                        smallest = candidate;
                        smaller = true;
                        break;
                    }
                }
            }
            if !smaller {
                return smallest;
            }
        }
    }
}

/// The guest without the element at a place, or without one of its attributes.
fn without(guest: &Tree, place: &[usize]) -> Vec<Tree> {
    let mut candidates = Vec::new();
    let mut whole = guest.clone();
    if remove(&mut whole, place).is_some() {
        candidates.push(whole);
    }
    let attributes = super::place::at(guest, place).map_or(0, |tree| tree.attributes.len());
    for at in 0..attributes {
        let mut less = guest.clone();
        if let Some(target) = at_mut(&mut less, place) {
            target.attributes.remove(at);
            candidates.push(less);
        }
    }
    for candidate in &mut candidates {
        settle(candidate);
    }
    candidates.retain(|candidate| candidate != guest);
    candidates
}
