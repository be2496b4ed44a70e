//! virtlockd, virtqemud and QEMU are killed at any moment while two guests that want the same image
//! are started: no guest ever runs without the lock, and afterwards the image is free to start.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use virt_tests::host::{Host, eventually, process_runs};
use virt_tests::lockd::{Lockd, guest_with, image, is_held, is_locked};
use virt_tests::target::{Target, is_root, skipped};

const GUESTS: [&str; 2] = ["one", "two"];

/// Numbers that look random and are the same in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable);
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// The process of a guest that is noted as running, while it is there.
fn running(host: &Host, guest: &str) -> Option<u32> {
    let path = host.path(&format!("run/libvirt/qemu/{guest}.xml"));
    let text = fs::read_to_string(path).ok()?;
    let (_, head) = text.split_once("<domstatus")?;
    let (head, _) = head.split_once('>')?;
    let pid = head.split_once("pid='")?.1.split_once('\'')?.0;
    let pid = pid.parse().ok()?;
    (head.contains("state='running'") && process_runs(pid)).then_some(pid)
}

/// What must never be: two guests that run, or one that runs while the lock is nobody's.
fn wrong(host: &Host, image: &Path) -> Option<String> {
    let seen = || GUESTS.map(|guest| running(host, guest));
    let now = seen();
    match now {
        [Some(_), Some(_)] => {}
        [None, None] => return None,
        _ if is_held(image) => return None,
        _ => {}
    }
    // A process that ends gives its lock back just before it is gone.
    sleep(Duration::from_millis(100));
    let still = seen() == now && (now.iter().all(Option::is_some) || !is_held(image));
    still.then(|| format!("{now:?} run, the lock is held: {}", is_held(image)))
}

fn end(pid: u32) {
    // It may have ended by itself.
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
}

/// `VIRT_DEATHS=500` is the long form.
#[test]
fn whoever_dies_no_image_is_two_guests_and_none_stays_locked() {
    if !is_root() {
        return skipped("needs root: a session has no virtlockd");
    }
    if Target::chosen() == Target::Stock {
        return skipped("is about our daemons");
    }
    let host = Host::of(Target::Ours);
    let conf = host.path("etc/libvirt/qemu.conf");
    let text = fs::read_to_string(&conf).unwrap() + "lock_manager = \"lockd\"\n";
    fs::write(&conf, text).unwrap();
    let mut lockd = Lockd::start(host);
    lockd.host.start_daemon();
    let image = image(&lockd.host, "disk.raw");
    for guest in GUESTS {
        lockd.host.define(&guest_with(guest, &image));
    }
    let mut random = Random(number("VIRT_DEATHS_SEED", 20_251) | 1);
    let runs = number("VIRT_DEATHS", 6);
    let mut started = 0;
    for run in 0..runs {
        let (victim, after) = (random.below(3), random.below(450));
        let apart = random.below(250);
        let this = &lockd;
        let over = AtomicBool::new(false);
        let alive = AtomicU64::new(0);
        thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if let Some(text) = wrong(&this.host, &image) {
                        return Some(text);
                    }
                    sleep(Duration::from_millis(1));
                }
                None
            });
            let starters = GUESTS.map(|guest| {
                let alive = &alive;
                scope.spawn(move || {
                    if guest == GUESTS[1] {
                        sleep(Duration::from_millis(apart));
                    }
                    if this.host.virsh(&["start", guest]).code == 0 {
                        alive.fetch_add(1, Ordering::Relaxed);
                    }
                })
            });
            sleep(Duration::from_millis(after));
            match victim {
                0 => end(this.pid),
                1 => end(this.host.daemon_pid()),
                _ => this.host.qemus().into_iter().for_each(end),
            }
            for starter in starters {
                starter.join().unwrap();
            }
            over.store(true, Ordering::Relaxed);
            let seen = watcher.join().unwrap();
            assert_eq!(seen, None, "run {run}: victim {victim} after {after} ms");
        });
        started += alive.into_inner();
        println!("run {run}: victim {victim} after {after} ms, {started} starts");
        if victim == 0 {
            lockd.host.keeper().wait(lockd.pid);
            lockd.spawn();
        }
        if victim == 1 {
            lockd.host.daemon_ends();
            lockd.host.start_daemon();
        }
        assert_eq!(wrong(&lockd.host, &image), None, "run {run}");
        for guest in GUESTS {
            // Most are off already.
            lockd.host.virsh(&["destroy", guest]);
            assert_eq!(lockd.host.state(guest), "shut off", "run {run}");
        }
        eventually("a free image", || !is_locked(&image));
        eventually("no lease", || lockd.leases().trim() == "[]");
        // And one that can be used.
        let guest = GUESTS[random.below(2) as usize];
        lockd.host.virsh(&["start", guest]).ok();
        assert!(lockd.holds(guest) && is_held(&image));
        lockd.host.virsh(&["destroy", guest]).ok();
        eventually("a free image", || !is_locked(&image));
    }
    println!("{runs} runs, {started} starts that went well");
}
