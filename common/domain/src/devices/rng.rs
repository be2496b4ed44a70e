//! `<rng>`: where the guest gets randomness.
//!
//! Facts: formatdomain "Random number generator device"; domaincommon.rng `rng`; the texts of refusals
//! are the stock library's.

use super::chardev::{CharSource, CharType};
use super::info::DeviceInfo;
use super::virtio::{VirtioModel, VirtioOptions};
use crate::refusal::{unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Writer};

/// `<rng>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rng {
    /// The device.
    pub model: VirtioModel,
    /// How much the guest may take.
    pub rate: Option<RngRate>,
    /// Where it comes from.
    pub backend: RngBackend,
    /// Options of the virtio transport.
    pub virtio: VirtioOptions,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// How much randomness the guest may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RngRate {
    /// Bytes in a period.
    pub bytes: u32,
    /// Length of a period in milliseconds; absent: a second.
    pub period: Option<u32>,
}

/// Where randomness comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum RngBackend {
    /// A device of the host.
    Random {
        /// Its path.
        path: String,
    },
    /// An entropy gathering daemon.
    Egd(CharSource),
    /// QEMU's own generator.
    Builtin,
}

impl Rng {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
        if let RngBackend::Egd(source) = &mut self.backend {
            source.inactive();
        }
    }
}

impl Element for RngBackend {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let model: String = node.required("model")?;
        match model.as_str() {
            "random" => Ok(Self::Random {
                path: node
                    .maybe_text()?
                    .unwrap_or_else(|| "/dev/random".to_owned()),
            }),
            "egd" => {
                let word = node
                    .attr_text("type")
                    .ok_or_else(|| xml("missing EGD backend type"))?;
                let kind = CharType::from_word(word)
                    .ok_or_else(|| unsupported(format!("unknown backend type '{word}' for egd")))?;
                CharSource::read_as(node, kind).map(Self::Egd)
            }
            "builtin" => Ok(Self::Builtin),
            other => Err(node.bad_attr("model", other, "'random', 'egd', 'builtin'")),
        }
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        match self {
            Self::Random { .. } => tag.text("model", "random"),
            Self::Egd(source) => {
                tag.text("model", "egd");
                source.attrs(tag);
            }
            Self::Builtin => tag.text("model", "builtin"),
        }
    }

    fn content(&self, out: &mut Writer) {
        match self {
            Self::Random { path } => out.text(path),
            Self::Egd(source) => source.content(out),
            Self::Builtin => {}
        }
    }
}

fn rate(node: &mut Node<'_>) -> Result<Option<RngRate>> {
    let number = |node: &mut Node<'_>, name: &str| -> Result<Option<u32>> {
        match node.attr_text(name) {
            None => Ok(None),
            Some(text) => text
                .trim()
                .parse()
                .map(Some)
                .map_err(|_| xml(format!("invalid RNG rate {name} value"))),
        }
    };
    let bytes = number(node, "bytes")?.filter(|bytes| *bytes > 0);
    let period = number(node, "period")?.filter(|period| *period > 0);
    Ok(bytes.map(|bytes| RngRate { bytes, period }))
}

impl Element for Rng {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let model = node.required("model")?;
        let rate = node.child_with("rate", rate)?.flatten();
        let mut backends: Vec<RngBackend> = node.children("backend")?;
        let one = (backends.pop(), backends.is_empty());
        let (Some(backend), true) = one else {
            return Err(xml("only one RNG backend is supported"));
        };
        Ok(Self {
            model,
            rate,
            backend,
            virtio: node.child("driver")?.unwrap_or_default(),
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("model", &self.model);
    }

    fn content(&self, out: &mut Writer) {
        if let Some(rate) = &self.rate {
            let attrs = |tag: &mut Tag<'_>| {
                tag.attr("bytes", &rate.bytes);
                tag.maybe("period", &rate.period);
            };
            out.open("rate", attrs, |_| {});
        }
        out.element("backend", &self.backend);
        if !self.virtio.is_empty() {
            out.element("driver", &self.virtio);
        }
        self.info.content(out);
    }
}
