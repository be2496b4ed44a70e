//! Checks of what sound cards are connected to.

use super::Context;
use super::graphics::has_spice;
use super::refusal::{unsupported, xml_error};
use std::collections::HashSet;
use virt_domain::Domain;
use virt_domain::devices::audio::AudioType;
use virt_error::Result;

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    let mut seen = HashSet::new();
    for audio in &domain.devices.audios {
        if !seen.insert(audio.id) {
            return Err(xml_error(format!(
                "audio ID {} is used multiple times",
                audio.id
            )));
        }
        if audio.kind == AudioType::Spice && !has_spice(domain) {
            return Err(unsupported(
                "Spice audio is not supported without spice graphics",
            ));
        }
    }
    Ok(())
}

/// Whether the back end of that number is there; the number when it is not.
pub(super) fn exists(domain: &Domain, named: Option<u8>) -> Result<(), u8> {
    match named {
        Some(id) if !domain.devices.audios.iter().any(|a| a.id == id) => Err(id),
        _ => Ok(()),
    }
}
