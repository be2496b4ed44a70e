//! Events to clients that read them, and to one that doesn't.

use virt_rpc::framing::MessageKind;
use virt_rpc::protocol::EventMessage;
use virt_rpc::protocol::remote::{
    ConnectGetUri, DomainEventLifecycle, DomainEventLifecycleMsg, NonnullDomain,
};

use crate::fixture::{Raw, connect, router, server, within};

fn message(event: i32) -> DomainEventLifecycleMsg {
    DomainEventLifecycleMsg {
        dom: NonnullDomain {
            name: "guest".repeat(50),
            uuid: [3; 16],
            id: 7,
        },
        event,
        detail: 0,
    }
}

#[tokio::test]
async fn events_come_in_order() {
    let server = server(router());
    let connection = connect(&server).await;
    let mut events = connection.events();
    let client = server.clients().remove(0);
    for event in 0..100 {
        client.event::<DomainEventLifecycle>(&message(event));
    }
    for event in 0..100 {
        let received = within(events.recv()).await.unwrap();
        let read = received.read::<DomainEventLifecycle>().unwrap();
        assert_eq!(read, message(event));
    }
}

#[tokio::test]
async fn events_carry_serial_one() {
    let server = server(router());
    let mut raw = Raw::open(&server).await;
    server.clients()[0].event::<DomainEventLifecycle>(&message(1));
    let packet = raw.next().await.unwrap();
    assert_eq!(packet.header.kind, MessageKind::Message);
    assert_eq!(packet.header.serial, 1);
    assert_eq!(packet.header.proc, DomainEventLifecycle::ROW.number);
}

#[tokio::test]
async fn a_client_that_leaves_its_events_unread_is_disconnected() {
    let server = server(router());
    let deaf = Raw::open(&server).await;
    let client = server.clients().remove(0);
    let bystander = connect(&server).await;
    let mut sent = 0;
    while !client.is_closed() {
        client.event::<DomainEventLifecycle>(&message(sent));
        sent += 1;
        assert!(sent < 100_000, "they are queued without bounds");
        if sent % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut count = server.client_count();
    within(count.wait_for(|count| *count == 1)).await.unwrap();
    assert!(bystander.call::<ConnectGetUri>(&()).await.is_ok());
    drop(deaf);
}
