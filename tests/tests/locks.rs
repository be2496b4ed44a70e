//! virtlockd itself, without guests: replaced amid a storm of calls, in front of file systems that
//! don't answer, and of clients that mean harm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use virt_error::ErrorCode;
use virt_rpc::protocol::admin;
use virt_rpc::protocol::lock::*;
use virt_rpc::xdr;
use virt_tests::host::{Host, eventually, send};
use virt_tests::keeper::sibling;
use virt_tests::lock_client::{Resource, answer, is_busy};
use virt_tests::lockd::{Lockd, image, is_locked};
use virt_tests::target::{Target, is_root, skipped};
use virt_tests::wire::{Failure, Wire};

/// A process that is there and that no connection is from.
const OTHER: u32 = 1;

fn lockd() -> Option<Lockd> {
    if Target::chosen() == Target::Stock {
        skipped("is about our virtlockd");
        return None;
    }
    Some(Lockd::start(Host::of(Target::Ours)))
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable);
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// `VIRT_STORM_SECONDS=60 VIRT_STORM_REPLACEMENTS=200` is the long form.
#[test]
fn replacements_amid_a_storm_cost_no_call_no_lock_and_no_descriptor() {
    const CLIENTS: usize = 32;
    const EACH: usize = 6;
    let Some(lockd) = lockd() else {
        return;
    };
    let length = Duration::from_secs(number("VIRT_STORM_SECONDS", 8));
    let replacements = number("VIRT_STORM_REPLACEMENTS", 25);
    let space = lockd.host.path("space");
    let images = (0..EACH).map(|n| Resource::image(&image(&lockd.host, &format!("image{n}"))));
    let leases = (0..EACH).map(|n| Resource::lease(&space, &format!("lease{n}")));
    let resources: Vec<_> = images.chain(leases).collect();
    let table_path = lockd.host.path("table");
    fs::write(&table_path, vec![0; resources.len() * 4]).unwrap();
    let table = fs::File::options().write(true).open(&table_path).unwrap();
    let mut prober = Command::new(sibling("prober"))
        .arg(&table_path)
        .args(resources.iter().map(Resource::path))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|n| lockd.client(&format!("storm{n}"), OTHER))
        .collect();
    clients[0].space(&space).unwrap();
    let before = lockd.descriptors();
    let over = AtomicBool::new(false);
    let (pairs, busy, longest) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for (n, client) in clients.iter_mut().enumerate() {
            let (over, table, resources) = (&over, &table, &resources);
            let (pairs, busy, longest) = (&pairs, &busy, &longest);
            scope.spawn(move || {
                let mut place = n;
                while !over.load(Ordering::Relaxed) {
                    place = (place * 7 + 3 + n) % resources.len();
                    let resource = &resources[place];
                    let started = Instant::now();
                    let taken = client.acquire(resource);
                    let took = started.elapsed().as_millis();
                    longest.fetch_max(u64::try_from(took).unwrap(), Ordering::Relaxed);
                    if is_busy(taken) {
                        busy.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    taken.unwrap();
                    let at = place as u64 * 4;
                    table.write_all_at(&[1; 4], at).unwrap();
                    table.write_all_at(&[0; 4], at).unwrap();
                    client.release(resource).unwrap();
                    pairs.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let started = Instant::now();
        for n in 1..=replacements {
            lockd.replace();
            // Evenly over the whole time.
            let due = length.mul_f64(n as f64 / replacements as f64);
            thread::sleep(due.saturating_sub(started.elapsed()));
        }
        over.store(true, Ordering::Relaxed);
    });
    drop(prober.stdin.take());
    let mut found = String::new();
    let mut output = prober.stdout.take().unwrap();
    output.read_to_string(&mut found).unwrap();
    assert!(prober.wait().unwrap().success());
    let (pairs, busy) = (pairs.into_inner(), busy.into_inner());
    println!(
        "{replacements} replacements, {pairs} pairs, {busy} times busy, longest call {} ms; \
         prober (locks had, two owners): {found}",
        longest.into_inner()
    );
    assert!(pairs > 0);
    let (had, double) = found.trim().split_once(' ').unwrap();
    assert_ne!(had, "0");
    assert_eq!(double, "0", "two owners");
    assert!(
        resources
            .iter()
            .all(|resource| !is_locked(&resource.path()))
    );
    assert!(!lockd.log().contains("is not replaced"), "{}", lockd.log());
    // What had something to wait for ends when it has nothing for a while. A daemon that has only
    // just begun had not everything open when it was counted.
    eventually("no descriptor for each replacement and no process", || {
        (lockd.descriptors().saturating_sub(before) as u64) < replacements && lockd.children() == 0
    });
}

#[test]
fn an_administrator_who_is_connected_notices_no_replacement() {
    let Some(lockd) = lockd() else {
        return;
    };
    let socket = lockd.host.path("run/libvirt/virtlockd-admin-sock");
    // It is there a moment later than the one that was waited for.
    let mut silent = None;
    eventually("the administrators' socket", || {
        silent = Wire::connect(&socket).ok();
        silent.is_some()
    });
    let mut silent = silent.unwrap();
    let mut open = Wire::connect(&socket).unwrap();
    let opened = admin::ConnectOpenArgs { flags: 0 };
    open.call::<admin::ConnectOpen>(&opened).unwrap();
    // One whose message is half sent.
    let mut half = Wire::connect(&socket).unwrap();
    half.queue::<admin::ConnectOpen>(&opened);
    let header = half.header::<admin::ConnectOpen>();
    let mut message = Vec::new();
    virt_rpc::framing::append_with(&mut message, &header, 0, |out| {
        xdr::Encode::encode(&opened, out)
    })
    .unwrap();
    let mut half = Wire::connect(&socket).unwrap();
    half.socket().write_all(&message[..9]).unwrap();
    let clients = |wire: &mut Wire| {
        let srv = admin::NonnullServer {
            name: "admin".to_owned(),
        };
        let args = admin::ServerListClientsArgs {
            srv,
            need_results: 1,
            flags: 0,
        };
        let listed = wire.call::<admin::ServerListClients>(&args).unwrap();
        let mut ids: Vec<_> = listed.clients.iter().map(|client| client.id).collect();
        ids.sort_unstable();
        ids
    };
    let before = clients(&mut open);
    assert_eq!(before.len(), 4);
    for _ in 0..3 {
        lockd.replace();
    }
    assert_eq!(clients(&mut open), before);
    half.socket().write_all(&message[9..]).unwrap();
    half.reply::<admin::ConnectOpen>(header.serial).unwrap();
    assert_eq!(clients(&mut half), before);
    silent.call::<admin::ConnectOpen>(&opened).unwrap();
    if Path::new("/usr/bin/virt-admin").exists() {
        let uri = format!("libvirtd:///system?socket={}", socket.display());
        let listed = lockd
            .host
            .shell(&format!("virt-admin -c '{uri}' client-list virtlockd"));
        listed.ok();
    }
}

/// A folder whose file system never answers; none where there is no such thing.
fn silent_folder(lockd: &Lockd) -> Option<PathBuf> {
    if !is_root() || !Path::new("/dev/fuse").exists() {
        skipped("needs root and /dev/fuse");
        return None;
    }
    let folder = lockd.host.path("silent");
    fs::create_dir(&folder).unwrap();
    let program = sibling("silent_mount").to_string_lossy().into_owned();
    let words = [program.as_str(), folder.to_str().unwrap()];
    let log = lockd.host.path("mount.log");
    lockd.host.keeper().spawn(&words, &[], &log);
    let mounts = format!("/proc/{}/mountinfo", lockd.pid);
    eventually("the silent file system", || {
        fs::read_to_string(&mounts).unwrap().contains("/silent ")
    });
    Some(folder)
}

fn timed_out() -> Result<(), i32> {
    Err(ErrorCode::OperationTimeout.number())
}

#[test]
fn a_file_system_that_does_not_answer_costs_its_own_callers_alone() {
    let Some(lockd) = lockd() else {
        return;
    };
    let Some(silent) = silent_folder(&lockd) else {
        return;
    };
    let healthy = Resource::image(&image(&lockd.host, "healthy"));
    let space = lockd.host.path("space");
    let lease = Resource::lease(&space, "lease");
    let mut client = lockd.client("healthy", OTHER);
    client.space(&space).unwrap();
    let idle = lockd.descriptors();
    // More than there are processes for one file system.
    let mut stuck: Vec<_> = (0..20)
        .map(|n| {
            let mut client = lockd.client(&format!("stuck{n}"), OTHER);
            let resource = Resource::image(&silent.join(format!("image{n}")));
            let serial = client
                .0
                .send::<AcquireResource>(&resource.acquire())
                .unwrap();
            (client, serial)
        })
        .collect();
    let mut in_space = lockd.client("in space", OTHER);
    let create = CreateLockspaceArgs {
        path: silent.join("space").to_string_lossy().into_owned(),
    };
    let serial = in_space.0.send::<CreateLockspace>(&create).unwrap();
    let mut pairs = 0;
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(1) {
        for resource in [&healthy, &lease] {
            client.acquire(resource).unwrap();
            client.release(resource).unwrap();
        }
        pairs += 1;
    }
    assert!(pairs > 10, "{pairs} pairs in a second");
    assert!(lockd.children() <= 8 + 2, "{} processes", lockd.children());
    for (client, serial) in &mut stuck {
        let answered = answer(client.0.reply::<AcquireResource>(*serial));
        assert_eq!(answered, timed_out());
    }
    let made = answer(in_space.0.reply::<CreateLockspace>(serial));
    assert_eq!(made, timed_out());
    assert_eq!(lockd.leases().trim(), "[]");
    drop((stuck, in_space));
    eventually("the end of all that waited", || {
        lockd.children() <= 2 && lockd.descriptors() < idle + 20
    });
}

#[test]
fn the_program_is_replaced_while_a_call_waits_for_a_file_system() {
    let Some(lockd) = lockd() else {
        return;
    };
    let Some(silent) = silent_folder(&lockd) else {
        return;
    };
    let held = Resource::image(&image(&lockd.host, "held"));
    let mut client = lockd.client("held", OTHER);
    client.acquire(&held).unwrap();
    let mut stuck = lockd.client("stuck", OTHER);
    let resource = Resource::image(&silent.join("image"));
    let serial = stuck
        .0
        .send::<AcquireResource>(&resource.acquire())
        .unwrap();
    eventually("a process that waits", || lockd.children() > 0);
    lockd.replace();
    // It is answered, and stays connected.
    let answered = answer(stuck.0.reply::<AcquireResource>(serial));
    assert_eq!(answered, timed_out());
    assert!(is_busy(stuck.acquire(&held)));
    assert!(is_locked(&held.path()));
    client.release(&held).unwrap();
    stuck.acquire(&held).unwrap();
    eventually("the end of what waited", || lockd.children() == 0);
}

/// A disk of ext4 that can be frozen; undone at its end.
struct Freezer<'a> {
    host: &'a Host,
    folder: PathBuf,
}

impl<'a> Freezer<'a> {
    fn new(host: &'a Host) -> Option<Self> {
        let folder = host.path("frozen");
        let disk = host.path("disk.ext4");
        fs::create_dir(&folder).unwrap();
        fs::File::create(&disk).unwrap().set_len(16 << 20).unwrap();
        let (disk, at) = (disk.display(), folder.display());
        let script = format!("mkfs.ext4 -q {disk} && mount -o loop {disk} {at}");
        match host.inside(&["sh", "-c", &script]).code {
            0 => Some(Self { host, folder }),
            _ => None,
        }
    }

    fn freeze(&self, freeze: bool) {
        let option = if freeze { "-f" } else { "-u" };
        let folder = self.folder.to_string_lossy();
        self.host.inside(&["fsfreeze", option, &folder]).ok();
    }
}

impl Drop for Freezer<'_> {
    fn drop(&mut self) {
        let folder = self.folder.to_string_lossy();
        // Not frozen is well, too.
        self.host.inside(&["fsfreeze", "-u", &folder]);
        self.host.inside(&["umount", "-l", &folder]);
    }
}

