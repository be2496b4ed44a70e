//! What a lease costs: virtlockd alone, client and daemon with a core each.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use virt_rpc::protocol::lock::AcquireResource;
use virt_tests::host::{Host, eventually, send};
use virt_tests::keeper::sibling;
use virt_tests::lock_client::{Client, Resource};
use virt_tests::measure::{cpu_nanoseconds, resident};
use virt_tests::target::Target;
use virt_tests::wire::Failure;

use crate::cores::{self, OnClientCore};
use crate::table::{Better, Goal, Table};
use crate::{Plan, in_turn};

/// Locks that are held for the measurements of memory and of the pause.
const MANY: usize = 10_000;
/// How often the program is replaced in a round.
const REPLACEMENTS: usize = 5;
/// What has not been answered by then never will be.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// One of the daemons.
struct Side {
    host: Host,
    pid: u32,
}

impl Side {
    fn start(target: Target) -> Self {
        let mut side = Self {
            host: Host::of(target),
            pid: 0,
        };
        side.spawn();
        side
    }

    fn spawn(&mut self) {
        let ours = sibling("virtlockd").to_string_lossy().into_owned();
        let root = self.host.root().to_string_lossy().into_owned();
        let core = cores::pair().map_or_else(|| "0".to_owned(), |(_, daemon)| daemon.to_string());
        // The stock daemon doesn't raise its limit by itself.
        let raise = "ulimit -n $(ulimit -H -n); exec \"$@\"";
        let mut words = vec!["sh", "-c", raise, "sh", "taskset", "-c", &core];
        match self.host.target {
            Target::Ours => words.extend([ours.as_str(), "--root", &root]),
            Target::Stock => words.push("/usr/sbin/virtlockd"),
        }
        self.pid = self
            .host
            .keeper()
            .spawn(&words, &[], &self.host.path("lockd.log"));
        let socket = self.socket();
        eventually("virtlockd's socket", || {
            UnixStream::connect(&socket).is_ok()
        });
    }

    fn stop(&self) {
        send(self.pid, Signal::SIGTERM);
        self.host.keeper().wait(self.pid);
    }

    fn socket(&self) -> PathBuf {
        self.host.path("run/libvirt/virtlockd-sock")
    }

    /// Nanoseconds that the daemon and its processes for slow file systems have used.
    fn cpu(&self) -> u64 {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let children = fs::read_to_string(path).unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            // One that had nothing to do for a while ends.
            .filter(|pid| PathBuf::from(format!("/proc/{pid}/task")).exists());
        children.chain([self.pid]).map(cpu_nanoseconds).sum()
    }

    fn client(&self) -> Client {
        // A process that is there and that no connection is from.
        Client::connect(&self.socket(), "bench", 1)
    }

    /// So many images, as the daemon is to name them.
    fn images(&self, count: usize) -> Vec<Resource> {
        let folder = self.host.path("work/images");
        fs::create_dir_all(&folder).expect("a folder");
        let image = |n| {
            let path = folder.join(format!("image{n}"));
            fs::write(&path, "").expect("an image");
            Resource::image(&path)
        };
        (0..count).map(image).collect()
    }

    /// So many leases of a lock space, which is made.
    fn leases(&self, count: usize) -> Vec<Resource> {
        let folder = self.host.path("work/space");
        self.client().space(&folder).expect("a lock space");
        (0..count)
            .map(|n| Resource::lease(&folder, &format!("lease{n}")))
            .collect()
    }
}

