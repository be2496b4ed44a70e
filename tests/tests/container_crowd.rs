//! Two hundred containers on one host: they start, are counted, survive their daemon and end; one that
//! is stuck delays nobody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::thread;

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::host::{eventually, process_runs, send};
use virt_tests::target::{Target, skipped};

const CROWD: usize = 200;

/// Does something to each of the crowd, some at once; `{}` in the program is the number.
fn each(containers: &Containers, program: &str) {
    thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                let text = format!("for number in range({part}, {CROWD}, 4): {program}");
                containers.python(&text).ok();
            });
        }
    });
}

fn running(containers: &Containers) -> usize {
    let names = containers.virsh(&["list", "--name"]).ok();
    names.lines().filter(|line| !line.is_empty()).count()
}

#[test]
fn two_hundred_containers_of_which_one_is_stuck() {
    let Some(mut containers) = Containers::start() else {
        return;
    };
    if containers.host.target == Target::Stock {
        skipped("the stock driver waits for a controller that is stuck");
        return;
    }
    let xml = containers.service("boxNUMBER");
    each(
        &containers,
        &format!("conn.createXML({xml:?}.replace('NUMBER', str(number)), 0)"),
    );
    assert_eq!(running(&containers), CROWD);
    let stats = containers
        .virsh(&["domstats", "--state", "--cpu-total"])
        .ok();
    assert_eq!(stats.matches("cpu.time=").count(), CROWD);

    // Its controller does not notice that its init is gone.
    let stuck = containers.controller("box0");
    let init = Containers::children(stuck)[0];
    send(stuck, Signal::SIGSTOP);
    containers.virsh(&["suspend", "box1"]).ok();
    thread::scope(|scope| {
        let destroyed = scope.spawn(|| containers.virsh(&["destroy", "box0"]).ok());
        eventually("its init to end", || !process_runs(init));
        each(
            &containers,
            "number and conn.lookupByName(f'box{number}').info()",
        );
        let stats = containers.virsh(&["domstats", "--state"]).ok();
        assert!(
            stats.contains("'box1'") && stats.contains("'box199'"),
            "{stats}"
        );
        if !process_runs(stuck) {
            skipped("whether it delays others: they took longer than it was stuck");
        }
        destroyed.join().unwrap();
    });
    assert_eq!(running(&containers), CROWD - 1);

    containers.end(Signal::SIGKILL);
    containers.again();
    assert_eq!(running(&containers), CROWD - 1);
    assert_eq!(containers.state("box1"), "paused");
    each(
        &containers,
        "number and conn.lookupByName(f'box{number}').destroy()",
    );
    assert_eq!(running(&containers), 0);
    assert_eq!(containers.left(), Vec::<String>::new());
}
