//! No two guests write one disk, and no death or replacement of virtlockd loses a lock: with real
//! guests, and with clients in every state they can be in.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use virt_rpc::client::Connection;
use virt_rpc::framing::{self, Header, MessageKind, Status};
use virt_rpc::protocol::lock::*;
use virt_rpc::protocol::{Procedure, Program};
use virt_rpc::xdr::Encode;
use virt_tests::host::{Host, eventually, send};
use virt_tests::keeper::sibling;
use virt_tests::lockd::{Lockd, guest_with, image, is_locked};
use virt_tests::target::{Target, have, is_root, skipped};

fn header<P: Procedure>(serial: u32) -> Header {
    Header {
        prog: Program::Lock.number(),
        vers: Program::VERSION,
        proc: P::ROW.number,
        kind: MessageKind::Call,
        serial,
        status: Status::Ok,
    }
}

/// A connection of plain bytes: what a client does to a message is the test's.
struct Plain(UnixStream);

impl Plain {
    fn new(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self(stream)
    }

    fn message<P: Procedure>(args: &P::Args) -> Vec<u8>
    where
        P::Args: Encode,
    {
        let mut bytes = Vec::new();
        framing::append_with(&mut bytes, &header::<P>(0), 0, |out| args.encode(out)).unwrap();
        bytes
    }

    /// The status of the next answer: 0 is well.
    fn answer(&mut self) -> u32 {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        self.0.read_exact(&mut rest).unwrap();
        u32::from_be_bytes(rest[20..24].try_into().unwrap())
    }

    fn call<P: Procedure>(&mut self, args: &P::Args) -> u32
    where
        P::Args: Encode,
    {
        self.0.write_all(&Self::message::<P>(args)).unwrap();
        self.answer()
    }
}

fn owner(name: &str, pid: u32) -> RegisterArgs {
    RegisterArgs {
        owner: Owner {
            uuid: [7; 16],
            name: name.to_owned(),
            id: 1,
            pid,
        },
        flags: 0,
    }
}

fn acquire(path: &Path) -> AcquireResourceArgs {
    AcquireResourceArgs {
        path: String::new(),
        name: path.to_string_lossy().into_owned(),
        flags: 0,
    }
}

fn release(path: &Path) -> ReleaseResourceArgs {
    ReleaseResourceArgs {
        path: String::new(),
        name: path.to_string_lossy().into_owned(),
        flags: 0,
    }
}

/// Ours, with locks.
fn host_with_locks() -> Option<Host> {
    if Target::chosen() == Target::Stock {
        skipped("is about our virtlockd");
        return None;
    }
    let host = Host::of(Target::Ours);
    let conf = host.path("etc/libvirt/qemu.conf");
    if is_root() {
        let text = fs::read_to_string(&conf).unwrap();
        fs::write(&conf, text + "lock_manager = \"lockd\"\n").unwrap();
    }
    Some(host)
}

#[test]
fn the_second_guest_is_told_who_has_the_disk_whatever_happens_to_the_daemons() {
    if !is_root() {
        return skipped("needs root: a session has no virtlockd");
    }
    let Some(host) = host_with_locks() else {
        return;
    };
    let mut lockd = Lockd::start(host);
    lockd.host.start_daemon();
    let image = image(&lockd.host, "disk.raw");
    lockd.host.define(&guest_with("web", &image));
    lockd.host.define(&guest_with("db", &image));
    lockd.host.virsh(&["start", "web"]).ok();
    let refused = |lockd: &Lockd| {
        let error = lockd.host.virsh(&["start", "db"]).failed();
        assert!(error.contains("is locked by guest 'web'"), "{error}");
        assert_eq!(lockd.host.state("db"), "shut off");
        assert!(is_locked(&image));
    };
    refused(&lockd);
    // Upgraded in place.
    lockd.replace();
    refused(&lockd);
    // Dead: the lock is the guest's own, and nobody starts without virtlockd.
    lockd.end(Signal::SIGKILL);
    assert!(is_locked(&image));
    let error = lockd.host.virsh(&["start", "db"]).failed();
    assert!(error.contains("virtlockd"), "{error}");
    lockd.spawn();
    refused(&lockd);
    // Both.
    lockd.host.end_daemon(Signal::SIGKILL);
    lockd.end(Signal::SIGKILL);
    lockd.spawn();
    lockd.host.start_daemon();
    refused(&lockd);
    // A guest whose processors stand holds nothing.
    lockd.host.virsh(&["suspend", "web"]).ok();
    assert!(!lockd.holds("web") && !is_locked(&image));
    lockd.host.virsh(&["resume", "web"]).ok();
    assert!(lockd.holds("web") && is_locked(&image));
    // Its end frees the disk, even when nobody was there to see it.
    lockd.end(Signal::SIGKILL);
    lockd.host.virsh(&["destroy", "web"]).ok();
    eventually("the lock's end", || !is_locked(&image));
    lockd.spawn();
    lockd.host.virsh(&["start", "db"]).ok();
    assert!(lockd.holds("db"));
}

