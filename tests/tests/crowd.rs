//! Clients that are many, slow or deaf: the daemon's memory stays bounded and others are served.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use virt_rpc::framing::{Header, append};
use virt_rpc::protocol::remote::{
    ConnectDomainEventCallbackRegisterAny, ConnectDomainEventCallbackRegisterAnyArgs,
    ConnectGetCapabilities, ConnectGetHostname, DomainDefineXml, DomainDefineXmlArgs,
    DomainUndefine, DomainUndefineArgs,
};
use virt_tests::host::{Host, eventually};
use virt_tests::measure::resident;
use virt_tests::target::{Target, is_root, skipped};
use virt_tests::wire::Wire;

fn open(host: &Host) -> Wire {
    host.wire()
}

/// In KiB.
const MIB: u64 = 1024;

const CROWD: usize = 10_000;

/// Raises the limit of open files, which children inherit; whether there is room for a crowd.
fn room_for_a_crowd() -> bool {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    if most < CROWD as u64 + 100 {
        skipped(&format!("only {most} files may be open here"));
    }
    most >= CROWD as u64 + 100
}

#[test]
fn ten_thousand_idle_connections() {
    let mut host = Host::without_daemon();
    if host.target == Target::Stock {
        skipped("the stock daemon takes 20 clients that have not said who they are");
        return;
    }
    if !room_for_a_crowd() {
        return;
    }
    let conf = host.path("etc/libvirt/virtqemud.conf");
    fs::write(conf, "max_clients = 20000\n").unwrap();
    host.start_daemon();
    let before = resident(host.daemon_pid()).all;

    let crowd: Vec<UnixStream> = (0..CROWD)
        .map(|_| UnixStream::connect(host.socket()).expect("connect"))
        .collect();
    host.virsh(&["list", "--all"]).ok();
    open(&host)
        .call::<ConnectGetHostname>(&())
        .expect("others are served");
    let grown = resident(host.daemon_pid()).all.saturating_sub(before);
    assert!(
        grown < 100 * MIB,
        "{CROWD} idle connections take {grown} KiB"
    );

    drop(crowd);
    eventually("the crowd's descriptors closed", || files(&host) < 100);
    open(&host)
        .call::<ConnectGetHostname>(&())
        .expect("served after the crowd");
}

fn files(host: &Host) -> usize {
    let pid = host.daemon_pid();
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Opens as many connections as it can and keeps them.
const STRANGER: &str = r#"
import socket, sys, time
held = []
patience = 200
while len(held) < int(sys.argv[2]) and patience:
    one = socket.socket(socket.AF_UNIX)
    one.setblocking(False)
    try:
        one.connect(sys.argv[1])
        held.append(one)
    except BlockingIOError:
        # The backlog is full.
        patience -= 1
        time.sleep(0.01)
print("holding", len(held), flush=True)
time.sleep(1000)
"#;

/// Someone who may not use the daemon must not keep others from it.
#[test]
fn a_strangers_idle_connections() {
    if !is_root() {
        skipped("only root can be a stranger too");
        return;
    }
    let host = Host::start();
    if host.target == Target::Stock {
        skipped("the stock daemon takes 20 clients that have not said who they are");
        return;
    }
    if !room_for_a_crowd() {
        return;
    }
    let before = resident(host.daemon_pid()).all;
    let (socket, count) = (host.socket(), CROWD.to_string());
    let log = host.path("stranger.log");
    host.keeper().spawn(
        &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--",
            "/usr/bin/python3",
            "-c",
            STRANGER,
            &socket.to_string_lossy(),
            &count,
        ],
        &[],
        &log,
    );
    eventually("the stranger's connections", || {
        fs::read_to_string(&log).is_ok_and(|said| said.contains("holding"))
    });
    host.virsh(&["list", "--all"]).ok();
    for _ in 0..20 {
        open(&host).close().expect("others are served");
    }
    let grown = resident(host.daemon_pid()).all.saturating_sub(before);
    let said = fs::read_to_string(&log).unwrap();
    assert!(grown < 100 * MIB, "{said}: {grown} KiB");
}

