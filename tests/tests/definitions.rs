//! Definitions that people write by mistake or to do harm: the whole pipeline refuses or takes them
//! without a panic, in memory that stays within bounds.
//!
//! Nothing is measured by the clock: that work stops early shows in what the refusal says, that it
//! stays small in the size of this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::sync::LazyLock;

use virt_tests::fuzz::many::{COUNT, MACHINES, PARTS};
use virt_tests::fuzz::pipeline::{Pipeline, rig};
use virt_tests::measure::{forget_peak, peak_kib};
use virt_xml::{MAX_DEPTH, MAX_ELEMENTS, MAX_LENGTH};

static PIPELINE: LazyLock<Pipeline> = LazyLock::new(Pipeline::own);

/// Changed guests by other seeds than the fuzzer starts with.
const FIRST: u64 = 1 << 40;

#[test]
fn changed_guests_are_refused_or_taken() {
    for number in FIRST..FIRST + 400 {
        PIPELINE.check_number(number);
    }
}

#[test]
fn treacherous_numbers_are_refused_or_taken_in_bounded_memory() {
    forget_peak();
    let before = peak_kib();
    // A prime, so that over the guests all numbers meet all places.
    for guest in PIPELINE.with_numbers().step_by(7) {
        PIPELINE.check(&guest.to_xml(0));
    }
    let grown = peak_kib().saturating_sub(before);
    assert!(grown < 256 << 10, "{grown} KiB");
}

/// What the reader says of a text; there must be something wrong with it.
fn refusal(text: &str) -> String {
    virt_domain::Domain::read(text)
        .unwrap_err()
        .message()
        .to_owned()
}

#[test]
fn what_is_too_much_is_refused_where_it_becomes_too_much() {
    // Each of them is no XML in the end: who names the bound has not read so far.
    let deep = "<domain>".repeat(10_000) + "<";
    assert!(refusal(&deep).contains(&format!("deeper than {MAX_DEPTH}")));
    let many = "<domain>".to_owned() + &"<a/>".repeat(MAX_ELEMENTS + 1) + "<";
    assert!(refusal(&many).contains(&format!("more than {MAX_ELEMENTS} elements")));
    let long = "<domain>".to_owned() + &" ".repeat(10 << 20) + "<";
    assert!(refusal(&long).contains(&format!("at most {MAX_LENGTH}")));
    let attributes: String = (0..1000).map(|number| format!(" a{number}=''")).collect();
    assert!(refusal(&format!("<domain{attributes}/><")).contains("attributes"));
}

#[test]
fn entities_are_never_expanded() {
    let bomb = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>\
                <domain type='qemu'><name>&b;</name></domain>";
    assert!(refusal(bomb).contains("DOCTYPE"));
    let outside = "<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain type='qemu'/>";
    assert!(refusal(outside).contains("DOCTYPE"));
    assert!(refusal("<domain type='qemu'><name>&a;</name></domain>").contains("Entity 'a'"));
}

/// What gets places or numbers beside each other: ten thousand of it must not take the square of it.
const PLACED: [&str; 6] = [
    "virtio disks",
    "controllers",
    "virtio channels",
    "tablets",
    "VNC displays",
    "SCSI devices of the host",
];

#[test]
fn ten_thousand_devices_end_in_an_answer() {
    let rig = rig();
    for name in PLACED {
        let part = PARTS.iter().find(|part| part.name == name).unwrap();
        let _ = rig.command_line(&part.guest("pc", COUNT));
    }
}

#[test]
fn a_thousand_of_anything_end_in_an_answer() {
    let rig = rig();
    for (part, machine) in PARTS.iter().zip(MACHINES.iter().cycle()) {
        let _ = rig.command_line(&part.guest(machine, COUNT / 10));
    }
}
