//! `<audio>`: what sound cards are connected to on the host.
//!
//! Facts: formatdomain "Audio backends"; domaincommon.rng `audio*`; the texts of refusals are the
//! stock library's.

use crate::refusal::{unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// `<audio>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Its number, from 1.
    pub id: u8,
    /// The kind of back end.
    pub kind: AudioType,
    /// Microseconds between two looks at the buffers.
    pub timer_period: Option<u32>,
    /// What only some kinds have.
    pub options: AudioOptions,
    /// From the host.
    pub input: Option<AudioStream>,
    /// To the host.
    pub output: Option<AudioStream>,
}

/// Kinds of back ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "each is the name of the sound system")]
pub enum AudioType {
    None,
    Alsa,
    Coreaudio,
    Jack,
    Oss,
    Pulseaudio,
    Sdl,
    Spice,
    File,
    Dbus,
    Pipewire,
}

/// What only some back ends have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct AudioOptions {
    /// OSS: whether buffers are mapped.
    #[xml(attr = "tryMMap")]
    pub try_mmap: Option<YesNo>,
    /// OSS: whether it is for QEMU alone.
    #[xml(attr)]
    pub exclusive: Option<YesNo>,
    /// OSS: the timing policy.
    #[xml(attr = "dspPolicy")]
    pub dsp_policy: Option<i32>,
    /// PulseAudio: the server.
    #[xml(attr = "serverName")]
    pub server_name: Option<String>,
    /// PipeWire: the folder of its socket.
    #[xml(attr = "runtimeDir")]
    pub runtime_dir: Option<String>,
    /// SDL: its driver.
    #[xml(attr)]
    pub driver: Option<SdlDriver>,
    /// File: where to.
    #[xml(attr)]
    pub path: Option<String>,
}

/// SDL's drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "each is the name of the sound system")]
pub enum SdlDriver {
    Esd,
    Alsa,
    Arts,
    Pulseaudio,
}

/// One direction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct AudioStream {
    /// Whether QEMU mixes.
    #[xml(attr = "mixingEngine")]
    pub mixing_engine: Option<YesNo>,
    /// Whether the format is that of `settings`, whatever the guest chooses.
    #[xml(attr = "fixedSettings")]
    pub fixed_settings: Option<YesNo>,
    /// How many voices.
    #[xml(attr)]
    pub voices: Option<u32>,
    /// Microseconds that the buffer holds.
    #[xml(attr = "bufferLength")]
    pub buffer_length: Option<u32>,
    /// ALSA, OSS: the device.
    #[xml(attr)]
    pub dev: Option<String>,
    /// JACK: the server.
    #[xml(attr = "serverName")]
    pub server_name: Option<String>,
    /// JACK: the name QEMU goes by.
    #[xml(attr = "clientName")]
    pub client_name: Option<String>,
    /// JACK: the ports to connect to.
    #[xml(attr = "connectPorts")]
    pub connect_ports: Option<String>,
    /// JACK: whether the name is taken as it is.
    #[xml(attr = "exactName")]
    pub exact_name: Option<YesNo>,
    /// PulseAudio, PipeWire: the sink or source.
    #[xml(attr)]
    pub name: Option<String>,
    /// PulseAudio, PipeWire: the name of the stream.
    #[xml(attr = "streamName")]
    pub stream_name: Option<String>,
    /// PulseAudio, PipeWire: microseconds of latency.
    #[xml(attr)]
    pub latency: Option<u32>,
    /// Core Audio, OSS, SDL: how many buffers.
    #[xml(attr = "bufferCount")]
    pub buffer_count: Option<u32>,
    /// OSS: whether the device is polled.
    #[xml(attr = "tryPoll")]
    pub try_poll: Option<YesNo>,
    /// The fixed format.
    #[xml(child)]
    pub settings: Option<AudioSettings>,
}

/// A fixed format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct AudioSettings {
    /// Samples a second.
    #[xml(attr)]
    pub frequency: Option<u32>,
    /// Channels.
    #[xml(attr)]
    pub channels: Option<u32>,
    /// What a sample is.
    #[xml(attr)]
    pub format: Option<AudioFormat>,
}

/// What a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "sign or float, and bits")]
pub enum AudioFormat {
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    F32,
}

impl Audio {
    /// One of that kind without more.
    pub fn new(id: u8, kind: AudioType) -> Self {
        Self {
            id,
            kind,
            timer_period: None,
            options: AudioOptions::default(),
            input: None,
            output: None,
        }
    }

    fn check(&self) -> Result<()> {
        for stream in [&self.input, &self.output].into_iter().flatten() {
            let fixed = stream.fixed_settings.is_some_and(YesNo::is_yes);
            if stream.settings.is_some() && !fixed {
                return Err(unsupported(
                    "audio settings specified without fixed settings flag",
                ));
            }
            if fixed && stream.mixing_engine == Some(YesNo::No) {
                return Err(unsupported("fixed audio settings requires mixing engine"));
            }
        }
        Ok(())
    }

    /// What only other kinds have says nothing.
    fn forget_foreign(&mut self) {
        use AudioType as T;
        let kind = self.kind;
        let o = &mut self.options;
        if kind != T::Oss {
            (o.try_mmap, o.exclusive, o.dsp_policy) = (None, None, None);
        }
        o.server_name = o.server_name.take().filter(|_| kind == T::Pulseaudio);
        o.runtime_dir = o.runtime_dir.take().filter(|_| kind == T::Pipewire);
        o.driver = o.driver.filter(|_| kind == T::Sdl);
        o.path = o.path.take().filter(|_| kind == T::File);
        for stream in [&mut self.input, &mut self.output] {
            if let Some(own) = stream {
                own.forget_foreign(kind);
            }
            *stream = stream.take().filter(|own| *own != AudioStream::default());
        }
    }
}

impl AudioStream {
    fn forget_foreign(&mut self, kind: AudioType) {
        use AudioType as T;
        if !matches!(kind, T::Alsa | T::Oss) {
            self.dev = None;
        }
        if kind != T::Jack {
            self.server_name = None;
            self.client_name = None;
            self.connect_ports = None;
            self.exact_name = None;
        }
        if !matches!(kind, T::Pulseaudio | T::Pipewire) {
            (self.name, self.stream_name, self.latency) = (None, None, None);
        }
        if !matches!(kind, T::Coreaudio | T::Oss | T::Sdl) {
            self.buffer_count = None;
        }
        if kind != T::Oss {
            self.try_poll = None;
        }
    }
}

impl Element for Audio {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = node.required("type")?;
        let id = node.required("id")?;
        if id == 0 {
            return Err(xml(
                "Invalid value for attribute 'id' in element 'audio': Zero is not permitted",
            ));
        }
        let mut audio = Self {
            id,
            kind,
            timer_period: node.attr("timerPeriod")?.filter(|period| *period > 0),
            options: AudioOptions::read(node)?,
            input: node.child("input")?,
            output: node.child("output")?,
        };
        audio.check()?;
        audio.forget_foreign();
        Ok(audio)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("id", &self.id);
        tag.attr("type", &self.kind);
        tag.maybe("timerPeriod", &self.timer_period);
        self.options.attrs(tag);
    }

    fn content(&self, out: &mut Writer) {
        out.maybe("input", self.input.as_ref());
        out.maybe("output", self.output.as_ref());
    }
}
