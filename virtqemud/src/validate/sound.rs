//! Checks of sound cards against what QEMU and this driver can do.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::sound::SoundModel;
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    for sound in &domain.devices.sounds {
        super::audio::exists(domain, sound.audio)
            .map_err(|id| xml_error(format!("no audio device with ID {id}")))?;
        let there = match sound.model {
            SoundModel::Ich7 => false,
            SoundModel::Usb => context.caps.has(CapFlag::UsbAudio),
            SoundModel::Ich9 => context.caps.has(CapFlag::Ich9IntelHda),
            SoundModel::Virtio => context.caps.has(CapFlag::VirtioSound),
            _ => true,
        };
        if !there {
            return Err(unsupported(format!(
                "sound model '{}' is not supported by this QEMU binary",
                sound.model
            )));
        }
    }
    Ok(())
}