#[test]
fn one_byte_at_a_time() {
    let host = Host::start();
    let mut patient = open(&host);
    let mut bytes = Vec::new();
    append(&mut bytes, &patient.header::<ConnectGetHostname>(), 0, &[]).unwrap();
    for byte in &bytes {
        patient.socket().write_all(&[*byte]).unwrap();
        open(&host)
            .call::<ConnectGetHostname>(&())
            .expect("others are served meanwhile");
    }
    patient
        .receive()
        .expect("the slow sender is answered in the end");
}

#[test]
fn promised_bytes_take_no_memory_before_they_arrive() {
    let host = Host::start();
    let before = {
        open(&host).close().unwrap();
        resident(host.daemon_pid()).all
    };
    // Together they promise 1.5 GiB.
    let mut promising = Vec::new();
    for _ in 0..48 {
        let mut wire = open(&host);
        let header = wire.header::<ConnectGetHostname>();
        let mut bytes = Vec::new();
        append(&mut bytes, &header, 0, &[0; 64]).unwrap();
        bytes[..4].copy_from_slice(&33_554_436_u32.to_be_bytes());
        wire.socket().write_all(&bytes).unwrap();
        promising.push(wire);
    }
    // Answered behind them: they have been read.
    open(&host)
        .call::<ConnectGetHostname>(&())
        .expect("others are served");
    sleep(Duration::from_millis(200));
    let grown = resident(host.daemon_pid()).all.saturating_sub(before);
    assert!(grown < 32 * MIB, "48 promises of 32 MiB take {grown} KiB");
}

#[test]
fn a_client_that_never_reads_its_replies() {
    let host = Host::start();
    open(&host)
        .call::<ConnectGetCapabilities>(&())
        .expect("warm up");
    let before = resident(host.daemon_pid()).all;

    let mut deaf = open(&host);
    let header = deaf.header::<ConnectGetCapabilities>();
    let mut calls = Vec::new();
    for serial in 0..1000 {
        append(&mut calls, &Header { serial, ..header }, 0, &[]).unwrap();
    }
    // A gigabyte of replies and more are asked for, until the daemon reads no further.
    deaf.socket().set_nonblocking(true).unwrap();
    let mut asked = 0_usize;
    let mut pauses = 0;
    while asked < 100_000 * 28 && pauses < 20 {
        let rest = &calls[asked % calls.len()..];
        match deaf.socket().write(rest) {
            Ok(written) => {
                asked += written;
                pauses = 0;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                pauses += 1;
                sleep(Duration::from_millis(50));
            }
            // Hanging up on such a client is an answer too.
            Err(_) => break,
        }
    }
    open(&host)
        .call::<ConnectGetHostname>(&())
        .expect("others are served");
    let grown = resident(host.daemon_pid()).all.saturating_sub(before);
    assert!(
        grown < 48 * MIB,
        "replies that nobody reads take {grown} KiB"
    );
    assert!(
        asked < 100_000 * 28,
        "the daemon went on reading calls whose replies it cannot send"
    );
}

#[test]
fn a_client_that_never_reads_its_events() {
    const LIFECYCLE: i32 = 0;
    let host = Host::start();
    if host.target == Target::Stock {
        skipped("the stock daemon keeps them all, some 7 KiB for each");
        return;
    }
    let mut deaf = open(&host);
    deaf.call::<ConnectDomainEventCallbackRegisterAny>(
        &ConnectDomainEventCallbackRegisterAnyArgs {
            eventID: LIFECYCLE,
            dom: None,
        },
    )
    .expect("register");
    let before = resident(host.daemon_pid()).all;
    // Each round is two events of some 300 bytes; ten sockets' worth of them.
    let name = "n".repeat(200);
    let xml = virt_tests::guest::firmware_only(&name, "");
    let mut busy = open(&host);
    for _ in 0..2500 {
        let defined = busy
            .call::<DomainDefineXml>(&DomainDefineXmlArgs { xml: xml.clone() })
            .expect("define");
        busy.call::<DomainUndefine>(&DomainUndefineArgs { dom: defined.dom })
            .expect("undefine");
    }
    let grown = resident(host.daemon_pid()).all.saturating_sub(before);
    assert!(
        grown < 16 * MIB,
        "events that nobody reads take {grown} KiB"
    );
    busy.close().expect("others are served");
}
