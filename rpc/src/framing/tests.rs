//! Any bytes in: an error or packets, never a panic, never more memory than arrived.

use proptest::prelude::*;

use super::*;
use crate::xdr::XdrError;

fn header() -> impl Strategy<Value = Header> {
    (
        any::<u32>(),
        any::<u32>(),
        any::<i32>(),
        0..7,
        any::<u32>(),
        0..3,
    )
        .prop_map(|(prog, vers, proc, kind, serial, status)| Header {
            prog,
            vers,
            proc,
            kind: MessageKind::try_from(kind).unwrap(),
            serial,
            status: Status::try_from(status).unwrap(),
        })
}

fn message() -> impl Strategy<Value = (Header, u32, Vec<u8>)> {
    (
        header(),
        0..=FDS_MAX,
        prop::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(|(header, nfds, payload)| {
            let nfds = if header.kind.has_fds() { nfds } else { 0 };
            (header, nfds, payload)
        })
}

/// Takes all packets out, checking that the reader holds no more than it was given.
fn drain(reader: &mut PacketReader, given: usize) -> Result<Vec<Packet>, FrameError> {
    let mut packets = Vec::new();
    loop {
        assert!(reader.pending() <= given);
        match reader.next_packet()? {
            Some(packet) => packets.push(packet),
            None => return Ok(packets),
        }
    }
}

proptest! {
    #[test]
    fn what_was_appended_comes_out_however_it_is_cut(
        messages in prop::collection::vec(message(), 0..6),
        piece in 1..300_usize,
    ) {
        let mut bytes = Vec::new();
        for (header, nfds, payload) in &messages {
            append(&mut bytes, header, *nfds, payload).unwrap();
            // One dummy byte behind the message for each descriptor.
            bytes.extend(std::iter::repeat_n(0, *nfds as usize));
        }
        let mut reader = PacketReader::new();
        let mut packets = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            packets.extend(drain(&mut reader, bytes.len()).unwrap());
        }
        prop_assert_eq!(reader.pending(), 0);
        let came: Vec<_> = packets
            .into_iter()
            .map(|packet| (packet.header, packet.nfds, packet.payload.to_vec()))
            .collect();
        prop_assert_eq!(came, messages);
    }

    #[test]
    fn any_bytes_are_an_error_or_packets(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        piece in 1..50_usize,
    ) {
        let mut reader = PacketReader::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            if let Err(error) = drain(&mut reader, bytes.len()) {
                prop_assert_eq!(reader.next_packet(), Err(error));
                prop_assert_eq!(reader.pending(), 0);
                break;
            }
        }
    }

    #[test]
    fn a_message_with_one_wrong_byte_is_an_error_or_packets(
        (header, nfds, payload) in message(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        append(&mut bytes, &header, nfds, &payload).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let mut reader = PacketReader::new();
        reader.push(&bytes);
        let _ = drain(&mut reader, bytes.len());
    }
}

#[test]
fn lengths_are_checked_before_anything_arrives() {
    for (length, good) in [
        (0_u32, false),
        (3, false),
        (27, false),
        (28, true),
        (33_554_436, true),
        (33_554_437, false),
        (u32::MAX, false),
    ] {
        let bytes = length.to_be_bytes();
        let found = Frame::cut(&bytes);
        let expected = if good {
            Ok(None)
        } else {
            Err(FrameError::Length(length))
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn a_message_above_the_limit_is_not_appended() {
    let header = Header {
        prog: 1,
        vers: 1,
        proc: 1,
        kind: MessageKind::Reply,
        serial: 0,
        status: Status::Ok,
    };
    let mut out = vec![1, 2, 3];
    let payload = vec![0; PAYLOAD_MAX + 1];
    let appended = append(&mut out, &header, 0, &payload);
    assert_eq!(appended, Err(XdrError::TooBig { max: PAYLOAD_MAX }));
    assert_eq!(out, [1, 2, 3]);
    append(&mut out, &header, 0, &payload[1..]).unwrap();
    assert!(Frame::cut(&out[3..]).unwrap().is_some());
}
