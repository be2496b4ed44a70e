//! What was asked for is checked against what this QEMU and this driver can do. What isn't supported
//! is refused by name, never ignored.

mod address;
mod audio;
mod chardev;
mod clock;
mod controller;
mod cpu;
mod disk;
mod features;
mod filesystem;
mod graphics;
mod hostdev;
mod identity;
mod image;
mod input;
mod interface;
mod iommu;
mod lifecycle;
mod memballoon;
mod memory;
mod memory_size;
mod os;
mod panic;
mod redirdev;
mod refusal;
mod rng;
mod scsi_hostdev;
mod shared_memory;
mod shmem;
mod smartcard;
mod sound;
mod tpm;
mod tuning;
mod vcpu;
mod video;
mod vsock;
mod watchdog;

pub use crate::define::Context;

use virt_domain::Domain;
use virt_error::Result;

/// Checks a completed definition.
///
/// # Errors
/// CONFIG_UNSUPPORTED or XML_ERROR, which names what can't be had.
pub fn check(domain: &Domain, context: &Context) -> Result<()> {
    identity::check(domain)?;
    address::check(domain, context)?;
    os::check(domain, context)?;
    vcpu::check(domain, context)?;
    memory_size::check(domain, context)?;
    features::check(domain, context)?;
    cpu::check(domain, context)?;
    clock::check(domain, context)?;
    lifecycle::check(domain, context)?;
    tuning::check(domain, context)?;
    controller::check(domain, context)?;
    disk::check(domain, context)?;
    filesystem::check(domain, context)?;
    interface::check(domain, context)?;
    chardev::check(domain, context)?;
    input::check(domain, context)?;
    tpm::check(domain, context)?;
    graphics::check(domain, context)?;
    sound::check(domain, context)?;
    audio::check(domain, context)?;
    video::check(domain, context)?;
    hostdev::check(domain, context)?;
    redirdev::check(domain, context)?;
    smartcard::check(domain, context)?;
    watchdog::check(domain, context)?;
    memballoon::check(domain, context)?;
    rng::check(domain, context)?;
    panic::check(domain, context)?;
    shmem::check(domain, context)?;
    memory::check(domain, context)?;
    iommu::check(domain, context)?;
    vsock::check(domain, context)?;
    Ok(())
}