#[test]
fn a_client_in_whatever_state_notices_no_replacement() {
    let Some(host) = host_with_locks() else {
        return;
    };
    let lockd = Lockd::start(host);
    let socket = lockd.socket();
    let (held, wanted) = (image(&lockd.host, "held"), image(&lockd.host, "wanted"));
    let me = std::process::id();
    let mut silent = Plain::new(&socket);
    let mut registered = Plain::new(&socket);
    assert_eq!(registered.call::<Register>(&owner("registered", me)), 0);
    let mut holder = Plain::new(&socket);
    // Another process's: this connection's end must not free it.
    assert_eq!(holder.call::<Register>(&owner("holder", 1)), 0);
    assert_eq!(holder.call::<AcquireResource>(&acquire(&held)), 0);
    let mut half = Plain::new(&socket);
    assert_eq!(half.call::<Register>(&owner("half", 1)), 0);
    let message = Plain::message::<AcquireResource>(&acquire(&wanted));
    half.0.write_all(&message[..13]).unwrap();
    let mut restricted = Plain::new(&socket);
    assert_eq!(restricted.call::<Register>(&owner("restricted", me)), 0);
    assert_eq!(restricted.call::<Restrict>(&RestrictArgs { flags: 0 }), 0);
    for _ in 0..3 {
        lockd.replace();
        assert!(is_locked(&held));
    }
    half.0.write_all(&message[13..]).unwrap();
    assert_eq!(half.answer(), 0);
    assert!(is_locked(&wanted));
    assert_eq!(silent.call::<Register>(&owner("late", 1)), 0);
    assert_ne!(silent.call::<AcquireResource>(&acquire(&held)), 0);
    assert_ne!(registered.call::<ReleaseResource>(&release(&held)), 0);
    assert_ne!(restricted.call::<Register>(&owner("again", me)), 0);
    assert_eq!(holder.call::<ReleaseResource>(&release(&held)), 0);
    assert!(!is_locked(&held));
}

#[test]
fn replacements_amid_a_storm_of_calls_cost_no_call() {
    let Some(host) = host_with_locks() else {
        return;
    };
    let lockd = Lockd::start(host);
    let socket = lockd.socket();
    let images: Vec<_> = (0..4)
        .map(|n| image(&lockd.host, &format!("i{n}")))
        .collect();
    let over = std::sync::atomic::AtomicBool::new(false);
    let calls = std::thread::scope(|scope| {
        let clients: Vec<_> = images
            .iter()
            .map(|image| {
                let (socket, over) = (&socket, &over);
                scope.spawn(move || {
                    let mut client = Plain::new(socket);
                    assert_eq!(client.call::<Register>(&owner("storm", 1)), 0);
                    let mut calls = 0;
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        assert_eq!(client.call::<AcquireResource>(&acquire(image)), 0);
                        assert!(is_locked(image));
                        assert_eq!(client.call::<ReleaseResource>(&release(image)), 0);
                        calls += 2;
                    }
                    calls
                })
            })
            .collect();
        for _ in 0..20 {
            lockd.replace();
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let calls = clients.into_iter().map(|client| client.join().unwrap());
        calls.sum::<u32>()
    });
    assert!(calls > 0);
    assert!(images.iter().all(|image| !is_locked(image)));
    let open = fs::read_dir(format!("/proc/{}/fd", lockd.pid))
        .unwrap()
        .count();
    assert!(open < 40, "{open} descriptors are open");
}

