//! The kernel's own back ends for virtio devices.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;

/// One descriptor per queue of the kernel's network back end.
///
/// # Errors
/// When it is missing or not for us.
pub fn network(node: &str, queues: u32) -> io::Result<Vec<OwnedFd>> {
    (0..queues.max(1)).map(|_| open(node)).collect()
}

/// The kernel's SCSI back end.
///
/// # Errors
/// When `/dev/vhost-scsi` is missing or not for us.
pub fn scsi() -> io::Result<OwnedFd> {
    open("/dev/vhost-scsi")
}

/// The kernel's back end for sockets between host and guest, bound to the guest's address.
///
/// # Errors
/// When `/dev/vhost-vsock` is missing or not for us, or the address is taken (`EADDRINUSE`).
pub fn vsock(address: u32) -> io::Result<OwnedFd> {
    let device = open("/dev/vhost-vsock")?;
    guest_address::set(&device, u64::from(address))?;
    Ok(device)
}

fn open(path: &str) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    Ok(file.into())
}

mod guest_address {
    #![allow(
        unsafe_code,
        reason = "the address is set by ioctl, which has no safe interface"
    )]

    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};

    use nix::libc;

    /// `_IOW(0xAF, 0x60, __u64)` of linux/vhost.h.
    const VHOST_VSOCK_SET_GUEST_CID: u32 = 0x4008_af60;

    pub(super) fn set(device: &OwnedFd, address: u64) -> io::Result<()> {
        // SAFETY: the ioctl reads one 64-bit number that lives over the call.
        let result = unsafe {
            libc::ioctl(
                device.as_raw_fd(),
                VHOST_VSOCK_SET_GUEST_CID as libc::Ioctl,
                &raw const address,
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
