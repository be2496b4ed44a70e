//! Random guests must come out of the stock daemon and out of ours the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::io::Write;

use virt_tests::differential::decisions::{Decisions, Open};
use virt_tests::differential::run::Plan;
use virt_tests::differential::schema::FOLDER;
use virt_tests::target::{Target, have, is_root};

#[test]
fn random_guests_are_the_same() {
    if !is_root() || !have(&["/usr/sbin/libvirtd", FOLDER]) {
        println!("SKIPPED: needs root, the stock daemon and its schemas");
        return;
    }
    if Target::chosen() == Target::Stock {
        println!("SKIPPED: takes both daemons; run it without VIRT_TEST_TARGET");
        return;
    }
    let report = Plan::CI.run(&Decisions::kept());
    let figures = report.figures();
    writeln!(std::io::stdout(), "\nseed {}: {figures}", Plan::CI.seed).unwrap();
    assert!(
        report.accepted * 2 > report.asked,
        "mostly refused: {figures}"
    );
    assert_eq!(report.ended.1, 0, "our daemon ended");
    // More than are known, and not decided (tests/differential/decisions.txt).
    let (found, known) = (report.undocumented(), Open::kept().guests);
    assert!(
        found <= known,
        "{found} guests differ, {known} did (tests/differential/open.txt):\n{}",
        report.text(false)
    );
}
