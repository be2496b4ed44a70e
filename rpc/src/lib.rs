//! The libvirt wire: framing, XDR, the procedure tables, server, client.

extern crate self as virt_rpc;

pub mod client;
pub mod codec;
pub mod framing;
mod link;
pub mod protocol;
pub mod relay;
pub mod server;
pub mod xdr;
