//! Streams and events of other daemons, passed on.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::client::{ClientStream, Connection, Event, Item};
use virt_rpc::protocol::remote::{
    ConnectNetworkEventDeregisterAny, ConnectNetworkEventRegisterAny,
    ConnectNodeDeviceEventDeregisterAny, ConnectNodeDeviceEventRegisterAny,
    ConnectSecretEventDeregisterAny, ConnectSecretEventRegisterAny,
    ConnectStoragePoolEventDeregisterAny, ConnectStoragePoolEventRegisterAny,
};
use virt_rpc::protocol::{Procedure, Program, Row, RowKind};
use virt_rpc::server::{Client, Incoming, RawCall, RawReply, ServerStream};

/// Whether the call registers for events: its reply is a callback id.
pub(super) fn registers(row: &Row) -> bool {
    [
        ConnectNetworkEventRegisterAny::ROW.number,
        ConnectStoragePoolEventRegisterAny::ROW.number,
        ConnectNodeDeviceEventRegisterAny::ROW.number,
        ConnectSecretEventRegisterAny::ROW.number,
    ]
    .contains(&row.number)
}

/// Whether the call ends such a registration: its argument is a callback id.
pub(super) fn deregisters(row: &Row) -> bool {
    [
        ConnectNetworkEventDeregisterAny::ROW.number,
        ConnectStoragePoolEventDeregisterAny::ROW.number,
        ConnectNodeDeviceEventDeregisterAny::ROW.number,
        ConnectSecretEventDeregisterAny::ROW.number,
    ]
    .contains(&row.number)
}

/// Registrations of a client with another daemon. That one's callback ids start anew with every
/// connection; those the client knows don't.
#[derive(Debug, Default)]
pub(super) struct Callbacks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    last: i32,
    /// Ours by theirs.
    ours: HashMap<i32, i32>,
}

impl Callbacks {
    /// The connection is a new one: it has no registrations.
    pub(super) async fn forget_all(&self) {
        self.0.lock().await.ours.clear();
    }

    /// Registers there. The lock is held until the reply is known, so that an event that comes
    /// at once waits for it.
    pub(super) async fn register<S>(
        &self,
        connection: &Connection,
        call: &RawCall<S>,
    ) -> Result<RawReply> {
        let mut known = self.0.lock().await;
        let (reply, _) = connection
            .call_raw(call.row, &call.payload, Vec::new())
            .await?;
        let theirs = callback(&reply.payload)?;
        known.last = known.last.checked_add(1).unwrap_or(1);
        let ours = known.last;
        known.ours.insert(theirs, ours);
        Ok(RawReply {
            payload: Bytes::copy_from_slice(&ours.to_be_bytes()),
            descriptors: Vec::new(),
        })
    }

    /// Ends a registration there.
    pub(super) async fn deregister<S>(
        &self,
        connection: &Connection,
        call: &RawCall<S>,
    ) -> Result<RawReply> {
        let ours = callback(&call.payload)?;
        let mut known = self.0.lock().await;
        let theirs = known.ours.iter().find(|(_, id)| **id == ours);
        let Some((&theirs, _)) = theirs else {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                format!("event callback {ours} not registered"),
            ));
        };
        known.ours.remove(&theirs);
        let (reply, _) = connection
            .call_raw(call.row, &theirs.to_be_bytes(), Vec::new())
            .await?;
        Ok(reply)
    }

    /// The event's payload with our callback id; `None` for one nobody registered for.
    async fn translate(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let theirs = callback(payload).ok()?;
        let ours = *self.0.lock().await.ours.get(&theirs)?;
        let mut payload = payload.to_vec();
        payload[..4].copy_from_slice(&ours.to_be_bytes());
        Some(payload)
    }
}

/// The callback id in front.
fn callback(payload: &[u8]) -> Result<i32> {
    let id = payload.first_chunk::<4>();
    id.map(|id| i32::from_be_bytes(*id)).ok_or_else(|| {
        Error::new(
            ErrorCode::Rpc,
            ErrorDomain::Rpc,
            "a callback id is missing in a message about events",
        )
    })
}

/// Passes events on until their connection ends.
pub(super) async fn events(
    mut events: mpsc::Receiver<Event>,
    callbacks: Arc<Callbacks>,
    client: Client,
) {
    while let Some(event) = events.recv().await {
        let row = Program::from_number(event.program)
            .and_then(|program| program.row(event.number))
            .filter(|row| row.kind == RowKind::Event);
        let Some(row) = row else { continue };
        if let Some(payload) = callbacks.translate(&event.payload).await {
            client.event_raw(row, &payload);
        }
    }
}

/// Whether the call's flags, which are the last of its arguments, allow holes in its stream.
pub(super) fn is_sparse(row: &Row, payload: &[u8]) -> bool {
    let flags = payload.last_chunk::<4>().map(|f| u32::from_be_bytes(*f));
    row.sparse_flag
        .zip(flags)
        .is_some_and(|(bit, flags)| flags & bit != 0)
}

/// Passes a stream on, both ways, until the client finishes it or either side gives it up.
pub(super) async fn stream(
    here: Arc<ServerStream>,
    there: ClientStream,
    sparse: bool,
) -> Result<()> {
    if sparse {
        here.allow_holes();
    }
    let mut ended = false;
    loop {
        tokio::select! {
            item = there.recv(), if !ended => match item? {
                Some(Item::Data(data)) => here.send(&data).await?,
                Some(Item::Hole(length)) => here.send_hole(length).await?,
                None => {
                    ended = true;
                    here.end().await?;
                }
            },
            incoming = here.recv() => match incoming {
                Incoming::Data(data) => there.send(&data).await?,
                Incoming::Hole(length) => there.send_hole(length).await?,
                Incoming::Finish => return there.finish().await,
                Incoming::Abort => return there.abort().await,
            },
        }
    }
}
