//! What containers cost: start and end of one against the same program in namespaces made by hand, many at
//! once, and the memory of what owns one.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use virt_rpc::protocol::remote::{
    DomainCreateXml, DomainCreateXmlArgs, DomainDestroy, DomainDestroyArgs, NonnullDomain,
};
use virt_tests::containers::Containers;
use virt_tests::measure::resident;
use virt_tests::target::Target;
use virt_tests::wire::Wire;

use crate::side::milliseconds;
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    let sides: Option<Vec<_>> = targets
        .iter()
        .map(|target| Containers::of(*target))
        .collect();
    let Some(mut sides) = sides else {
        return;
    };
    one(plan, &mut sides, table);
    many(plan, &mut sides, table);
}

fn open(side: &Containers) -> Wire {
    Wire::open(&side.socket(), "lxc:///system").expect("open a connection")
}

fn create(wire: &mut Wire, side: &Containers, name: &str) -> NonnullDomain {
    let xml_desc = side.service(name);
    let args = DomainCreateXmlArgs { xml_desc, flags: 0 };
    wire.call::<DomainCreateXml>(&args).expect("create").dom
}

fn destroy(wire: &mut Wire, dom: NonnullDomain) {
    let args = DomainDestroyArgs { dom };
    wire.call::<DomainDestroy>(&args).expect("destroy");
}

fn one(plan: &Plan, sides: &mut [Containers], table: &mut Table) {
    in_turn(plan.rounds * 2, sides, |index, side| {
        let mut wire = open(side);
        let mut dom = None;
        let created = milliseconds(|| dom = Some(create(&mut wire, side, "one")));
        let dom = dom.expect("created");
        let owner = resident(u32::try_from(dom.id).expect("a process"));
        let destroyed = milliseconds(|| destroy(&mut wire, dom));
        let bare = milliseconds(|| by_hand(side));
        for (name, value) in [
            ("Create a container", created),
            ("unshare(1) and chroot(1) with the same program", bare),
            ("Destroy a container", destroyed),
        ] {
            table.add(index, name, "ms", Better::Lower, Goal::None, value);
        }
        for (name, goal, value) in [
            (
                "Memory of what owns a container",
                Goal::AtMost(3072.0),
                owner.all,
            ),
            ("The same, its own pages", Goal::None, owner.anonymous),
        ] {
            table.add(index, name, "KiB", Better::Lower, goal, value as f64);
        }
    });
    for index in 0..sides.len() {
        let of = |name: &str| table.median(index, name);
        let created = of("Create a container");
        let bare = of("unshare(1) and chroot(1) with the same program");
        let (Some(created), Some(bare)) = (created, bare) else {
            continue;
        };
        let name = "Create a container, times unshare(1)";
        let goal = Goal::AtMost(2.0);
        table.add(index, name, "times", Better::Lower, goal, created / bare);
    }
}

/// The container's program in namespaces of the same kinds, until it says that it runs.
fn by_hand(side: &Containers) {
    let mut command = Command::new("unshare");
    command.args(["-p", "-m", "-u", "-i", "--fork", "--kill-child", "chroot"]);
    command.arg(side.root()).arg("/bin/service");
    let mut child = command.stdout(Stdio::piped()).spawn().expect("unshare");
    let mut byte = [0];
    let out = child.stdout.as_mut().expect("piped");
    out.read_exact(&mut byte).expect("it runs");
    child.kill().expect("kill");
    child.wait().expect("wait");
}

fn many(plan: &Plan, sides: &mut [Containers], table: &mut Table) {
    let count = if plan.quick { 10 } else { 100 };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for at_once in [1, cores * 4] {
        in_turn(plan.rounds.min(3), sides, |index, side| {
            let next = AtomicUsize::new(0);
            let started = Instant::now();
            let all: Vec<NonnullDomain> = thread::scope(|scope| {
                let workers: Vec<_> = (0..at_once)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut wire = open(side);
                            let mut own = Vec::new();
                            loop {
                                let number = next.fetch_add(1, Ordering::Relaxed);
                                if number >= count {
                                    return own;
                                }
                                own.push(create(&mut wire, side, &format!("box{number}")));
                            }
                        })
                    })
                    .collect();
                let ended = workers
                    .into_iter()
                    .flat_map(|worker| worker.join().expect("a worker"));
                ended.collect()
            });
            let rate = all.len() as f64 / started.elapsed().as_secs_f64();
            let name = format!("Containers created, {at_once} at once");
            table.add(index, &name, "per second", Better::Higher, Goal::None, rate);
            let mut wire = open(side);
            all.into_iter().for_each(|dom| destroy(&mut wire, dom));
        });
    }
}
