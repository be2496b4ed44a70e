//! Checks of what sound cards are connected to.

use super::Context;
use super::refusal::xml_error;
use std::collections::HashSet;
use virt_domain::Domain;
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
