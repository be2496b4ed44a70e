//! Checks of smart cards against what QEMU and this driver can do.

use super::Context;
use super::refusal::unsupported;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::smartcard::SmartcardMode;
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    if domain.devices.smartcards.len() > 1 {
        return Err(unsupported(
            "this QEMU binary lacks multiple smartcard support",
        ));
    }
    for card in &domain.devices.smartcards {
        if let Some(Address::Ccid(at)) = &card.info.address
            && (at.controller, at.slot) != (0, 0)
        {
            return Err(unsupported(
                "this QEMU binary lacks multiple smartcard support",
            ));
        }
        let (flag, word) = match card.kind {
            SmartcardMode::Host | SmartcardMode::HostCertificates { .. } => {
                (CapFlag::CcidEmulated, "host")
            }
            SmartcardMode::Passthrough(_) => (CapFlag::CcidPassthru, "passthrough"),
        };
        if !context.caps.has(flag) {
            return Err(unsupported(format!(
                "this QEMU binary lacks smartcard {word} mode support"
            )));
        }
    }
    Ok(())
}
