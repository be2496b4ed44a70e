//! The libvirt wire: framing, XDR, the procedure tables, server, client.

extern crate self as virt_rpc;

pub mod codec;
pub mod framing;
pub mod protocol;
pub mod xdr;
