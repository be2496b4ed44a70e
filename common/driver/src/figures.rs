//! What a driver's page of figures has beside every daemon's.

use virt_daemon::metrics::{Figure, FigureKind};

use crate::access::Decider;
use crate::{Guest, Registry, State};

/// Guests by state, and decisions that are remembered.
pub fn figures(registry: &Registry<impl Guest>, decider: &Decider) -> Vec<Figure> {
    let mut by_state = [0; State::WORDS.len()];
    for guest in registry.all() {
        let state = usize::try_from(guest.facts().state.number()).unwrap_or_default();
        if let Some(count) = by_state.get_mut(state) {
            *count += 1;
        }
    }
    let words = State::WORDS.iter().zip(by_state);
    let samples = words.map(|(word, count)| (vec![("state", (*word).to_owned())], count));
    vec![
        Figure {
            name: "guests",
            help: "Guests by state",
            kind: FigureKind::Gauge,
            samples: samples.collect(),
        },
        Figure::one(
            FigureKind::Gauge,
            "decisions_remembered",
            "Decisions about access that are remembered",
            decider.remembered() as u64,
        ),
    ]
}
