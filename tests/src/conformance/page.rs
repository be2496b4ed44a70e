//! The page that shows the figures.

use std::fmt::Write;

use super::figures::Figures;

/// Where the page is.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/CONFORMANCE.md");

/// What stands around the tables.
const BEFORE: &str = "# Conformance

libvirt's own tests say, guest by guest, what XML and which command line come out of a definition.
Their data is not part of this repository: it is looked for in `../shared/conformance`, or where
`VIRT_CONFORMANCE` says, and brings its own runner. The tool it runs is `conform`, which calls what
the daemon calls and makes up only what a daemon would ask its host.

    cargo build -p virtqemud --bin conform
    cargo run -p virt-tests --bin conformance              # the tables below
    cargo run -p virt-tests --bin conformance -- --raise   # also writes this page and the floor

`tests/tests/conformance.rs` compares with `tests/conformance/floor.txt`, which only rises; what
fails there says which row fell. This page is written by the command above: edit its text in
`tests/src/conformance/page.rs`. One check in detail:

    python3 ../shared/conformance/run.py --tool target/debug/conform --id 'disk-*' --show 3

A check of a data set that nothing here serves yet counts as failed.

## Bad input

    cargo run -p virt-tests --bin fuzz -- --guests 150000   # corpus guests changed by the schema
    cargo run -p virt-tests --bin fuzz -- --numbers         # with treacherous numbers
    cargo run -p virt-tests --bin fuzz -- --many            # with ten thousand of something
    cd tests && cargo +nightly fuzz run guest               # with coverage feedback

each through reader, defaults, addresses, checks, command line and writer. The last run of the first
kind: 47 minutes, 152,000 guests from number 7000000000 on, two defects (`memReserve` counted in bytes
overflowed, a PCI bridge of a board without PCI got chassis 0), both mended; no other guest took more
than 72 ms or 2 MiB. Of the third, each of 103 parts on two boards: at most 2.4 s and 44 MiB in a
release build; those over a second are disks, tried again with each bridge that is added (256 at most).
`tests/tests/definitions.rs` has bounded runs of these, inputs of 10 MB, depth 10,000, entities and
DOCTYPE.

The fuzz target was first run for three minutes, 37,000 inputs: one defect (a guest that says that it
has no USB, but behind number 0, was written down as what is refused when it is read again), mended.

## Random guests beside the stock daemon

    cargo run -p virt-tests --bin differential -- --seed 4242 --guests 2000

asks both daemons for the command line and the definition of each guest. Reasons of differences that
stay are in `tests/differential/decisions.txt`. Of seeds 4242, 90125, 5150, 777001 and 31337
nothing is undecided (219, 224, 235, 233 and 233 of some 2,005 guests each with decided ones only). A
seed that was never used before shows some: 777001 had 19 causes when it was run first, 31337 then 13,
8675309 11, of which 4 are left, 1123581 8. They are rare settings, most of them senseless ones that the
stock daemon refuses.
";

/// The page with these figures.
pub fn page(figures: &Figures) -> String {
    let mut out = String::from(BEFORE);
    let _ = write!(
        out,
        "\n## x86_64 and everything without an architecture\n\n{}",
        Figures::table(&figures.primary)
    );
    let _ = write!(
        out,
        "\n## Other architectures\n\nReported, without a floor.\n\n{}",
        Figures::table(&figures.secondary)
    );
    out.push_str(
        "\n## Still missing\n\nWhat definitions of the first table use where at least half of the checks that use it fail:\n\n\
         | used | pass | of |\n| --- | ---: | ---: |\n",
    );
    for (feature, share) in figures.missing() {
        let _ = writeln!(out, "| `{feature}` | {} | {} |", share.pass, share.of);
    }
    out
}
