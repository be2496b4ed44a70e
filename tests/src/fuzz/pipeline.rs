//! Guests through everything that looks at a definition before anything is started: reading,
//! completing, checking, building the command line, writing.

use std::path::Path;

use virt_xml::{Content, Tree};
use virtqemud::conform::Rig;
use virtqemud::probe::Prober;

use crate::differential::guests;
use crate::differential::mutate::Mutator;
use crate::differential::random::Random;
use crate::differential::schema::{FOLDER, Schema};

/// The binary whose capabilities are used.
const EMULATOR: &str = "/usr/bin/qemu-system-x86_64";

/// What random guests go through.
pub struct Pipeline {
    rig: Rig,
    guests: Vec<Tree>,
    mutator: Mutator<'static>,
}

impl Pipeline {
    /// With the capabilities of the installed QEMU, our own guests and those of the corpus where
    /// there is one.
    ///
    /// # Panics
    /// When there is no QEMU or no schema to be had.
    pub fn new() -> Self {
        let mut guests = guests::own();
        guests.extend(guests::of_corpus());
        Self::of(guests)
    }

    /// With our own guests alone.
    ///
    /// # Panics
    /// As [`Pipeline::new`].
    pub fn own() -> Self {
        Self::of(guests::own())
    }

    fn of(guests: Vec<Tree>) -> Self {
        // Lives as long as the process.
        let schema: &'static Schema = Box::leak(Box::new(Schema::of_guests(Path::new(FOLDER))));
        Self {
            rig: rig(),
            mutator: Mutator::new(schema, &guests),
            guests,
        }
    }

    /// A guest that was changed here and there; the same one for the same number.
    pub fn guest(&self, seed: u64) -> Tree {
        let mut random = Random::new(seed);
        let mut guest = random.pick(&self.guests).clone();
        for _ in 0..=random.below(6) {
            self.mutator.change(&mut guest, &mut random);
        }
        guest
    }

    /// Every guest with each of its numbers, one at a time, made a treacherous one.
    pub fn with_numbers(&self) -> impl Iterator<Item = Tree> {
        let guests = self.guests.iter();
        guests.flat_map(|guest| (0..).map_while(|place| with_number(guest, place)).flatten())
    }

    /// Takes a guest through all of it. What is accepted must be accepted again as it is written,
    /// and then stay as it is.
    ///
    /// # Panics
    /// On a finding.
    pub fn check(&self, text: &str) {
        let _ = self.rig.command_line(text);
        let Ok(written) = self.rig.normalise(text) else {
            return;
        };
        let settle = |text: &str| {
            let again = self.rig.normalise(text);
            again.unwrap_or_else(|error| panic!("{error}\nof\n{text}"))
        };
        let settled = settle(&written);
        assert_eq!(settled, settle(&settled), "read from\n{text}");
    }

    /// The guest of that number, as [`Pipeline::check`].
    ///
    /// # Panics
    /// On a finding.
    pub fn check_number(&self, seed: u64) {
        self.check(&self.guest(seed).to_xml(0));
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers at which something ends.
const NUMBERS: [&str; 6] = [
    "0",
    "-1",
    "65536",
    "2147483648",
    "4294967295",
    "18446744073709551615",
];

/// The guest with the number at that place among its numbers replaced by each of [`NUMBERS`]; nothing
/// when it has fewer.
fn with_number(guest: &Tree, place: usize) -> Option<Vec<Tree>> {
    let changed = |number: &str| {
        let mut guest = guest.clone();
        replace(&mut guest, &mut { place }, number).then_some(guest)
    };
    NUMBERS.iter().map(|number| changed(number)).collect()
}

/// Counts down to the number that is replaced; true when it was there.
fn replace(tree: &mut Tree, left: &mut usize, number: &str) -> bool {
    let attributes = tree.attributes.iter_mut().map(|(_, value)| value);
    let texts = tree.content.iter_mut().filter_map(|content| match content {
        Content::Text(text) => Some(text),
        Content::Element(_) => None,
    });
    for value in attributes.chain(texts) {
        if !value.trim().starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        if *left == 0 {
            number.clone_into(value);
            return true;
        }
        *left -= 1;
    }
    tree.content.iter_mut().any(|content| match content {
        Content::Element(tree) => replace(tree, left, number),
        Content::Text(_) => false,
    })
}

/// A host with the installed QEMU.
///
/// # Panics
/// When there is none.
pub fn rig() -> Rig {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let prober = Prober::new(folder.path());
    let caps = runtime.block_on(prober.caps(Path::new(EMULATOR)));
    Rig::new(caps.expect("QEMU's capabilities")).expect("made-up settings")
}
