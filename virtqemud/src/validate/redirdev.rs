//! Checks of redirected USB devices against what QEMU and this driver can do.

use super::Context;
use super::input::has_usb;
use super::refusal::unsupported;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    if domain.devices.redirdevs.is_empty() {
        return Ok(());
    }
    if !has_usb(domain) {
        return Err(unsupported(
            "cannot add redirected USB device: USB is disabled for this domain",
        ));
    }
    if !context.caps.has(CapFlag::UsbRedir) {
        return Err(unsupported(
            "USB redirection is not supported by this version of QEMU",
        ));
    }
    Ok(())
}
