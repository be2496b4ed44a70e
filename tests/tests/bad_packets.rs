//! Packets that no honest client sends: the connection ends or gets an error, the daemon lives,
//! and a connection opened before notices nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use virt_rpc::framing::{Header, MessageKind, Status, append};
use virt_rpc::protocol::remote::{
    ConnectGetHostname, ConnectOpen, ConnectOpenArgs, DomainLookupByName, NodeGetInfo, RemoteError,
};
use virt_rpc::protocol::{Program, RowKind};
use virt_rpc::xdr;
use virt_tests::host::{Host, eventually};
use virt_tests::wire::{Failure, Wire};

const RPC_DOMAIN: i32 = 7;
const ERROR_RPC: i32 = 39;
const ERROR_INTERNAL: i32 = 1;

/// A daemon with an honest client on it.
struct Scene {
    host: Host,
    honest: Wire,
}

impl Scene {
    fn new() -> Self {
        let host = Host::start();
        let honest = host.wire();
        Scene { host, honest }
    }

    fn connect(&self) -> Wire {
        Wire::connect(&self.host.socket()).expect("connect")
    }

    fn open(&self) -> Wire {
        self.host.wire()
    }

    /// The daemon is the same, the honest client's connection works, and newcomers are served.
    fn unharmed(mut self) {
        assert!(
            self.host.daemon_runs(),
            "the daemon died:\n{}",
            self.host.log()
        );
        self.honest
            .call::<ConnectGetHostname>(&())
            .expect("the honest client is served");
        self.open().close().expect("newcomers are served");
    }
}

/// The error a raw packet is answered with.
#[track_caller]
fn error_to(wire: &mut Wire, header: &Header, payload: &[u8]) -> RemoteError {
    wire.send_packet(header, payload).expect("send");
    let packet = wire.receive().expect("an answer");
    assert_eq!(packet.header, header.reply(Status::Error));
    xdr::from_bytes(&packet.payload).expect("an error structure")
}

#[track_caller]
fn is_rpc_error(error: &RemoteError) -> &str {
    assert_eq!(
        (error.code, error.domain),
        (ERROR_RPC, RPC_DOMAIN),
        "{error:?}"
    );
    error.message.as_deref().expect("a message")
}

#[test]
fn impossible_lengths_end_the_connection() {
    let scene = Scene::new();
    for length in [
        0_u32,
        3,
        4,
        27,
        33_554_437,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
    ] {
        let mut wire = scene.open();
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend([0; 24]);
        // The daemon may have hung up before everything was sent.
        let _ = wire.socket().write_all(&bytes);
        assert!(wire.is_closed_by_peer(), "length {length}");
    }
    scene.unharmed();
}

/// The stock daemon passes over an unknown type and refuses an unknown status; hanging up is as good.
#[test]
fn impossible_headers_do_nothing() {
    let scene = Scene::new();
    let valid = scene.connect().header::<ConnectGetHostname>();
    let mut bytes = Vec::new();
    append(&mut bytes, &valid, 0, &[]).unwrap();
    // Words of a message: length, program, version, procedure, kind, serial, status.
    for (word, value) in [(4, 7_u32), (4, 0xffff_ffff), (6, 3), (6, 0x8000_0000)] {
        let mut wire = scene.open();
        let mut bytes = bytes.clone();
        bytes[word * 4..word * 4 + 4].copy_from_slice(&value.to_be_bytes());
        bytes[20..24].copy_from_slice(&4711_u32.to_be_bytes());
        wire.socket().write_all(&bytes).unwrap();
        let after = wire.header::<ConnectGetHostname>();
        let _ = wire.send_packet(&after, &[]);
        match wire.receive() {
            Ok(packet) => assert!(
                packet.header.serial == after.serial || packet.header.status == Status::Error,
                "{value} in word {word}: {packet:?}"
            ),
            Err(Failure::Closed) => {}
            Err(other) => panic!("{value} in word {word}: {other:?}"),
        }
    }
    scene.unharmed();
}

