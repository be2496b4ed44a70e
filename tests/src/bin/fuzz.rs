//! Takes random guests through the whole pipeline of definitions and prints what goes wrong: panics
//! and guests that aren't accepted as they were written.
//!
//!     cargo run -p virt-tests --bin fuzz -- [--from NUMBER] [--guests N] | --numbers | --many
//!
//! `--numbers` takes every guest there is with each of its numbers replaced by treacherous ones.
//! `--many` takes guests that have ten thousand of something and tells what each costs. The numbers of
//! findings are printed; `--from NUMBER --guests 1` shows one again. Without a coverage feedback;
//! `cd tests && cargo +nightly fuzz run guest` has one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a developer's tool: failing loudly is its way to report"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use lexopt::prelude::*;
use virt_tests::fuzz::many::{COUNT, MACHINES, PARTS};
use virt_tests::fuzz::pipeline::{Pipeline, rig};
use virt_tests::measure::{cpu_nanoseconds, forget_peak, peak_kib};
use virt_xml::Tree;
use virtqemud::conform::Rig;

/// CPU milliseconds from which on a guest is worth a look.
const SLOW: u64 = 2_000;

/// KiB from which on a guest is worth a look.
const LARGE: u64 = 64 << 10;

fn main() {
    let (mut from, mut guests, mut numbers) = (0, 10_000, false);
    let mut parts = false;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().expect("arguments") {
        let number = |arguments: &mut lexopt::Parser| {
            let value = arguments.value().expect("a number");
            value.parse::<u64>().expect("a number")
        };
        match argument {
            Long("from") => from = number(&mut arguments),
            Long("guests") => guests = number(&mut arguments),
            Long("numbers") => numbers = true,
            Long("many") => parts = true,
            other => panic!("{other:?}: see the head of src/bin/fuzz.rs"),
        }
    }
    if parts {
        many();
        return;
    }
    let pipeline = Pipeline::new();
    let findings = if numbers {
        run(&pipeline, pipeline.with_numbers().zip(0..))
    } else {
        let numbers = from..from + guests;
        run(
            &pipeline,
            numbers.map(|number| (pipeline.guest(number), number)),
        )
    };
    if findings > 0 {
        std::process::exit(1);
    }
}

fn run(pipeline: &Pipeline, guests: impl Iterator<Item = (Tree, u64)>) -> u64 {
    let (mut count, mut findings) = (0, 0);
    let (mut longest, mut largest) = (0, 0);
    for (guest, number) in guests {
        let text = guest.to_xml(0);
        let before = cpu_nanoseconds(std::process::id());
        forget_peak();
        let at_first = peak_kib();
        let checked = catch_unwind(AssertUnwindSafe(|| pipeline.check(&text)));
        if checked.is_err() {
            println!("FINDING: guest {number}");
            findings += 1;
        }
        let grown = peak_kib().saturating_sub(at_first);
        let spent = (cpu_nanoseconds(std::process::id()) - before) / 1_000_000;
        (longest, largest) = (longest.max(spent), largest.max(grown));
        if spent >= SLOW || grown >= LARGE {
            println!("COSTLY: guest {number}: {spent} ms, {grown} KiB\n{text}");
            findings += 1;
        }
        count += 1;
        if count % 1_000 == 0 {
            println!("{count} guests, {findings} findings; at most {longest} ms, {largest} KiB");
        }
    }
    println!("{count} guests, {findings} findings; at most {longest} ms, {largest} KiB each");
    findings
}

/// What guests with many of something cost, and what becomes of them.
fn many() {
    let rig = rig();
    println!(
        "CPU ms of {} and of {COUNT}, KiB, machine, part, answer",
        COUNT / 4
    );
    for part in PARTS {
        for machine in MACHINES {
            let (few, ..) = cost(&rig, &part.guest(machine, COUNT / 4));
            let (all, grown, answer) = cost(&rig, &part.guest(machine, COUNT));
            println!(
                "{few:6} {all:6} {grown:7} {machine:3} {}: {answer:.90}",
                part.name
            );
        }
    }
}

/// CPU milliseconds, KiB and the answer.
fn cost(rig: &Rig, text: &str) -> (u64, u64, String) {
    let before = cpu_nanoseconds(std::process::id());
    forget_peak();
    let at_first = peak_kib();
    let answer = match rig.command_line(text) {
        Ok(line) => format!("{} bytes", line.len()),
        Err(error) => error.message().replace('\n', " "),
    };
    let spent = (cpu_nanoseconds(std::process::id()) - before) / 1_000_000;
    (spent, peak_kib().saturating_sub(at_first), answer)
}