#[test]
fn a_frozen_disk_holds_up_what_is_written_to_it_and_nothing_else() {
    let Some(lockd) = lockd() else {
        return;
    };
    if !is_root() || !Path::new("/dev/loop-control").exists() {
        return skipped("needs root and loop devices");
    }
    let Some(freezer) = Freezer::new(&lockd.host) else {
        return skipped("ext4 can't be mounted from a file here");
    };
    let inside = |script: &str| lockd.host.inside(&["sh", "-c", script]).ok();
    let inner = freezer.folder.join("image");
    inside(&format!("echo > {}", inner.display()));
    let space = freezer.folder.join("space");
    let mut client = lockd.client("frozen", OTHER);
    client.space(&space).unwrap();
    let (taken, wanted) = (
        Resource::lease(&space, "taken"),
        Resource::lease(&space, "wanted"),
    );
    client.acquire(&taken).unwrap();
    freezer.freeze(true);
    // An image is locked and unlocked from memory.
    let inner = Resource::image(&inner);
    client.acquire(&inner).unwrap();
    client.release(&inner).unwrap();
    let mut other = lockd.client("other", OTHER);
    let asked = other.0.send::<AcquireResource>(&wanted.acquire()).unwrap();
    let mut third = lockd.client("third", OTHER);
    let given = third.0.send::<ReleaseResource>(&taken.release()).unwrap();
    let healthy = Resource::image(&image(&lockd.host, "healthy"));
    client.acquire(&healthy).unwrap();
    client.release(&healthy).unwrap();
    assert_eq!(answer(other.0.reply::<AcquireResource>(asked)), timed_out());
    // What is being given back is nobody's to take, and no reason to lose it on the way.
    assert_eq!(answer(third.0.reply::<ReleaseResource>(given)), timed_out());
    send(lockd.pid, Signal::SIGUSR1);
    eventually("the refusal to be replaced", || {
        lockd.log().contains("'taken' is being given back")
    });
    client.acquire(&healthy).unwrap();
    freezer.freeze(false);
    let lists = || lockd.leases();
    eventually("what was given back", || !lists().contains("taken"));
    client.acquire(&taken).unwrap();
    client.acquire(&wanted).unwrap();
    lockd.replace();
    client.release(&taken).unwrap();
    client.release(&wanted).unwrap();
    let left = inside(&format!("ls {}", space.display()));
    assert_eq!(left, "");
    client.release(&healthy).unwrap();
    lockd.end(Signal::SIGTERM);
}

