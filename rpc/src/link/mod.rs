//! What both ends of a connection do: queue messages and descriptors, send and receive them,
//! and notice when the other end is gone.

mod keepalive;
mod outbox;
mod socket;

pub(crate) use keepalive::{Due, Keepalive};
pub(crate) use outbox::Outbox;
pub(crate) use socket::{Received, Socket, with_receive_buffer};

use outbox::Next;
