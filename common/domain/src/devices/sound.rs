//! `<sound>`: sound cards.
//!
//! Facts: formatdomain "Sound devices"; the texts of refusals are the stock library's.

use super::chardev::{read_switch, switch};
use super::info::DeviceInfo;
use super::virtio::VirtioOptions;
use crate::refusal::{unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// `<sound>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// The card.
    pub model: SoundModel,
    /// Whether a USB card has more than two channels.
    pub multichannel: Option<YesNo>,
    /// PCM streams of a virtio card.
    pub streams: Option<u32>,
    /// Codecs of an ich6 or ich9 card.
    pub codecs: Vec<CodecType>,
    /// Number of the back end.
    pub audio: Option<u8>,
    /// Options of the virtio transport.
    pub virtio: VirtioOptions,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Sound cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum SoundModel {
    /// Sound Blaster 16.
    Sb16,
    /// Ensoniq.
    Es1370,
    /// The beeper.
    Pcspk,
    /// AC97.
    Ac97,
    /// Intel HDA.
    Ich6,
    /// Intel HDA of q35.
    Ich9,
    /// USB.
    Usb,
    /// Intel HDA; VMware's.
    Ich7,
    /// virtio.
    Virtio,
}

/// What an Intel HDA card can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum CodecType {
    /// Line in and out.
    Duplex,
    /// Microphone and speaker.
    Micro,
    /// Line out.
    Output,
}

impl Sound {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Sound {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let model = node.required("model")?;
        let codecs = node.children_with("codec", |node| {
            let word = node.attr_text("type").unwrap_or("(null)");
            CodecType::from_word(word)
                .ok_or_else(|| unsupported(format!("unknown codec type '{word}'")))
        })?;
        let has_codecs = matches!(model, SoundModel::Ich6 | SoundModel::Ich9);
        let multichannel = node.attr("multichannel")?;
        let mut streams = None;
        let mut virtio = VirtioOptions::default();
        // What is left unread is reported as unknown.
        if model == SoundModel::Virtio {
            let count = node.attr::<u32>("streams")?;
            if count == Some(0) {
                return Err(xml(
                    "Invalid value for attribute 'streams' in element 'sound': Zero is not permitted",
                ));
            }
            streams = Some(count.unwrap_or(2));
            virtio = node.child("driver")?.unwrap_or_default();
        }
        Ok(Self {
            model,
            multichannel: multichannel.filter(|_| model == SoundModel::Usb),
            streams,
            codecs: if has_codecs { codecs } else { Vec::new() },
            audio: read_switch(node, "audio", "id")?,
            virtio,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("model", &self.model);
        tag.maybe("multichannel", &self.multichannel);
        tag.maybe("streams", &self.streams);
    }

    fn content(&self, out: &mut Writer) {
        for codec in &self.codecs {
            switch(out, "codec", "type", Some(codec));
        }
        switch(out, "audio", "id", self.audio.as_ref());
        self.info.content(out);
        if !self.virtio.is_empty() {
            out.element("driver", &self.virtio);
        }
    }
}