#[test]
fn hostile_clients_are_refused_and_change_nothing() {
    let Some(lockd) = lockd() else {
        return;
    };
    let space = lockd.host.path("space");
    let mut client = lockd.client("evil", OTHER);
    client.space(&space).unwrap();
    let invalid = Err(ErrorCode::InvalidArg.number());
    for name in ["", ".", "..", "../x", "/x", "a/b"] {
        assert_eq!(
            client.acquire(&Resource::lease(&space, name)),
            invalid,
            "{name:?}"
        );
    }
    for name in ["relative", ""] {
        let image = Resource::image(Path::new(name));
        assert_eq!(client.acquire(&image), invalid, "{name:?}");
    }
    for folder in ["relative", "/a/../b"] {
        assert_eq!(client.space(Path::new(folder)), invalid, "{folder:?}");
    }
    // No string of the protocol has a NUL byte.
    let garbled = Err(ErrorCode::Rpc.number());
    assert_eq!(client.acquire(&Resource::lease(&space, "a\0b")), garbled);
    assert_eq!(
        client.acquire(&Resource::image(Path::new("/a\0b"))),
        garbled
    );
    assert_eq!(client.space(Path::new("/a\0b")), garbled);
    // As long as the protocol allows, which is longer than the kernel does.
    for length in [256, 4096, 65_000] {
        let long = "x".repeat(length);
        assert!(client.acquire(&Resource::lease(&space, &long)).is_err());
        let path = lockd.host.path(&long);
        assert!(client.acquire(&Resource::image(&path)).is_err());
        assert!(client.space(&path).is_err());
    }
    // Longer than that is no message of the protocol.
    let mut payload = 0_u32.to_be_bytes().to_vec();
    payload.extend(65_537_u32.to_be_bytes());
    payload.extend([b'/'; 65_540]);
    payload.extend(0_u32.to_be_bytes());
    let mut wire = Wire::connect(&lockd.socket()).unwrap();
    let header = wire.header::<AcquireResource>();
    wire.send_packet(&header, &payload).unwrap();
    let refused = wire.reply::<AcquireResource>(header.serial);
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    // Flags that nobody knows, processes that nobody is, guests without an id.
    let image = Resource::image(&image(&lockd.host, "image"));
    let mut args = image.acquire();
    args.flags = 4;
    assert_eq!(answer(client.0.call::<AcquireResource>(&args)), invalid);
    let mut nobody = lockd.client("nobody", 4_000_000);
    assert!(nobody.acquire(&image).is_err());
    let mut huge = lockd.client("huge", u32::MAX);
    assert!(huge.acquire(&image).is_err());
    assert!(!is_locked(&image.path()));
    assert_eq!(lockd.leases().trim(), "[]");
    assert_eq!(fs::read_dir(&space).unwrap().count(), 0);
    // Sizes that are none end the connection and nothing else.
    for size in [0_u32, 27, 33_554_433, u32::MAX] {
        let mut wire = Wire::connect(&lockd.socket()).unwrap();
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend([0xff; 64]);
        wire.socket().write_all(&bytes).unwrap();
        assert!(wire.is_closed_by_peer(), "size {size}");
    }
    // A string that claims more than there is.
    let mut wire = Wire::connect(&lockd.socket()).unwrap();
    let header = wire.header::<CreateLockspace>();
    wire.send_packet(&header, &u32::MAX.to_be_bytes()).unwrap();
    let refused = wire.reply::<CreateLockspace>(header.serial);
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    client.acquire(&image).unwrap();
}

