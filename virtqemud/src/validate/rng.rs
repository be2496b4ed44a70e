//! Checks of sources of randomness against what QEMU and this driver can do.

use super::Context;
use super::refusal::unsupported;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::rng::RngBackend;
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    for rng in &domain.devices.rngs {
        let (flag, word) = match rng.backend {
            RngBackend::Random { .. } => (CapFlag::RngRandom, "random"),
            RngBackend::Egd(_) => (CapFlag::RngEgd, "egd"),
            RngBackend::Builtin => (CapFlag::RngBuiltin, "builtin"),
        };
        if !context.caps.has(CapFlag::VirtioRng) || !context.caps.has(flag) {
            return Err(unsupported(format!(
                "this QEMU binary doesn't support the rng backend '{word}'"
            )));
        }
    }
    Ok(())
}
