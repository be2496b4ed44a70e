//! Options of what sound cards are connected to.
//!
//! Facts: qemu-system(1) `-audiodev`.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use virt_domain::Domain;
use virt_domain::devices::audio::{AudioStream, AudioType};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    for audio in &domain.devices.audios {
        let props = Props::of("id", format!("audio{}", audio.id))
            .with("driver", driver(audio.kind))
            .maybe("timer-period", audio.timer_period)
            .maybe("server", audio.options.server_name.clone())
            .maybe("try-mmap", audio.options.try_mmap.map(YesNo::is_yes))
            .maybe("exclusive", audio.options.exclusive.map(YesNo::is_yes))
            .maybe("dsp-policy", audio.options.dsp_policy)
            .maybe("path", audio.options.path.clone())
            .maybe("in", audio.input.as_ref().map(stream))
            .maybe("out", audio.output.as_ref().map(stream));
        b.audiodev(&props);
    }
    Ok(())
}

fn driver(kind: AudioType) -> &'static str {
    match kind {
        AudioType::Pulseaudio => "pa",
        AudioType::File => "wav",
        kind => kind.word(),
    }
}

fn stream(stream: &AudioStream) -> Props {
    let settings = stream.settings.unwrap_or_default();
    Props::new()
        .maybe("mixing-engine", stream.mixing_engine.map(YesNo::is_yes))
        .maybe("fixed-settings", stream.fixed_settings.map(YesNo::is_yes))
        .maybe("voices", stream.voices)
        .maybe("buffer-length", stream.buffer_length)
        .maybe("frequency", settings.frequency)
        .maybe("channels", settings.channels)
        .maybe("format", settings.format.map(|f| f.word()))
        .maybe("dev", stream.dev.clone())
        .maybe("buffer-count", stream.buffer_count)
        .maybe("try-poll", stream.try_poll.map(YesNo::is_yes))
        .maybe("server-name", stream.server_name.clone())
        .maybe("client-name", stream.client_name.clone())
        .maybe("connect-ports", stream.connect_ports.clone())
        .maybe("exact-name", stream.exact_name.map(YesNo::is_yes))
        .maybe("name", stream.name.clone())
        .maybe("stream-name", stream.stream_name.clone())
        .maybe("latency", stream.latency)
}

/// The id of the back end that a card or display named, or of the first one.
pub(super) fn of_device(domain: &Domain, named: Option<u8>) -> Option<String> {
    let first = domain.devices.audios.first().map(|audio| audio.id);
    named.or(first).map(|id| format!("audio{id}"))
}

/// As [`of_device`], where there has to be one.
///
/// # Errors
/// INTERNAL_ERROR when there is none.
pub(super) fn needed(domain: &Domain, named: Option<u8>) -> Result<String> {
    of_device(domain, named).ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            "unable to find audio backend for sound device",
        )
    })
}

/// What back ends need in QEMU's environment.
pub(super) fn environment(
    domain: &Domain,
    inherited: impl Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for audio in &domain.devices.audios {
        if let Some(driver) = audio.options.driver {
            env.push(("SDL_AUDIODRIVER".to_owned(), driver.word().to_owned()));
        }
        if audio.kind == AudioType::Pipewire {
            let name = "PIPEWIRE_RUNTIME_DIR";
            let folder = audio.options.runtime_dir.clone();
            if let Some(folder) = folder.or_else(|| inherited(name)) {
                env.push((name.to_owned(), folder));
            }
        }
    }
    env
}
