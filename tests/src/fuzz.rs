//! What fuzzing feeds with arbitrary bytes. Each function takes any bytes and returns; a panic is
//! a finding. The targets in `tests/fuzz` call these, and so does a test with random input, for
//! machines without a fuzzer.

pub mod many;
pub mod pipeline;

use virt_domain::{Domain, View};
use virt_rpc::framing::{BODY_MAX, PacketReader, append};
use virt_rpc::protocol::{
    EventMessage, Procedure, Program, Visitor, Wire, admin, decisions, keepalive, leases, lock,
    log, lxc, lxc_monitor, qemu, records, remote,
};
use virt_rpc::xdr;

/// Bytes as they come from a socket, cut into pieces: the first byte says how long the pieces
/// are. Packets that come out are written again and must come out the same.
pub fn framing(data: &[u8]) {
    let Some((piece, stream)) = data.split_first() else {
        return;
    };
    let mut reader = PacketReader::new();
    for piece in stream.chunks(usize::from(*piece) + 1) {
        reader.push(piece);
        loop {
            match reader.next_packet() {
                Ok(Some(packet)) => {
                    assert!(packet.payload.len() <= BODY_MAX);
                    let mut written = Vec::new();
                    append(&mut written, &packet.header, packet.nfds, &packet.payload)
                        .expect("what was read can be written");
                    // Descriptors are announced by a dummy byte each, behind the message.
                    written.resize(written.len() + packet.nfds as usize, 0);
                    let mut again = PacketReader::new();
                    again.push(&written);
                    assert_eq!(again.next_packet(), Ok(Some(packet)));
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next_packet(), Err(error), "an error stays");
                    return;
                }
            }
        }
        assert!(reader.pending() <= stream.len());
    }
}

/// Arguments, replies and events of every procedure: the first two bytes choose the program and
/// the procedure, the rest is what came. What decodes must encode, and decode to the same.
pub fn xdr_arguments(data: &[u8]) {
    let Some((chosen, payload)) = data.split_first_chunk::<3>() else {
        return;
    };
    let program = Program::ALL[usize::from(chosen[0]) % Program::ALL.len()];
    let number = i32::from(u16::from_be_bytes([chosen[1], chosen[2]]))
        % i32::try_from(program.table().len()).unwrap_or(1)
        + 1;
    let mut decode = DecodeOne { number, payload };
    match program {
        Program::Remote => remote::visit(&mut decode),
        Program::Qemu => qemu::visit_all(&mut decode),
        Program::Lxc => lxc::visit_all(&mut decode),
        Program::Admin => admin::visit_all(&mut decode),
        Program::Lock => lock::visit_all(&mut decode),
        Program::Log => log::visit_all(&mut decode),
        Program::Keepalive => keepalive::visit_all(&mut decode),
        Program::LxcMonitor => lxc_monitor::visit_all(&mut decode),
        Program::Leases => leases::visit_all(&mut decode),
        Program::Decisions => decisions::visit_all(&mut decode),
        Program::Records => records::visit_all(&mut decode),
    }
}

/// Decodes as one procedure, whose number it is shown among all.
struct DecodeOne<'a> {
    number: i32,
    payload: &'a [u8],
}

impl Visitor for DecodeOne<'_> {
    fn call<P: Procedure>(&mut self) {
        if P::ROW.number == self.number {
            if let Some(args) = round_trip::<P::Args>(self.payload) {
                // The rules that look at arguments must take any.
                let _ = P::denied_when_readonly(&args);
                let _ = P::acl(&args).count();
            }
            round_trip::<P::Ret>(self.payload);
        }
    }

    fn event<E: EventMessage>(&mut self) {
        if E::ROW.number == self.number {
            round_trip::<E::Msg>(self.payload);
        }
    }
}

fn round_trip<T: Wire>(payload: &[u8]) -> Option<T> {
    let value = xdr::from_bytes::<T>(payload).ok()?;
    let written = xdr::to_bytes(&value).expect("what was decoded can be encoded");
    let again = xdr::from_bytes::<T>(&written).expect("and decoded again");
    // By their bytes: a double may be a NaN, which equals nothing.
    let rewritten = xdr::to_bytes(&again).expect("and encoded again");
    assert_eq!(written, rewritten);
    Some(value)
}

/// A guest's definition. What is accepted must be written as something that is accepted. Reading
/// may settle something more then (a default where nothing is written), and nothing after that.
pub fn domain_xml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(domain) = Domain::read(text) else {
        return;
    };
    for view in [
        View::default(),
        View {
            secure: true,
            ..View::default()
        },
    ] {
        let mut written = domain.to_xml(view);
        let mut again = || {
            let domain = Domain::read(&written)
                .unwrap_or_else(|error| panic!("{error}\nof\n{written}\nread from\n{text}"));
            written = domain.to_xml(view);
            written.clone()
        };
        let settled = again();
        assert_eq!(settled, again(), "read from\n{text}");
    }
}
