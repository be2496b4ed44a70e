//! What running guests cost: start and end of one against QEMU started by hand, and many at once.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use virt_rpc::protocol::remote::{
    DomainCreateXml, DomainCreateXmlArgs, DomainDestroy, DomainDestroyArgs,
};
use virt_tests::guest;
use virt_tests::host::{eventually, send};
use virt_tests::measure::cpu_nanoseconds;
use virt_tests::target::Target;

use crate::defined::bulk_stats;
use crate::side::{ACTIVE, Side, list, memory, milliseconds};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    // Guests take what cores there are, so nothing is pinned here.
    let mut sides: Vec<Side> = targets
        .iter()
        .map(|target| Side::start(*target, false))
        .collect();
    one(plan, &mut sides, table);
    many(plan, &mut sides, table);
}

fn one(plan: &Plan, sides: &mut [Side], table: &mut Table) {
    in_turn(plan.rounds * 2, sides, |index, side| {
        let mut wire = side.open();
        let xml = guest::firmware_only("one", "");
        let mut dom = None;
        let created = milliseconds(|| {
            let args = DomainCreateXmlArgs {
                xml_desc: xml,
                flags: 0,
            };
            dom = Some(wire.call::<DomainCreateXml>(&args).expect("create").dom);
        });
        let arguments = by_hand(side, side.host.qemu_pid("one"));
        let dom = dom.expect("created");
        let destroyed = milliseconds(|| {
            wire.call::<DomainDestroy>(&DomainDestroyArgs { dom })
                .expect("destroy");
        });
        let (bare_start, bare_end) = bare(&arguments);
        for (name, value) in [
            ("Create a guest", created),
            ("QEMU by hand with the same arguments", bare_start),
            ("Destroy a guest", destroyed),
            ("The kernel's own end of such a QEMU", bare_end),
        ] {
            table.add(index, name, "ms", Better::Lower, Goal::None, value);
        }
    });
    for index in 0..sides.len() {
        let of = |name: &str| table.median(index, name);
        let (Some(created), Some(bare), Some(destroyed), Some(end)) = (
            of("Create a guest"),
            of("QEMU by hand with the same arguments"),
            of("Destroy a guest"),
            of("The kernel's own end of such a QEMU"),
        ) else {
            continue;
        };
        let name = "Create a guest, times QEMU by hand";
        table.add(
            index,
            name,
            "times",
            Better::Lower,
            Goal::AtMost(1.6),
            created / bare,
        );
        let name = "Destroy a guest beyond the kernel's own";
        table.add(
            index,
            name,
            "ms",
            Better::Lower,
            Goal::AtMost(20.0),
            destroyed - end,
        );
    }
}

/// The arguments of a guest's QEMU, changed where they lean on what only the daemon can give.
struct ByHand {
    words: Vec<String>,
    monitor: PathBuf,
}

fn by_hand(side: &Side, pid: u32) -> ByHand {
    let monitor = side.host.path("by-hand.sock");
    let line = fs::read(format!("/proc/{pid}/cmdline")).expect("the guest's command line");
    let given: Vec<String> = line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let mut words = Vec::new();
    let mut rest = given.into_iter();
    while let Some(word) = rest.next() {
        if word == "-object" || word == "-chardev" {
            let value = rest.next().unwrap_or_default();
            if value.contains("charmonitor") {
                let path = monitor.display();
                words.push(word);
                words.push(format!(
                    "socket,id=charmonitor,path={path},server=on,wait=off"
                ));
            } else if !value.contains("masterKey0") {
                words.extend([word, value]);
            }
            continue;
        }
        words.push(word);
    }
    ByHand { words, monitor }
}

