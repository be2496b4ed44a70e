//! libvirt's own cases, as far as this machine has them: nothing that passed may fail again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::io::Write;

use virt_tests::conformance::{Corpus, Figures, Floor};
use virt_tests::target::build_ours;

#[test]
fn figures_do_not_fall() {
    let Some(corpus) = Corpus::find() else {
        return;
    };
    build_ours();
    let figures = corpus.run();
    // Around the harness, which would keep it for itself: the table is wanted when all is well.
    let (primary, secondary) = (&figures.primary, &figures.secondary);
    let tables = [primary, secondary].map(Figures::table).join("\n");
    writeln!(std::io::stdout(), "\n{tables}").unwrap();
    if !corpus.is_own() {
        println!("SKIPPED: another corpus was named, the floor is not its");
        return;
    }
    let floor = Floor::read(&std::fs::read_to_string(Floor::FILE).unwrap()).unwrap();
    let below = floor.below(&figures.primary);
    assert!(
        below.is_empty(),
        "below tests/conformance/floor.txt:\n{}",
        below.join("\n")
    );
}
