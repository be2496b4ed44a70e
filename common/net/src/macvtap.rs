//! Macvtaps: links of their own on a link of the host, with a character device for QEMU.
//!
//! Facts: ip-link(8) "macvtap"; linux/if_link.h; `/dev/tapINDEX`, which the kernel's device manager
//! makes.

use std::io;
use std::os::fd::AsFd;

use nix::net::if_::if_nametoindex;
use virt_domain::devices::interface::DirectMode;
use virt_error::{Error, ErrorDomain, Result};

use crate::host_end::{macvlan_mode, open_node};
use crate::names::first_free;
use crate::rtnetlink::{LinkChange, Macvlan, Rtnetlink};
use crate::tap::{self, Tap};

/// How long the node of a new macvtap is waited for.
const NODE: std::time::Duration = std::time::Duration::from_secs(5);

/// A macvtap to make.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The link of the host.
    pub(crate) lower: &'a str,
    /// Its name; `macvtapN` otherwise.
    pub(crate) name: Option<&'a str>,
    /// How guests on the link see each other.
    pub(crate) mode: DirectMode,
    /// The guest's hardware address, which is the link's too.
    pub(crate) mac: [u8; 6],
    /// Queues, at least 1.
    pub(crate) queues: u32,
    /// Whether packets carry a virtio header.
    pub(crate) virtio_header: bool,
}

/// Makes it. Nothing is left behind when it fails.
///
/// # Errors
/// SYSTEM_ERROR naming the link.
pub(crate) fn create(request: &Request) -> Result<Tap> {
    let mac: Vec<String> = request
        .mac
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let failed = |name: &str, cause: &io::Error| {
        let what = format!(
            "error creating macvtap interface {name}@{} ({})",
            request.lower,
            mac.join(":")
        );
        Error::system(ErrorDomain::None, what, cause)
    };
    let lower = if_nametoindex(request.lower).map_err(|cause| {
        let what = format!("Cannot get interface MTU on '{}'", request.lower);
        Error::system(ErrorDomain::None, what, &cause.into())
    })?;
    let first = request.name.unwrap_or("macvtap0");
    let kernel = Rtnetlink::open().map_err(|e| failed(first, &e))?;
    let mode = macvlan_mode(request.mode);
    let add = |name: &str| {
        kernel.add_macvlan(&Macvlan {
            kind: "macvtap",
            name,
            lower,
            mode,
            address: request.mac,
            namespace: None,
        })
    };
    let name = match request.name {
        Some(name) => {
            add(name).map_err(|e| failed(name, &e))?;
            name.to_owned()
        }
        None => first_free("macvtap", add).map_err(|(name, cause)| failed(&name, &cause))?,
    };
    let opened = open(&kernel, &name, request);
    opened.map_err(|cause| {
        if let Ok(index) = if_nametoindex(name.as_str()) {
            // It was made a moment ago.
            let _ = kernel.delete_link(index);
        }
        failed(&name, &cause)
    })
}

fn open(kernel: &Rtnetlink, name: &str, request: &Request) -> io::Result<Tap> {
    let index = if_nametoindex(name)?;
    let change = LinkChange {
        up: Some(true),
        ..LinkChange::default()
    };
    kernel.change_link(index, change)?;
    let node = std::path::PathBuf::from(format!("/dev/tap{index}"));
    let deadline = std::time::Instant::now() + NODE;
    while !node.exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let mut queues = Vec::new();
    for _ in 0..request.queues.max(1) {
        let queue = open_node(&node)?;
        tap::attach(
            queue.as_fd(),
            name,
            request.virtio_header,
            request.queues > 1,
        )?;
        queues.push(queue);
    }
    Ok(Tap {
        name: name.to_owned(),
        queues,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_link_is_named() {
        let request = Request {
            lower: "vq-no-such",
            name: None,
            mode: DirectMode::Bridge,
            mac: [0x52, 0x54, 0, 0, 0, 1],
            queues: 1,
            virtio_header: false,
        };
        let error = create(&request).unwrap_err();
        assert!(error.message().contains("'vq-no-such'"), "{error}");
    }
}
