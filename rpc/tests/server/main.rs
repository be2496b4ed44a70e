//! The server over real sockets, with our client and with raw bytes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod calls;
mod descriptors;
mod door;
mod events;
mod fixture;
mod forwarding;
mod limits;
mod malformed;
mod streams;
