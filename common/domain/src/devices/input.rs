//! `<input>`: keyboards, mice, tablets and the host's input devices.
//!
//! Facts: formatdomain "Input devices"; domaincommon.rng `input`; the texts of refusals are the stock
//! library's.

use super::info::DeviceInfo;
use super::virtio::{VirtioModel, VirtioOptions};
use crate::refusal::{internal, unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// `<input>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What it is.
    pub kind: InputType,
    /// What it hangs on; chosen where absent.
    pub bus: Option<InputBus>,
    /// Which virtio device.
    pub model: Option<VirtioModel>,
    /// Options of the virtio transport.
    pub virtio: VirtioOptions,
    /// The host's device, of the kinds that have one.
    pub source: Option<InputSource>,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Kinds of input devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum InputType {
    /// Relative movements.
    Mouse,
    /// Absolute positions.
    Tablet,
    /// Keys.
    Keyboard,
    /// One of the host's, seen through by the guest.
    Passthrough,
    /// One of the host's, read by QEMU.
    Evdev,
}

/// What an input device hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum InputBus {
    /// The machine's own ports.
    Ps2,
    /// USB.
    Usb,
    /// Xen's.
    Xen,
    /// Parallels'.
    Parallels,
    /// virtio.
    Virtio,
    /// Nothing in particular.
    None,
}

/// The host's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSource {
    /// Its path.
    pub path: String,
    /// What of all devices is grabbed together.
    pub grab: Option<Grab>,
    /// Which keys change who has it.
    pub grab_toggle: Option<GrabToggle>,
    /// Whether keys repeat.
    pub repeat: Option<OnOff>,
}

/// What is grabbed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum Grab {
    /// All input devices.
    All,
}

/// Which keys change who has the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "each is its name")]
pub enum GrabToggle {
    CtrlCtrl,
    AltAlt,
    ShiftShift,
    MetaMeta,
    Scrolllock,
    CtrlScrolllock,
}

impl Input {
    /// One of that kind on that bus.
    pub fn new(kind: InputType, bus: InputBus) -> Self {
        Self {
            kind,
            bus: Some(bus),
            model: None,
            virtio: VirtioOptions::default(),
            source: None,
            info: DeviceInfo::default(),
        }
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }

    fn check(&self) -> Result<()> {
        let bus = self.bus;
        match self.kind {
            InputType::Tablet if bus == Some(InputBus::Ps2) => {
                return Err(internal("ps2 bus does not support tablet input device"));
            }
            InputType::Passthrough if bus.is_some_and(|bus| bus != InputBus::Virtio) => {
                return Err(unsupported(
                    "only bus 'virtio' is supported for 'passthrough' input devices",
                ));
            }
            InputType::Evdev if bus.is_some_and(|bus| bus != InputBus::None) => {
                return Err(unsupported("input evdev doesn't support bus element"));
            }
            _ => {}
        }
        // A bus chosen later comes too late for a model.
        if let Some(model) = self.model
            && bus != Some(InputBus::Virtio)
        {
            return Err(unsupported(format!(
                "only bus 'virtio' is supported for input model '{model}'"
            )));
        }
        Ok(())
    }
}

fn path(node: &mut Node<'_>, name: &str) -> Result<String> {
    node.attr(name)?
        .ok_or_else(|| xml("Missing evdev path for input device"))
}

impl Element for Input {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let word = node
            .attr_text("type")
            .ok_or_else(|| internal("missing input device type"))?;
        let kind = InputType::from_word(word)
            .ok_or_else(|| unsupported(format!("unknown input device type '{word}'")))?;
        let bus = match node.attr_text("bus") {
            None => (kind == InputType::Passthrough).then_some(InputBus::Virtio),
            Some(word) => Some(
                InputBus::from_word(word)
                    .ok_or_else(|| unsupported(format!("unknown input bus type '{word}'")))?,
            ),
        };
        let model = match node.attr_text("model") {
            None => None,
            Some(word) => Some(
                VirtioModel::from_word(word)
                    .ok_or_else(|| unsupported(format!("unknown input model '{word}'")))?,
            ),
        };
        // What is left unread is reported as unknown.
        let source = match kind {
            InputType::Evdev => node.child_with("source", |node| {
                Ok(InputSource {
                    path: path(node, "dev")?,
                    grab: node.attr("grab")?,
                    grab_toggle: node.attr("grabToggle")?,
                    repeat: node.attr("repeat")?,
                })
            })?,
            InputType::Passthrough => node.child_with("source", |node| {
                Ok(InputSource {
                    path: path(node, "evdev")?,
                    grab: None,
                    grab_toggle: None,
                    repeat: None,
                })
            })?,
            InputType::Mouse | InputType::Tablet | InputType::Keyboard => None,
        };
        let input = Self {
            kind,
            bus,
            model,
            virtio: node.child("driver")?.unwrap_or_default(),
            source,
            info: DeviceInfo::read(node)?,
        };
        input.check()?;
        Ok(input)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind);
        tag.maybe("bus", &self.bus.filter(|bus| *bus != InputBus::None));
        tag.maybe("model", &self.model);
    }

    fn content(&self, out: &mut Writer) {
        if !self.virtio.is_empty() {
            out.element("driver", &self.virtio);
        }
        if let Some(source) = &self.source {
            let attrs = |tag: &mut Tag<'_>| {
                let evdev = self.kind == InputType::Evdev;
                tag.attr(if evdev { "dev" } else { "evdev" }, &source.path);
                tag.maybe("grab", &source.grab);
                tag.maybe("grabToggle", &source.grab_toggle);
                tag.maybe("repeat", &source.repeat);
            };
            out.open("source", attrs, |_| {});
        }
        self.info.content(out);
    }
}
