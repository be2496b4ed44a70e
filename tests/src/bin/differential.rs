//! Compares ours with the stock daemon on random guests and prints the differences by cause.
//!
//!     cargo run -p virt-tests --bin differential -- [--seed N] [--guests N] [--own] [--sentences]
//!
//!     cargo run -p virt-tests --bin differential -- FILE...
//!
//! Needs root and the distribution's libvirtd. `--own` leaves out the guests of the corpus,
//! `--write-open` writes what CI's guests still show into `differential/open.txt`, `--sentences` also
//! lists refusals with other words, `--tries N` bounds what is spent on making a
//! guest small.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a developer's tool: failing loudly is its way to report"
)]

use lexopt::prelude::*;
use virt_tests::differential::compare::compare;
use virt_tests::differential::decisions::{Decisions, Open};
use virt_tests::differential::guests;
use virt_tests::differential::minimise::Pair;
use virt_tests::differential::run::Plan;

fn main() {
    let mut plan = Plan {
        seed: u64::from(std::process::id()),
        guests: 2_000,
        corpus: true,
        tries: 150,
    };
    let mut sentences = false;
    let mut write_open = false;
    let mut files = Vec::new();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().expect("arguments") {
        let number = |arguments: &mut lexopt::Parser| {
            let value = arguments.value().expect("a number");
            value.parse::<u64>().expect("a number")
        };
        match argument {
            Long("seed") => plan.seed = number(&mut arguments),
            Long("guests") => plan.guests = u32::try_from(number(&mut arguments)).expect("so many"),
            Long("tries") => plan.tries = u32::try_from(number(&mut arguments)).expect("so many"),
            Long("own") => plan.corpus = false,
            Long("write-open") => write_open = true,
            Long("sentences") => sentences = true,
            Value(file) => files.push(file),
            other => panic!("{other:?}: see the head of src/bin/differential.rs"),
        }
    }
    if !files.is_empty() {
        let mut pair = Pair::start();
        for file in files {
            println!("== {}", file.display());
            let text = std::fs::read_to_string(&file).expect("the guest's file");
            show(&mut pair, &text);
        }
        return;
    }
    if write_open {
        let report = Plan::CI.run(&Decisions::kept());
        println!("{}", report.figures());
        let causes = report.undecided().map(|cause| &cause.difference);
        std::fs::write(Open::FILE, Open::text(report.undocumented(), causes))
            .expect("write the list");
        return;
    }
    println!("seed {}", plan.seed);
    let report = plan.run(&Decisions::kept());
    println!("{}", report.text(sentences));
    println!("{}", report.figures());
}

/// What both make of one guest.
fn show(pair: &mut Pair, text: &str) {
    let guest = guests::read(text).expect("a guest is XML");
    let (stock, ours) = pair.both(&guest.to_xml(0));
    for (name, answer) in [("stock", &stock), ("ours", &ours)] {
        for (question, answered) in [("native", &answer.native), ("define", &answer.xml)] {
            match answered {
                Ok(text) => println!("-- {name}, {question}\n{text}"),
                Err(message) => println!("-- {name}, {question}: error: {message}"),
            }
        }
    }
    let verdict = compare(&stock, &ours);
    for found in verdict.differences {
        println!(
            "DIFFERENCE {}: {}\n{}",
            found.question, found.cause, found.shown
        );
    }
    for (question, stock, ours) in verdict.sentences {
        println!("SENTENCE {question}\n  stock: {stock}\n  ours:  {ours}");
    }
}
