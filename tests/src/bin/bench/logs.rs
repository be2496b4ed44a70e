//! What guests' output costs on its way into files: virtlogd alone, writer and daemon with a core each.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use virt_tests::host::Host;
use virt_tests::logd::Logd;
use virt_tests::measure::{cpu_seconds, resident};
use virt_tests::target::Target;

use crate::cores::{self, OnClientCore};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

/// Guests that write at once.
const MANY: usize = 100;
/// Guests that write nothing.
const IDLE: usize = 200;
/// What a guest writes in one go: a line, and as much as a pipe holds.
const PIECES: [(&str, usize); 2] = [("a line of 80 bytes", 80), ("64 KiB", 64 << 10)];

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    let _core = OnClientCore::new();
    let total = if plan.quick { 8 << 20 } else { 256 << 20 };
    let mut sides: Vec<Logd> = targets
        .iter()
        .map(|target| {
            let logd = Logd::start(Host::of(*target), "");
            if let Some((_, core)) = cores::pair() {
                cores::pin(logd.pid, core);
            }
            logd
        })
        .collect();
    in_turn(plan.rounds, &mut sides, |index, logd| {
        for (what, piece) in PIECES {
            let (rate, cpu) = write(logd, 1, piece, total / if piece == 80 { 8 } else { 1 });
            let name = format!("One guest writes, {what} at a time");
            table.add(
                index,
                &name,
                "MiB/s",
                Better::Higher,
                Goal::Times(3.0),
                rate,
            );
            let name = format!("Daemon CPU for that, {what} at a time");
            table.add(
                index,
                &name,
                "s per GiB",
                Better::Lower,
                Goal::Times(4.0),
                cpu,
            );
        }
        let (rate, cpu) = write(logd, MANY, 4096, total);
        let name = format!("{MANY} guests write at once, 4 KiB at a time");
        table.add(index, &name, "MiB/s", Better::Higher, Goal::None, rate);
        let name = format!("Daemon CPU for {MANY} guests");
        table.add(index, &name, "s per GiB", Better::Lower, Goal::None, cpu);
    });
    in_turn(plan.rounds, &mut sides, |index, logd| {
        logd.stop();
        logd.spawn();
        let client = logd.client();
        let pipes: Vec<File> = (0..IDLE)
            .map(|number| client.open(&path(logd, number), 0).expect("a log").1)
            .collect();
        let used = resident(logd.pid);
        let name = format!("virtlogd's resident memory, {IDLE} guests that write nothing");
        let mib = |kib: u64| kib as f64 / 1024.0;
        table.add(
            index,
            &name,
            "MiB",
            Better::Lower,
            Goal::Times(3.0),
            mib(used.all),
        );
        let name = "Of it heap and stacks of virtlogd";
        table.add(
            index,
            name,
            "MiB",
            Better::Lower,
            Goal::None,
            mib(used.anonymous),
        );
        drop(pipes);
    });
}

/// As the daemon sees it: the stock one's `/var/log/libvirt` is the host's.
fn path(logd: &Logd, number: usize) -> PathBuf {
    let below = format!("var/log/libvirt/guest{number}.log");
    match logd.host.target {
        Target::Ours => logd.host.path(&below),
        Target::Stock => PathBuf::from("/").join(below),
    }
}

/// MiB per second until all of `bytes` are in the files, and the daemon's CPU time in seconds per GiB.
fn write(logd: &Logd, guests: usize, piece: usize, bytes: usize) -> (f64, f64) {
    let client = logd.client();
    let pipes: Vec<File> = (0..guests)
        .map(|number| client.open(&path(logd, number), 1).expect("a log").1)
        .collect();
    let text = vec![b'x'; piece];
    let pieces = bytes / guests / piece;
    let cpu = cpu_seconds(logd.pid);
    let started = Instant::now();
    thread::scope(|threads| {
        for mut pipe in &pipes {
            let text = &text;
            threads.spawn(move || {
                for _ in 0..pieces {
                    pipe.write_all(text).expect("the pipe takes it");
                }
            });
        }
    });
    for number in 0..guests {
        // Answered when all that was written before is in the file.
        client.position(&path(logd, number)).expect("its position");
    }
    let taken = started.elapsed().as_secs_f64();
    let used = cpu_seconds(logd.pid) - cpu;
    drop(pipes);
    for number in 0..guests {
        virt_tests::host::eventually("the end of the log", || {
            client.position(&path(logd, number)).is_err()
        });
    }
    let written = (pieces * piece * guests) as f64;
    (
        written / taken / f64::from(1 << 20),
        used / written * f64::from(1 << 30),
    )
}
