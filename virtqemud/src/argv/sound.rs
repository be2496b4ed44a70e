//! Options of sound cards.

use super::audio;
use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use super::virtio;
use virt_domain::Domain;
use virt_domain::devices::sound::{CodecType, Sound, SoundModel};
use virt_error::Result;
use virt_xml::YesNo;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    for sound in &domain.devices.sounds {
        append_card(b, domain, sound)?;
    }
    Ok(())
}

/// The sound back end of the beeper, which is part of the machine.
pub(super) fn of_beeper(domain: &Domain) -> Option<String> {
    let sounds = &domain.devices.sounds;
    let beeper = sounds.iter().find(|s| s.model == SoundModel::Pcspk)?;
    audio::of_device(domain, beeper.audio)
}

fn append_card(b: &mut Builder, domain: &Domain, sound: &Sound) -> Result<()> {
    let alias = sound.info.alias().unwrap_or_default();
    let audiodev = match sound.model {
        // Part of the machine.
        SoundModel::Pcspk => return Ok(()),
        _ => Some(audio::needed(domain, sound.audio)?),
    };
    let simple = |driver: &str| {
        Props::device(driver)
            .with("id", alias)
            .maybe("audiodev", audiodev.clone())
    };
    let mut codecs = None;
    let props = match sound.model {
        // Refused when it was defined, or no device of its own.
        SoundModel::Pcspk | SoundModel::Ich7 => return Ok(()),
        SoundModel::Sb16 => simple("sb16"),
        SoundModel::Es1370 => simple("ES1370"),
        SoundModel::Ac97 => simple("AC97"),
        SoundModel::Usb => {
            simple("usb-audio").maybe("multi", sound.multichannel.map(YesNo::is_yes))
        }
        SoundModel::Virtio => virtio::device("virtio-sound", None, &sound.info)
            .with_virtio(Some(&sound.virtio))
            .with("id", alias)
            .maybe("audiodev", audiodev.clone())
            .maybe("streams", sound.streams),
        SoundModel::Ich6 | SoundModel::Ich9 => {
            codecs = Some(&sound.codecs);
            let ich6 = sound.model == SoundModel::Ich6;
            Props::device(if ich6 { "intel-hda" } else { "ich9-intel-hda" }).with("id", alias)
        }
    };
    let props = props.placed(domain, &sound.info)?;
    b.device(&props);
    if let Some(codecs) = codecs {
        let duplex = [CodecType::Duplex];
        let codecs: &[CodecType] = if codecs.is_empty() { &duplex } else { codecs };
        for (number, codec) in codecs.iter().enumerate() {
            let driver = match codec {
                CodecType::Duplex => "hda-duplex",
                CodecType::Micro => "hda-micro",
                CodecType::Output => "hda-output",
            };
            let props = Props::device(driver)
                .with("id", format!("{alias}-codec{number}"))
                .with("bus", format!("{alias}.0"))
                .with("cad", number)
                .maybe("audiodev", audiodev.clone());
            b.device(&props);
        }
    }
    Ok(())
}
