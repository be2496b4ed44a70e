//! Compares our daemon with the distribution's: drives both in turn and prints ratios.
//!
//! Only ratios of one run mean anything: machines drift. So every figure is taken from both sides
//! in turns, round by round, and the median of the rounds is shown. In the measurements of calls,
//! the daemons have one core to themselves and the client another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a developer's tool: failing loudly is its way to report"
)]

mod access;
mod calls;
mod containers;
mod cores;
mod defined;
mod definitions;
mod events;
mod leases;
mod logs;
mod running;
mod side;
mod table;

use lexopt::prelude::*;
use virt_tests::target::{Target, is_root};

use table::Table;

const HELP: &str = "Usage: bench [OPTION]... [GROUP]...

Groups: access calls containers defined definitions events leases logs running (all of them when none is given)

  --sides A,B    what to compare, each ours or stock (default: ours,stock; ours alone where
                 there is no stock daemon or you are not root)
  --rounds N     rounds whose median is shown (default 5)
  --quick        short rounds and few guests: to see that it works, not for figures
  --help         print this
";

/// How much is measured.
struct Plan {
    rounds: usize,
    quick: bool,
}

fn main() {
    let mut sides = None;
    let mut groups = Vec::new();
    let mut plan = Plan {
        rounds: 5,
        quick: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().expect("arguments") {
        match argument {
            Long("sides") => sides = Some(parser.value().unwrap().string().unwrap()),
            Long("rounds") => plan.rounds = parser.value().unwrap().parse().unwrap(),
            Long("quick") => plan.quick = true,
            Long("help") | Short('h') => return print!("{HELP}"),
            Value(group) => groups.push(group.string().unwrap()),
            other => panic!("{}; --help lists the options", other.unexpected()),
        }
    }
    let sides = sides.unwrap_or_else(default_sides);
    let targets: Vec<Target> = sides.split(',').map(target).collect();
    let wanted = |group: &str| groups.is_empty() || groups.iter().any(|name| name == group);

    let mut table = Table::new(&targets);
    if wanted("calls") {
        calls::measure(&plan, &targets, &mut table);
    }
    if wanted("defined") {
        defined::measure(&plan, &targets, &mut table);
    }
    if wanted("definitions") {
        definitions::measure(&plan, &targets, &mut table);
    }
    if wanted("running") {
        running::measure(&plan, &targets, &mut table);
    }
    if wanted("containers") {
        containers::measure(&plan, &targets, &mut table);
    }
    if wanted("leases") {
        leases::measure(&plan, &targets, &mut table);
    }
    if wanted("access") {
        access::measure(&plan, &targets, &mut table);
    }
    if wanted("logs") {
        logs::measure(&plan, &targets, &mut table);
    }
    if wanted("events") {
        events::measure(&plan, &targets, &mut table);
    }
    table.print();
}

fn target(name: &str) -> Target {
    match name {
        "ours" => Target::Ours,
        "stock" => Target::Stock,
        other => panic!("--sides {other}: ours or stock"),
    }
}

fn default_sides() -> String {
    let stock = Target::Stock.program();
    if is_root() && std::path::Path::new(&stock).exists() {
        return "ours,stock".to_owned();
    }
    eprintln!("bench: ours alone; comparing takes root and {stock}");
    "ours".to_owned()
}

/// Runs `measure` for every side, round by round, each round starting with another side.
fn in_turn<S>(rounds: usize, sides: &mut [S], mut measure: impl FnMut(usize, &mut S)) {
    let count = sides.len();
    for round in 0..rounds {
        for turn in 0..count {
            let index = (round + turn) % count;
            measure(index, &mut sides[index]);
        }
    }
}
