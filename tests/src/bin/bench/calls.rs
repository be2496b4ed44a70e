//! What a call costs: nothing but one defined guest, client and daemon with a core each.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::{
    ConnectGetLibVersion, DomainDefineXml, DomainDefineXmlArgs, DomainGetInfo, DomainGetInfoArgs,
    NodeGetInfo,
};
use virt_tests::guest;
use virt_tests::measure::cpu_nanoseconds;
use virt_tests::target::Target;

use crate::cores::OnClientCore;
use crate::side::{Side, memory};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

/// Calls under way at once where a measurement says "five in flight": the stock daemon's limit
/// for one client.
const IN_FLIGHT: usize = 5;

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    let _core = OnClientCore::new();
    let time = Duration::from_millis(if plan.quick { 100 } else { 1000 });
    let mut sides: Vec<Side> = targets
        .iter()
        .map(|target| Side::start(*target, true))
        .collect();
    let guests: Vec<DomainGetInfoArgs> = sides
        .iter()
        .map(|side| DomainGetInfoArgs {
            dom: side
                .open()
                .call::<DomainDefineXml>(&DomainDefineXmlArgs {
                    xml: guest::firmware_only("only", ""),
                })
                .expect("define")
                .dom,
        })
        .collect();

    in_turn(plan.rounds, &mut sides, |index, side| {
        let mut rate = |name: &str, goal, value| {
            table.add(index, name, "per second", Better::Higher, goal, value);
        };
        rate("Connect, open and close", Goal::None, connects(side, time));
        let info = &guests[index];
        for clients in [1, 16] {
            let cheap = calls::<ConnectGetLibVersion>(side, &(), clients, time);
            rate(&format!("Cheap call, {clients} clients"), Goal::None, cheap);
            let informed = calls::<DomainGetInfo>(side, info, clients, time);
            rate(
                &format!("Domain info, {clients} clients"),
                Goal::None,
                informed,
            );
        }
        let (flight, flight_cpu) = pipelined::<ConnectGetLibVersion>(side, &(), IN_FLIGHT, time);
        rate(
            "Cheap call, one client with five in flight",
            Goal::Times(3.0),
            flight,
        );
        let (_, alone_cpu) = pipelined::<ConnectGetLibVersion>(side, &(), 1, time);
        let (_, node_cpu) = pipelined::<NodeGetInfo>(side, &(), 1, time);
        for (name, goal, value) in [
            (
                "Daemon CPU for a cheap call, one at a time",
                Goal::Times(4.0),
                alone_cpu,
            ),
            (
                "Daemon CPU for a cheap call, five in flight",
                Goal::Times(4.0),
                flight_cpu,
            ),
            (
                "Daemon CPU for node info, one at a time",
                Goal::Times(4.0),
                node_cpu,
            ),
        ] {
            table.add(index, name, "µs", Better::Lower, goal, value);
        }
    });
    for (index, side) in sides.iter_mut().enumerate() {
        side.stop();
        side.spawn();
        memory(side, index, table, "idle");
    }
}

fn connects(side: &Side, time: Duration) -> f64 {
    let started = Instant::now();
    let mut done = 0_u32;
    while started.elapsed() < time {
        side.open().close().expect("close");
        done += 1;
    }
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// Calls per second of so many clients, each waiting for its reply before it calls again.
fn calls<P: Procedure>(side: &Side, args: &P::Args, clients: usize, time: Duration) -> f64 {
    let ready = Barrier::new(clients + 1);
    let over = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let taken = thread::scope(|threads| {
        for _ in 0..clients {
            threads.spawn(|| {
                let mut wire = side.open();
                ready.wait();
                let mut own = 0;
                while !over.load(Ordering::Relaxed) {
                    wire.call::<P>(args).expect("call");
                    own += 1;
                }
                done.fetch_add(own, Ordering::Relaxed);
                wire.close().expect("close");
            });
        }
        ready.wait();
        let started = Instant::now();
        thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        started.elapsed()
    });
    done.into_inner() as f64 / taken.as_secs_f64()
}

/// One client that keeps so many calls under way: calls per second, and the daemon's CPU time for
/// each in microseconds.
fn pipelined<P: Procedure>(
    side: &Side,
    args: &P::Args,
    flight: usize,
    time: Duration,
) -> (f64, f64) {
    let mut wire = side.open();
    let pid = side.host.daemon_pid();
    let mut done = 0_u32;
    let cpu = cpu_nanoseconds(pid);
    let started = Instant::now();
    for _ in 0..flight {
        wire.queue::<P>(args);
    }
    wire.flush().expect("send");
    while started.elapsed() < time {
        wire.receive().expect("a reply");
        done += 1;
        wire.send::<P>(args).expect("send");
    }
    let taken = started.elapsed();
    let used = cpu_nanoseconds(pid) - cpu;
    for _ in 0..flight {
        wire.receive().expect("a reply");
    }
    (
        f64::from(done) / taken.as_secs_f64(),
        used as f64 / 1e3 / f64::from(done),
    )
}