#[test]
fn ten_thousand_resources_of_one_client_are_had_replaced_and_given_back() {
    let Some(lockd) = lockd() else {
        return;
    };
    let folder = lockd.host.path("images");
    fs::create_dir(&folder).unwrap();
    let resources: Vec<_> = (0..10_000)
        .map(|n| {
            let path = folder.join(format!("image{n}"));
            fs::write(&path, "").unwrap();
            Resource::image(&path)
        })
        .collect();
    let mut client = lockd.client("greedy", OTHER);
    let before = lockd.descriptors();
    for resource in &resources {
        client.acquire(resource).unwrap();
    }
    lockd.replace();
    let mut other = lockd.client("other", OTHER);
    for resource in resources.iter().step_by(997) {
        assert!(is_busy(other.acquire(resource)));
        assert!(is_locked(&resource.path()));
    }
    for resource in &resources {
        client.release(resource).unwrap();
    }
    drop(other);
    eventually("no descriptor for each image", || {
        lockd.descriptors() < before + 100
    });
}

#[test]
fn who_is_not_the_daemons_user_is_not_served() {
    let Some(lockd) = lockd() else {
        return;
    };
    if !is_root() {
        return skipped("needs root to be someone else");
    }
    // The folder's own permissions are not what is tried here.
    let open = "import os, socket, sys\nos.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n\
                s = socket.socket(socket.AF_UNIX)\ntry:\n    s.connect(sys.argv[1])\n\
                except PermissionError:\n    print('refused')\n";
    let socket = lockd.socket();
    for folder in socket.ancestors().skip(1) {
        if folder.starts_with(lockd.host.root()) {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(folder, mode).unwrap();
        }
    }
    let socket = socket.to_string_lossy();
    let tried = lockd
        .host
        .inside(&["/usr/bin/python3", "-c", open, &socket]);
    assert_eq!(tried.ok().trim(), "refused");
}

#[test]
fn a_process_that_is_gone_is_given_nothing() {
    let Some(lockd) = lockd() else {
        return;
    };
    let image = Resource::image(&image(&lockd.host, "image"));
    let mut child = Command::new("true").spawn().unwrap();
    // It has ended, and nobody has taken notice: its number is still its own.
    let stat = format!("/proc/{}/stat", child.id());
    eventually("the end of true", || {
        fs::read_to_string(&stat).unwrap().contains(") Z ")
    });
    let mut client = lockd.client("gone", child.id());
    assert_eq!(
        client.acquire(&image),
        Err(ErrorCode::OperationInvalid.number())
    );
    assert!(!is_locked(&image.path()));
    child.wait().unwrap();
}
