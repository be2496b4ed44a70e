//! the libvirt wire: framing, XDR, procedure tables, server, client.
