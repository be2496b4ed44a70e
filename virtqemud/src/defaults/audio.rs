//! Defaults of what sound cards are connected to.

use super::Context;
use crate::argv::DriverConfig;
use virt_domain::Domain;
use virt_domain::devices::Devices;
use virt_domain::devices::audio::{Audio, AudioType};
use virt_domain::devices::graphics::GraphicsType;
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    choose(&mut domain.devices, context.config);
    Ok(())
}

/// Gives a guest that says nothing of it its sound: where the last picture goes that can carry it,
/// or the host's sound system where the configuration lets it; nothing where QEMU chooses.
pub(crate) fn choose(devices: &mut Devices, config: &DriverConfig) {
    if !devices.audios.is_empty() {
        return;
    }
    let of_host = || config.audio_driver.as_deref().and_then(by_driver);
    let mut kind = match devices.graphics.is_empty() {
        true if config.nographics_allow_host_audio => of_host(),
        true => Some(AudioType::None),
        false => None,
    };
    for graphics in &devices.graphics {
        match graphics.kind() {
            GraphicsType::Vnc if config.vnc_allow_host_audio => kind = of_host(),
            GraphicsType::Vnc => kind = Some(AudioType::None),
            GraphicsType::Spice => kind = Some(AudioType::Spice),
            GraphicsType::Sdl => kind = of_host(),
            _ => {}
        }
    }
    devices.audios.extend(kind.map(|kind| Audio::new(1, kind)));
}

/// The sound system by QEMU's word for it.
fn by_driver(word: &str) -> Option<AudioType> {
    match word {
        "pa" => Some(AudioType::Pulseaudio),
        "wav" => Some(AudioType::File),
        word => AudioType::from_word(word),
    }
}