pub fn measure(plan: &Plan, targets: &[Target], table: &mut Table) {
    let _core = OnClientCore::new();
    let time = Duration::from_millis(if plan.quick { 100 } else { 1000 });
    let many = if plan.quick { 500 } else { MANY };
    let mut sides: Vec<Side> = targets.iter().map(|target| Side::start(*target)).collect();
    in_turn(plan.rounds, &mut sides, |index, side| {
        for (what, resources) in [("an image", side.images(16)), ("a lease", side.leases(16))] {
            for clients in [1, 16] {
                let (rate, cpu) = pairs(side, &resources[..clients], time);
                let name = format!("Take and give back {what}, {clients} clients");
                let goal = Goal::Times(3.0);
                table.add(index, &name, "pairs per second", Better::Higher, goal, rate);
                let name = format!("Daemon CPU for that, {what}, {clients} clients");
                table.add(index, &name, "µs", Better::Lower, Goal::None, cpu);
            }
        }
    });
    in_turn(plan.rounds, &mut sides, |index, side| {
        side.stop();
        side.spawn();
        memory(side, index, table, "idle", 4.0);
        let images = side.images(many);
        let mut client = side.client();
        for image in &images {
            client.acquire(image).expect("acquire");
        }
        memory(side, index, table, &format!("{many} locks held"), 2.0);
        let mut lost = 0;
        for _ in 0..REPLACEMENTS {
            match replace(side, &images[0]) {
                Some(longest) => {
                    let name =
                        format!("Longest call while the program is replaced, {many} locks held");
                    let goal = Goal::AtMost(50.0);
                    table.add(index, &name, "ms", Better::Lower, goal, longest);
                }
                None => lost += 1,
            }
        }
        let name = format!("Calls never answered, in {REPLACEMENTS} replacements of the program");
        let goal = Goal::AtMost(0.0);
        table.add(index, &name, "calls", Better::Lower, goal, f64::from(lost));
        for image in &images {
            client.release(image).expect("release");
        }
    });
}

/// Pairs per second of as many clients as there are resources, and the daemon's CPU time for each in
/// microseconds.
fn pairs(side: &Side, resources: &[Resource], time: Duration) -> (f64, f64) {
    let ready = Barrier::new(resources.len() + 1);
    let over = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let (taken, used) = thread::scope(|threads| {
        for resource in resources {
            let (ready, over, done) = (&ready, &over, &done);
            threads.spawn(move || {
                let mut client = side.client();
                ready.wait();
                let mut own = 0;
                while !over.load(Ordering::Relaxed) {
                    client.acquire(resource).expect("acquire");
                    client.release(resource).expect("release");
                    own += 1;
                }
                done.fetch_add(own, Ordering::Relaxed);
            });
        }
        ready.wait();
        let cpu = side.cpu();
        let started = Instant::now();
        thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        (started.elapsed(), side.cpu().saturating_sub(cpu))
    });
    let done = done.into_inner() as f64;
    (done / taken.as_secs_f64(), used as f64 / 1e3 / done)
}

/// The longest call of a client in milliseconds while the program replaces itself. Nothing when it
/// lost one: libvirt's own daemon was seen to forget a call that it had read and not yet answered, and
/// its client waits for ever.
fn replace(side: &Side, held: &Resource) -> Option<f64> {
    let mut client = side.client();
    let socket = client.0.socket();
    socket
        .set_read_timeout(Some(LOST_AFTER))
        .expect("a socket takes a timeout");
    let auxv = || fs::read(format!("/proc/{}/auxv", side.pid)).unwrap_or_default();
    let before = auxv();
    send(side.pid, Signal::SIGUSR1);
    let mut longest = Duration::ZERO;
    let mut replaced = false;
    // A while longer than until the new program runs: it serves some time after that.
    let mut after = 0;
    while after < 100 {
        let started = Instant::now();
        match client.0.call::<AcquireResource>(&held.acquire()) {
            Err(Failure::Refused(_)) => {}
            Err(Failure::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => return None,
            other => panic!("it is held, and not {other:?}"),
        }
        longest = longest.max(started.elapsed());
        replaced = replaced || auxv() != before;
        after += u32::from(replaced);
    }
    Some(longest.as_secs_f64() * 1e3)
}

fn memory(side: &Side, index: usize, table: &mut Table, what: &str, times: f64) {
    let used = resident(side.pid);
    let mut add = |name: &str, goal, kib: u64| {
        let name = format!("{name}, {what}");
        let mib = kib as f64 / 1024.0;
        table.add(index, &name, "MiB", Better::Lower, goal, mib);
    };
    add("virtlockd's resident memory", Goal::Times(times), used.all);
    add(
        "Of it heap and stacks of virtlockd",
        Goal::None,
        used.anonymous,
    );
}