#[test]
fn a_program_that_cannot_take_over_is_not_started() {
    let Some(host) = host_with_locks() else {
        return;
    };
    let mut lockd = Lockd::start(host);
    lockd.end(Signal::SIGTERM);
    // One that can be replaced on disk.
    let program = lockd.host.path("virtlockd");
    fs::copy(sibling("virtlockd"), &program).unwrap();
    lockd.program.clone_from(&program);
    lockd.spawn();
    let held = image(&lockd.host, "held");
    let mut client = Plain::new(&lockd.socket());
    assert_eq!(client.call::<Register>(&owner("web", 1)), 0);
    assert_eq!(client.call::<AcquireResource>(&acquire(&held)), 0);
    fs::remove_file(&program).unwrap();
    fs::copy("/bin/false", &program).unwrap();
    send(lockd.pid, Signal::SIGUSR1);
    let log = lockd.host.path("lockd.log");
    eventually("the refusal", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("is not replaced"))
    });
    assert!(lockd.holds("web") && is_locked(&held));
    assert_eq!(client.call::<ReleaseResource>(&release(&held)), 0);
}

#[test]
fn names_and_callers_that_are_not_meant_well_are_refused() {
    let Some(host) = host_with_locks() else {
        return;
    };
    let lockd = Lockd::start(host);
    let space = lockd.host.path("space").to_string_lossy().into_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connection = Connection::connect(&lockd.socket()).await.unwrap();
        let create = CreateLockspaceArgs {
            path: space.clone(),
        };
        connection.call::<CreateLockspace>(&create).await.unwrap();
        connection
            .call::<Register>(&owner("evil", 1))
            .await
            .unwrap();
        for name in ["../evil", "/evil", "..", "", "a/b"] {
            let acquire = AcquireResourceArgs {
                path: space.clone(),
                name: name.to_owned(),
                flags: 2,
            };
            let refused = connection.call::<AcquireResource>(&acquire).await;
            assert!(refused.is_err(), "{name}");
        }
    });
    assert!(!lockd.host.path("evil").exists());
    assert_eq!(lockd.leases().trim(), "[]");
}

#[test]
fn libvirts_own_daemons_and_ours_keep_each_other_out() {
    let plugin = "/usr/lib/x86_64-linux-gnu/libvirt/lock-driver/lockd.so";
    let stock = "/usr/sbin/virtlockd";
    if !is_root() || !have(&["/usr/sbin/libvirtd", stock]) || !Path::new(plugin).exists() {
        return skipped("needs root, the stock daemons and their lockd plugin");
    }
    if Target::chosen() == Target::Stock {
        return skipped("takes both daemons; run it without VIRT_TEST_TARGET");
    }
    let host = Host::of(Target::Stock);
    let conf = host.path("etc/libvirt/qemu.conf");
    let text = fs::read_to_string(&conf).unwrap() + "lock_manager = \"lockd\"\n";
    fs::write(&conf, text).unwrap();
    // Their driver, our virtlockd.
    let mut lockd = Lockd::start(host);
    lockd.host.start_daemon();
    let image = image(&lockd.host, "disk.raw");
    lockd.host.define(&guest_with("theirs", &image));
    lockd.host.virsh(&["start", "theirs"]).ok();
    assert!(lockd.holds("theirs"));
    lockd.end(Signal::SIGKILL);
    assert!(is_locked(&image), "their guest keeps its lock, too");
    lockd.spawn();
    assert!(lockd.holds("theirs"));
    lockd.host.virsh(&["destroy", "theirs"]).ok();
    eventually("the lock's end", || !is_locked(&image));
    // Our driver, their virtlockd.
    lockd.end(Signal::SIGTERM);
    lockd.host.stop_daemon(Signal::SIGTERM);
    let log = lockd.host.path("stock-lockd.log");
    let theirs = lockd.host.keeper().spawn(&[stock], &[], &log);
    let socket = lockd.socket();
    eventually("their socket", || UnixStream::connect(&socket).is_ok());
    lockd.host.target = Target::Ours;
    lockd.host.start_daemon();
    lockd.host.virsh(&["start", "theirs"]).ok();
    assert!(is_locked(&image));
    lockd.host.virsh(&["suspend", "theirs"]).ok();
    assert!(!is_locked(&image));
    lockd.host.virsh(&["resume", "theirs"]).ok();
    assert!(is_locked(&image));
    lockd.host.virsh(&["destroy", "theirs"]).ok();
    eventually("the lock's end", || !is_locked(&image));
    send(theirs, Signal::SIGTERM);
}