/// Milliseconds until such a QEMU runs its guest, and until it is gone once killed.
fn bare(by_hand: &ByHand) -> (f64, f64) {
    let _ = fs::remove_file(&by_hand.monitor);
    let started = Instant::now();
    let mut child = Command::new(&by_hand.words[0])
        .args(&by_hand.words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("QEMU");
    let monitor = loop {
        assert!(
            child.try_wait().expect("wait").is_none(),
            "QEMU by hand ended: {:?}",
            by_hand.words
        );
        match UnixStream::connect(&by_hand.monitor) {
            Ok(monitor) => break monitor,
            Err(_) => thread::sleep(Duration::from_micros(200)),
        }
    };
    let mut answers = BufReader::new(monitor.try_clone().expect("clone"));
    let mut monitor = monitor;
    let mut line = String::new();
    answers.read_line(&mut line).expect("greeting");
    for command in ["qmp_capabilities", "cont", "query-status"] {
        writeln!(monitor, "{{\"execute\":\"{command}\"}}").expect("ask");
        loop {
            line.clear();
            answers.read_line(&mut line).expect("answer");
            assert!(!line.contains("\"error\""), "{command}: {line}");
            // Events come in between.
            if line.contains("\"return\"") {
                break;
            }
        }
    }
    assert!(line.contains("\"running\": true"), "{line}");
    let start = started.elapsed().as_secs_f64() * 1e3;
    let end = milliseconds(|| {
        send(child.id(), Signal::SIGKILL);
        child.wait().expect("wait");
    });
    (start, end)
}

const THREADS: usize = 8;

fn many(plan: &Plan, sides: &mut [Side], table: &mut Table) {
    let count = if plan.quick { 8 } else { 50 };
    // Each round starts and ends all of them: fewer rounds are enough.
    in_turn(plan.rounds.div_ceil(2), sides, |index, side| {
        let add = |table: &mut Table, name: String, unit, goal, value| {
            table.add(index, &name, unit, Better::Lower, goal, value);
        };
        let seconds = create_many(side, count) / 1e3;
        add(
            table,
            format!("Create {count} guests from {THREADS} threads"),
            "s",
            Goal::Times(2.0),
            seconds,
        );

        until_quiet(side);
        let mut wire = side.open();
        for _ in 0..3 {
            let told = milliseconds(|| assert_eq!(bulk_stats(&mut wire), count));
            add(
                table,
                format!("Bulk stats of {count} running"),
                "ms",
                Goal::Times(5.0),
                told,
            );
        }
        drop(wire);
        memory(side, index, table, &format!("{count} running"));

        side.stop();
        let restarted = milliseconds(|| {
            side.spawn();
            let mut wire = side.open();
            while list(&mut wire, ACTIVE).len() < count {}
            // Those that are being found again yet are waited for here.
            bulk_stats(&mut wire);
        });
        add(
            table,
            format!("Start with {count} running until all have told their stats"),
            "ms",
            Goal::Times(5.0),
            restarted,
        );

        let mut wire = side.open();
        let guests = list(&mut wire, ACTIVE);
        let ended = milliseconds(|| {
            for dom in guests {
                let name = dom.name.clone();
                // The stock daemon loses one now and then when it starts.
                if wire
                    .call::<DomainDestroy>(&DomainDestroyArgs { dom })
                    .is_err()
                {
                    eprintln!("bench: guest {name} was lost");
                }
            }
        });
        add(
            table,
            format!("Destroy {count} guests, one after the other"),
            "ms",
            Goal::None,
            ended,
        );
        for lost in side.host.qemus() {
            send(lost, Signal::SIGKILL);
        }
        eventually("the guests' ends", || side.host.qemus().is_empty());
    });
}

/// Waits until the guests' firmware has done its work: what comes is about daemons, not about
/// guests that take both cores.
fn until_quiet(side: &Side) {
    const LOOK: Duration = Duration::from_millis(500);
    let used = || {
        side.host
            .qemus()
            .into_iter()
            .map(cpu_nanoseconds)
            .sum::<u64>()
    };
    eventually("the guests to be quiet", || {
        let before = used();
        thread::sleep(LOOK);
        // Half a core: fifty guests that wait do a little now and then.
        used().saturating_sub(before) < LOOK.as_nanos() as u64 / 2
    });
}

/// Milliseconds until so many guests run.
fn create_many(side: &Side, count: usize) -> f64 {
    let names = Mutex::new((0..count).map(|number| format!("many-{number:02}")));
    milliseconds(|| {
        thread::scope(|threads| {
            for _ in 0..THREADS {
                threads.spawn(|| {
                    let mut wire = side.open();
                    loop {
                        let Some(name) = names.lock().expect("names").next() else {
                            break;
                        };
                        wire.call::<DomainCreateXml>(&DomainCreateXmlArgs {
                            xml_desc: guest::firmware_only(&name, ""),
                            flags: 0,
                        })
                        .expect("create");
                    }
                });
            }
        });
    })
}