#[test]
fn a_packet_that_never_ends_is_forgotten_with_its_connection() {
    let scene = Scene::new();
    for cut in [1, 3, 4, 5, 27, 28, 40] {
        let mut wire = scene.open();
        let mut bytes = Vec::new();
        append(&mut bytes, &wire.header::<NodeGetInfo>(), 0, &[0; 64]).unwrap();
        wire.socket().write_all(&bytes[..cut]).unwrap();
        drop(wire);
    }
    scene.unharmed();
}

#[test]
fn what_does_not_exist_is_refused_and_the_connection_goes_on() {
    let scene = Scene::new();
    let mut wire = scene.open();
    let known = wire.header::<ConnectGetHostname>();

    let error = error_to(
        &mut wire,
        &Header {
            prog: 0x1234_5678,
            ..known
        },
        &[],
    );
    is_rpc_error(&error);
    let error = error_to(&mut wire, &Header { vers: 2, ..known }, &[]);
    is_rpc_error(&error);
    for status in [Status::Error, Status::Continue] {
        let error = error_to(&mut wire, &Header { status, ..known }, &[]);
        is_rpc_error(&error);
    }
    // Out of range both ways, and an event's number.
    let event = Program::Remote
        .table()
        .iter()
        .find(|row| row.kind == RowKind::Event)
        .unwrap();
    for proc in [0, -1, 100_000, i32::MIN, event.number] {
        let error = error_to(&mut wire, &Header { proc, ..known }, &[]);
        // Clients look for these words.
        assert!(
            is_rpc_error(&error).starts_with("unknown procedure"),
            "{proc}: {error:?}"
        );
    }
    wire.call::<ConnectGetHostname>(&())
        .expect("the connection goes on");
    scene.unharmed();
}

#[test]
fn arguments_that_do_not_decode_are_refused_and_the_connection_goes_on() {
    let scene = Scene::new();
    let mut wire = scene.open();
    let header = wire.header::<DomainLookupByName>();
    let long = 5_000_000_u32;
    let mut too_long = long.to_be_bytes().to_vec();
    too_long.resize(4 + long as usize, b'x');
    let payloads: [&[u8]; 5] = [&[], &[0, 0], &[0xff; 4], &[0, 0, 0, 9, b'a'], &too_long];
    for payload in payloads {
        is_rpc_error(&error_to(&mut wire, &header, payload));
    }
    wire.call::<ConnectGetHostname>(&())
        .expect("the connection goes on");
    scene.unharmed();
}

#[test]
fn every_procedure_answers_nonsense() {
    let scene = Scene::new();
    let mut wire = scene.open();
    for program in [Program::Remote, Program::Qemu] {
        for row in program.table() {
            if row.kind != RowKind::Call || row.name.ends_with("_CONNECT_CLOSE") {
                continue;
            }
            for payload in [&[] as &[u8], &[0xff; 256]] {
                let header = Header {
                    prog: program.number(),
                    proc: row.number,
                    ..wire.header::<ConnectGetHostname>()
                };
                wire.send_packet(&header, payload).expect("send");
                let answer = wire.receive().unwrap_or_else(|failure| {
                    panic!("{} with {} bytes: {failure:?}", row.name, payload.len())
                });
                assert_eq!(
                    (answer.header.proc, answer.header.kind),
                    (row.number, MessageKind::Reply),
                    "{} with {} bytes: {answer:?}",
                    row.name,
                    payload.len()
                );
            }
        }
    }
    scene.unharmed();
}

#[test]
fn the_sequence_of_opening_is_kept() {
    let scene = Scene::new();

    let mut wire = scene.connect();
    let header = wire.header::<ConnectGetHostname>();
    let error = error_to(&mut wire, &header, &[]);
    // The stock daemon takes even root as unknown before it has asked; ours need not.
    assert!(
        [ERROR_RPC, ERROR_INTERNAL].contains(&error.code) && error.domain == RPC_DOMAIN,
        "{error:?}"
    );

    let mut wire = scene.connect();
    wire.call::<virt_rpc::protocol::remote::AuthList>(&())
        .unwrap();
    let header = wire.header::<ConnectGetHostname>();
    let error = error_to(&mut wire, &header, &[]);
    assert_eq!(
        error.code, ERROR_INTERNAL,
        "a call before opening: {error:?}"
    );

    let open = ConnectOpenArgs {
        name: Some(scene.host.served().to_owned()),
        flags: 0,
    };
    wire.call::<ConnectOpen>(&open)
        .expect("the connection goes on");
    let Err(Failure::Refused(error)) = wire.call::<ConnectOpen>(&open) else {
        panic!("opened twice");
    };
    // The stock daemon takes the connection as not opened from here on; ours need not.
    assert_eq!(error.code, ERROR_INTERNAL, "opening twice: {error:?}");
    scene.unharmed();
}

