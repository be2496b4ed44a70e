//! Defaults of what sound cards are connected to.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::audio::{Audio, AudioType};
use virt_domain::devices::graphics::GraphicsType;
use virt_error::Result;

/// Sound goes where the last picture goes that can carry it, or to the host's sound system where the
/// configuration lets it; nothing is said where QEMU chooses.
pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let devices = &mut domain.devices;
    if !devices.audios.is_empty() {
        return Ok(());
    }
    let config = context.config;
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
    Ok(())
}

/// The sound system by QEMU's word for it.
fn by_driver(word: &str) -> Option<AudioType> {
    match word {
        "pa" => Some(AudioType::Pulseaudio),
        "wav" => Some(AudioType::File),
        word => AudioType::from_word(word),
    }
}
