//! What a definition leaves open is filled in, so that what is stored says exactly what the guest
//! gets, in every later version too.
//!
//! Every family's `fill` is idempotent: filling a filled definition changes nothing.

pub(crate) mod audio;
mod chardev;
mod controller;
mod cpu;
pub(crate) mod disk;
mod features;
mod filesystem;
pub(crate) mod firmware;
mod graphics;
mod hostdev;
mod input;
mod interface;
mod iommu;
mod memballoon;
mod memory;
pub mod memory_size;
mod os;
mod panic;
mod redirdev;
mod rng;
mod scsi_hostdev;
mod shmem;
mod smartcard;
mod sound;
mod tpm;
mod vcpu;
mod video;
mod vsock;
mod watchdog;

pub use crate::define::Context;
pub(crate) use chardev::mirror_console;
pub(crate) use controller::default_scsi;
pub(crate) use interface::is_known_model;

use virt_domain::Domain;
use virt_error::Result;

/// Fills in everything but the addresses of devices.
///
/// # Errors
/// Where something can't be chosen because what was said contradicts itself or this QEMU.
pub fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    os::fill(domain, context)?;
    vcpu::fill(domain, context)?;
    memory_size::fill(domain, context)?;
    features::fill(domain, context)?;
    cpu::fill(domain, context)?;
    controller::fill(domain, context)?;
    disk::fill(domain, context)?;
    scsi_hostdev::fill(domain);
    filesystem::fill(domain, context)?;
    interface::fill(domain, context)?;
    chardev::fill(domain, context)?;
    input::fill(domain, context)?;
    tpm::fill(domain, context)?;
    graphics::fill(domain, context)?;
    sound::fill(domain, context)?;
    audio::fill(domain, context)?;
    video::fill(domain, context)?;
    hostdev::fill(domain, context)?;
    redirdev::fill(domain, context)?;
    smartcard::fill(domain, context)?;
    watchdog::fill(domain, context)?;
    memballoon::fill(domain, context)?;
    rng::fill(domain, context)?;
    panic::fill(domain, context)?;
    shmem::fill(domain, context)?;
    memory::fill(domain, context)?;
    iommu::fill(domain, context)?;
    vsock::fill(domain, context)?;
    Ok(())
}
