//! Bytes that are not what the protocol says: their connection ends, others notice nothing.

use virt_rpc::framing::{Header, MessageKind, Status, append};
use virt_rpc::protocol::remote::ConnectGetUri;
use virt_rpc::protocol::{Procedure, Program};

use crate::fixture::{Raw, connect, open_args, router, server, within};

#[tokio::test]
async fn bytes_that_are_no_messages_end_their_connection() {
    let server = server(router());
    let bystander = connect(&server).await;
    let header = Raw::new(&server).header(1);
    let mut good = Vec::new();
    append(&mut good, &header, 0, &open_args()).unwrap();
    let spoil = |place: usize, value: [u8; 4]| {
        let mut bytes = good.clone();
        bytes[place..place + 4].copy_from_slice(&value);
        bytes
    };
    let with_fds = |count: u32| {
        let mut bytes = Vec::new();
        let header = Header {
            kind: MessageKind::CallWithFds,
            ..header
        };
        append(&mut bytes, &header, 1, &[]).unwrap();
        bytes[28..32].copy_from_slice(&count.to_be_bytes());
        bytes.extend(vec![0; count.min(64) as usize]);
        bytes
    };
    for bytes in [
        spoil(0, [0, 0, 0, 3]),
        spoil(0, [0, 0, 0, 27]),
        spoil(0, [255; 4]),
        spoil(0, (33_554_436_u32 + 1).to_be_bytes()),
        spoil(16, [0, 0, 0, 7]),
        spoil(24, [0, 0, 0, 3]),
        // Descriptors that never came, and more than may come.
        with_fds(1),
        with_fds(33),
        with_fds(u32::MAX),
    ] {
        let mut raw = Raw::new(&server);
        raw.bytes(&bytes).await;
        assert!(raw.next().await.is_none(), "{bytes:?} is served");
    }
    assert!(bystander.call::<ConnectGetUri>(&()).await.is_ok());
    // All of them are gone.
    let mut count = server.client_count();
    within(count.wait_for(|count| *count == 1)).await.unwrap();
}

#[tokio::test]
async fn messages_nobody_asked_for_are_ignored() {
    let server = server(router());
    let mut raw = Raw::open(&server).await;
    let header = raw.header(ConnectGetUri::ROW.number);
    for kind in [
        MessageKind::Reply,
        MessageKind::Message,
        MessageKind::Stream,
        MessageKind::StreamHole,
        MessageKind::ReplyWithFds,
    ] {
        for prog in [header.prog, 77, Program::Keepalive.number()] {
            for status in [Status::Ok, Status::Error, Status::Continue] {
                let header = Header {
                    kind,
                    prog,
                    status,
                    ..header
                };
                let mut bytes = Vec::new();
                append(&mut bytes, &header, 0, &[1, 2, 3, 4]).unwrap();
                raw.bytes(&bytes).await;
            }
        }
    }
    raw.send(&header, &[]).await;
    assert!(raw.reply().await.is_ok());
    let header = Header {
        status: Status::Error,
        ..header
    };
    raw.send(&header, &[]).await;
    assert_eq!(raw.reply().await.unwrap_err().0, 39);
}

#[tokio::test]
async fn random_bytes_harm_nobody() {
    let server = server(router());
    let bystander = connect(&server).await;
    // A small generator: the same bytes in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..200 {
        let mut raw = Raw::new(&server);
        let mut bytes = Vec::new();
        for _ in 0..random() % 8 {
            let header = Header {
                prog: [0x2000_8086, 0x2000_8087, 0x6b65_6570][(random() % 3) as usize],
                vers: 1,
                proc: (random() % 460) as i32,
                kind: MessageKind::try_from((random() % 4) as i32).unwrap(),
                serial: 0,
                status: Status::Ok,
            };
            let payload: Vec<u8> = (0..random() % 200).map(|_| (random() % 4) as u8).collect();
            append(&mut bytes, &header, 0, &payload).unwrap();
        }
        for _ in 0..random() % 4 {
            let length = bytes.len().max(1) as u64;
            if let Some(byte) = bytes.get_mut((random() % length) as usize) {
                *byte = random() as u8;
            }
        }
        raw.bytes(&bytes).await;
    }
    assert!(bystander.call::<ConnectGetUri>(&()).await.is_ok());
    let mut count = server.client_count();
    within(count.wait_for(|count| *count == 1)).await.unwrap();
}