#[test]
fn messages_that_only_servers_send_are_passed_over() {
    let scene = Scene::new();
    let mut wire = scene.open();
    let call = wire.header::<ConnectGetHostname>();
    for (kind, status) in [
        (MessageKind::Reply, Status::Ok),
        (MessageKind::Reply, Status::Error),
        (MessageKind::Message, Status::Ok),
        // Of a stream that does not exist: normal after a close race.
        (MessageKind::Stream, Status::Continue),
        (MessageKind::Stream, Status::Ok),
        (MessageKind::Stream, Status::Error),
    ] {
        wire.send_packet(
            &Header {
                kind,
                status,
                serial: 4711,
                ..call
            },
            &[],
        )
        .unwrap();
    }
    wire.call::<ConnectGetHostname>(&())
        .expect("the connection goes on");
    scene.unharmed();
}

#[test]
fn more_descriptors_than_a_message_may_have_end_the_connection() {
    let scene = Scene::new();
    for count in [33_u32, 0xffff_ffff] {
        let mut wire = scene.open();
        let header = Header {
            kind: MessageKind::CallWithFds,
            ..wire.header::<ConnectGetHostname>()
        };
        let mut bytes = Vec::new();
        append(&mut bytes, &header, 1, &[]).unwrap();
        bytes[28..32].copy_from_slice(&count.to_be_bytes());
        let _ = wire.socket().write_all(&bytes);
        assert!(wire.is_closed_by_peer(), "{count} descriptors");
    }
    scene.unharmed();
}

#[test]
fn descriptors_that_a_call_does_not_want_are_closed() {
    let scene = Scene::new();
    let mut wire = scene.open();
    let (read, write): (OwnedFd, OwnedFd) = nix::unistd::pipe().unwrap();
    let header = Header {
        kind: MessageKind::CallWithFds,
        ..wire.header::<ConnectGetHostname>()
    };
    let mut bytes = Vec::new();
    append(&mut bytes, &header, 1, &[]).unwrap();
    wire.socket().write_all(&bytes).unwrap();
    sendmsg::<()>(
        wire.socket().as_raw_fd(),
        &[IoSlice::new(&[0])],
        &[ControlMessage::ScmRights(&[write.as_raw_fd()])],
        MsgFlags::empty(),
        None,
    )
    .unwrap();
    drop(write);
    assert_eq!(wire.receive().expect("a reply").header.proc, header.proc);
    // The daemon held the last writing end: its closing is the end of the file.
    let mut rest = Vec::new();
    File::from(read).read_to_end(&mut rest).unwrap();
    wire.call::<ConnectGetHostname>(&())
        .expect("the connection goes on");
    scene.unharmed();
}

#[test]
fn a_thousand_random_beginnings_harm_no_one() {
    let scene = Scene::new();
    let before = open_files(&scene.host);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..1000 {
        let mut wire = scene.connect();
        let mut bytes: Vec<u8> = (0..random() % 200)
            .map(|_| random().to_be_bytes()[0])
            .collect();
        if round % 2 == 0 && bytes.len() > 8 {
            // A believable length and program, so that more than the first check is met.
            let length = u32::try_from(bytes.len()).unwrap();
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            bytes[4..8].copy_from_slice(&Program::Remote.number().to_be_bytes());
        }
        let _ = wire.socket().write_all(&bytes);
    }
    eventually("descriptors of closed connections closed", || {
        open_files(&scene.host) <= before + 2
    });
    scene.unharmed();
}

fn open_files(host: &Host) -> usize {
    let pid = host.daemon_pid();
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the daemon's descriptors")
        .count()
}
