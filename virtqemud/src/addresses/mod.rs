//! Where each device sits on its bus, and the controllers that are added to hold them all.
//!
//! Pure: a definition in, the same definition with addresses out. Given addresses are reserved
//! before any is chosen. Facts: WIRE.md section 29.

mod ccw;
mod implicit;
mod pci;
mod spapr_vio;
mod usb;
mod virtio_serial;

pub use crate::define::{Context, Origin};

use crate::defaults::mirror_console;
use virt_domain::Domain;
use virt_error::Result;

/// Gives every device that needs one an address; addresses that are given are kept.
///
/// USB ports of a stored definition are not chosen here but at each start ([`at_start`]), as they
/// always were.
///
/// # Errors
/// XML_ERROR where two devices want the same address or a bus is full.
pub fn assign(domain: &mut Domain, context: &Context) -> Result<()> {
    implicit::add(domain, context)?;
    virtio_serial::assign(domain)?;
    implicit::place_smartcards(domain);
    ccw::assign(domain)?;
    spapr_vio::assign(domain)?;
    pci::assign(domain, context)?;
    if context.origin == Origin::New {
        usb::assign(domain)?;
    } else {
        usb::check(domain)?;
    }
    mirror_console(domain);
    implicit::place_memory(domain)
}

/// Gives the devices of a guest that is about to start the addresses its definition left open.
///
/// # Errors
/// As [`assign`].
pub fn at_start(domain: &mut Domain) -> Result<()> {
    usb::assign(domain)?;
    implicit::place_memory(domain)
}
