//! Character devices: `<serial>`, `<parallel>`, `<console>`, `<channel>` and their back ends.
//!
//! Facts: formatdomain "Consoles, serial, parallel & channel devices"; domaincommon.rng; the texts
//! of refusals are the stock library's.

mod paths;
mod source;

pub use source::{
    CharBackend, CharLog, CharSource, CharType, MouseMode, Reconnect, SourceMode, TcpProtocol,
    UdpEnd,
};
pub(in crate::devices) use source::{read_switch, switch};

use crate::devices::info::DeviceInfo;
use crate::refusal::{unsupported, xml};
use std::net::{IpAddr, Ipv4Addr};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// `<serial>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Serial {
    /// What it is connected to.
    pub source: CharSource,
    /// What the guest sees.
    pub target: SerialTarget,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// `<target>` of a serial port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SerialTarget {
    /// The kind of port.
    pub kind: Option<SerialType>,
    /// Its number from 0; chosen where absent.
    pub port: Option<u32>,
    /// The device.
    pub model: Option<SerialModel>,
}

/// Kinds of serial ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum SerialType {
    /// On the ISA bus: the usual one of PCs.
    IsaSerial,
    /// On USB.
    UsbSerial,
    /// On PCI.
    PciSerial,
    /// On the virtual I/O bus of pSeries guests.
    SpaprVioSerial,
    /// Part of the machine (Arm, RISC-V).
    SystemSerial,
    /// s390x's.
    SclpSerial,
    /// A port that firmware writes its debug output to.
    IsaDebug,
}

/// Serial devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum SerialModel {
    /// Of `isa-serial`.
    IsaSerial,
    /// Of `usb-serial`.
    UsbSerial,
    /// Of `pci-serial`.
    PciSerial,
    /// Of `spapr-vio-serial`.
    SpaprVty,
    /// Of `system-serial`: Arm's.
    Pl011,
    /// Of `sclp-serial`.
    Sclpconsole,
    /// Of `sclp-serial`, line mode.
    Sclplmconsole,
    /// Of `system-serial`: RISC-V's.
    #[word("16550a")]
    Uart16550a,
    /// Of `isa-debug`.
    IsaDebugcon,
}

/// `<parallel>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// What it is connected to.
    pub source: CharSource,
    /// Its number from 0; chosen where absent.
    pub port: Option<u32>,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// `<console>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Console {
    /// What it is connected to.
    pub source: CharSource,
    /// Which kind; absent: the serial port of the same number.
    pub kind: Option<ConsoleType>,
    /// Its number from 0; chosen where absent.
    pub port: Option<u32>,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Kinds of consoles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum ConsoleType {
    /// A serial port under its other name.
    Serial,
    /// Xen's.
    Xen,
    /// User mode Linux's.
    Uml,
    /// A port of a virtio-serial controller.
    Virtio,
    /// A container's.
    Lxc,
    /// OpenVZ's.
    Openvz,
    /// s390x's.
    Sclp,
    /// s390x's, line mode.
    Sclplm,
}

/// `<channel>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// What it is connected to.
    pub source: CharSource,
    /// How the guest reaches it.
    pub target: ChannelTarget,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// `<target>` of a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelTarget {
    /// A port of a virtio-serial controller.
    Virtio {
        /// The port's name in the guest.
        name: Option<String>,
        /// Whether the guest has it open; live only.
        state: Option<ChannelState>,
    },
    /// An address of the guest's user network.
    Guestfwd {
        /// The address.
        address: Ipv4Addr,
        /// The TCP port.
        port: u16,
    },
    /// Xen's.
    Xen {
        /// Its name.
        name: Option<String>,
        /// Whether the guest has it open; live only.
        state: Option<ChannelState>,
    },
}

/// Whether the guest has a channel open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum ChannelState {
    /// It has.
    Connected,
    /// It has not.
    Disconnected,
}

/// A target that is left open, in a word.
const NOTHING: &str = "none";

fn unknown_target(word: &str) -> virt_error::Error {
    unsupported(format!(
        "unknown target type '{word}' specified for character device"
    ))
}

fn port(node: &mut Node<'_>) -> Result<Option<u32>> {
    let Some(text) = node.attr_text("port") else {
        return Ok(None);
    };
    // libvirt's own number for none.
    if text.trim() == "-1" {
        return Ok(None);
    }
    let port = text.trim().parse();
    port.map(Some)
        .map_err(|_| xml(format!("Invalid port number: {text}")))
}

/// The terminal's path, which old documents have as an attribute of the device.
fn take_tty(node: &mut Node<'_>, source: &mut CharSource) -> Result<()> {
    let tty = node.attr::<String>("tty")?;
    if source.kind() == CharType::Spicevmc {
        return Err(spicevmc_elsewhere());
    }
    if let CharBackend::Pty { path } = &mut source.backend
        && path.is_none()
    {
        *path = tty;
    }
    Ok(())
}

fn spicevmc_elsewhere() -> virt_error::Error {
    unsupported("spicevmc device type only supports virtio")
}

impl Element for Serial {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mut source = CharSource::read(node)?;
        take_tty(node, &mut source)?;
        let target = node.child::<SerialTarget>("target")?.unwrap_or_default();
        Ok(Self {
            source,
            target,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        self.source.attrs(tag);
    }

    fn content(&self, out: &mut Writer) {
        self.source.content(out);
        out.element("target", &self.target);
        self.info.content(out);
    }
}

impl Element for SerialTarget {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = match node.attr_text("type") {
            None | Some(NOTHING) => None,
            Some(word) => Some(SerialType::from_word(word).ok_or_else(|| unknown_target(word))?),
        };
        let port = port(node)?;
        let model = node.child_with("model", |node| {
            let Some(word) = node.attr_text("name").filter(|word| *word != NOTHING) else {
                return Ok(None);
            };
            SerialModel::from_word(word).map(Some).ok_or_else(|| {
                unsupported(format!(
                    "unknown target model '{word}' specified for character device"
                ))
            })
        })?;
        Ok(Self {
            kind,
            port,
            model: model.flatten(),
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("type", &self.kind);
        tag.maybe("port", &self.port);
    }

    fn content(&self, out: &mut Writer) {
        switch(out, "model", "name", self.model.as_ref());
    }
}

impl Element for Parallel {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mut source = CharSource::read(node)?;
        take_tty(node, &mut source)?;
        Ok(Self {
            source,
            port: node.child_with("target", port)?.flatten(),
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        self.source.attrs(tag);
    }

    fn content(&self, out: &mut Writer) {
        self.source.content(out);
        out.open("target", |tag| tag.maybe("port", &self.port), |_| {});
        self.info.content(out);
    }
}

impl Element for Console {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mut source = CharSource::read(node)?;
        take_tty(node, &mut source)?;
        let target = node.child_with("target", |node| {
            let kind = match node.attr_text("type") {
                None | Some(NOTHING) => None,
                Some(word) => {
                    Some(ConsoleType::from_word(word).ok_or_else(|| unknown_target(word))?)
                }
            };
            Ok((kind, port(node)?))
        })?;
        let (kind, port) = target.unwrap_or_default();
        Ok(Self {
            source,
            kind,
            port,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        self.source.attrs(tag);
        // Only the first one is told in the oldest way, too.
        if let CharBackend::Pty { path } = &self.source.backend
            && self.port.is_none_or(|port| port == 0)
        {
            tag.maybe("tty", path);
        }
    }

    fn content(&self, out: &mut Writer) {
        self.source.content(out);
        let attrs = |tag: &mut Tag<'_>| {
            tag.maybe("type", &self.kind);
            tag.maybe("port", &self.port);
        };
        out.open("target", attrs, |_| {});
        self.info.content(out);
    }
}

impl Element for Channel {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let source = CharSource::read(node)?;
        let target = node
            .child("target")?
            .ok_or_else(|| xml("target type must be specified for channel device"))?;
        if source.kind() == CharType::Spicevmc && !matches!(target, ChannelTarget::Virtio { .. }) {
            return Err(spicevmc_elsewhere());
        }
        Ok(Self {
            source,
            target,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        self.source.attrs(tag);
    }

    fn content(&self, out: &mut Writer) {
        self.source.content(out);
        out.element("target", &self.target);
        self.info.content(out);
    }
}

impl Element for ChannelTarget {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let word = node
            .attr_text("type")
            .ok_or_else(|| xml("target type must be specified for channel device"))?;
        let named = |node: &mut Node<'_>| -> Result<_> {
            Ok((node.attr("name")?, node.attr::<ChannelState>("state")?))
        };
        match word {
            "virtio" => named(node).map(|(name, state)| Self::Virtio { name, state }),
            "xen" => named(node).map(|(name, state)| Self::Xen { name, state }),
            "guestfwd" => {
                let text: String = node
                    .attr("address")?
                    .ok_or_else(|| xml("guestfwd channel does not define a target address"))?;
                let address = match text.parse() {
                    Ok(IpAddr::V4(address)) => address,
                    Ok(IpAddr::V6(_)) => {
                        return Err(unsupported("guestfwd channel only supports IPv4 addresses"));
                    }
                    Err(_) => return Err(node.bad_attr("address", &text, "an IPv4 address")),
                };
                Ok(Self::Guestfwd {
                    address,
                    port: node.required("port")?,
                })
            }
            _ => Err(unknown_target(word)),
        }
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        match self {
            Self::Virtio { name, state } | Self::Xen { name, state } => {
                let virtio = matches!(self, Self::Virtio { .. });
                tag.text("type", if virtio { "virtio" } else { "xen" });
                tag.maybe("name", name);
                tag.maybe("state", state);
            }
            Self::Guestfwd { address, port } => {
                tag.text("type", "guestfwd");
                tag.text("address", &address.to_string());
                tag.attr("port", port);
            }
        }
    }

    fn content(&self, _: &mut Writer) {}
}

impl ChannelTarget {
    /// Its name, where it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Virtio { name, .. } | Self::Xen { name, .. } => name.as_deref(),
            Self::Guestfwd { .. } => None,
        }
    }
}

impl Serial {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.source.inactive();
        self.info.inactive();
    }
}

impl Parallel {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.source.inactive();
        self.info.inactive();
    }
}

impl Console {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.source.inactive();
        self.info.inactive();
    }
}

impl Channel {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.source.inactive();
        self.info.inactive();
        if let ChannelTarget::Virtio { state, .. } | ChannelTarget::Xen { state, .. } =
            &mut self.target
        {
            *state = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_xml::{read_named, write};

    fn again<E: Element>(name: &str, text: &str) -> String {
        let (device, unknown) = read_named::<E>(name, text).unwrap();
        assert_eq!(unknown, []);
        write(name, &device)
    }

    fn refusal<E: Element + std::fmt::Debug>(name: &str, text: &str) -> String {
        read_named::<E>(name, text)
            .unwrap_err()
            .message()
            .to_owned()
    }

    #[test]
    fn parts_are_written_in_their_order() {
        let serial = "<serial type='tcp'>
  <source mode='connect' host='h' service='2' tls='yes'>
    <reconnect enabled='yes' timeout='3'/>
  </source>
  <protocol type='raw'/>
  <log file='/x' append='on'/>
  <target type='isa-serial' port='1'>
    <model name='isa-serial'/>
  </target>
  <alias name='ua-s'/>
  <address type='isa' iobase='0x3f8' irq='0x4'/>
</serial>
";
        assert_eq!(again::<Serial>("serial", serial), serial);
        let channel = "<channel type='udp'>
  <source mode='bind' host='h' service='2'/>
  <source mode='connect' host='q' service='3'/>
  <target type='guestfwd' address='10.0.2.1' port='4600'/>
</channel>
";
        assert_eq!(again::<Channel>("channel", channel), channel);
    }

    #[test]
    fn a_terminals_path_is_only_a_running_guests() {
        let text = "<console type='pty' tty='/dev/pts/1'/>";
        let (mut console, _) = read_named::<Console>("console", text).unwrap();
        assert_eq!(console.source.backend.path(), Some("/dev/pts/1"));
        assert!(write("console", &console).contains("<source path='/dev/pts/1'/>"));
        console.inactive();
        assert_eq!(
            write("console", &console),
            "<console type='pty'>\n  <target/>\n</console>\n"
        );
    }

    #[test]
    fn refusals_are_the_stock_ones() {
        let serial = |inner: &str| refusal::<Serial>("serial", inner);
        assert_eq!(
            serial("<serial type='nonsense'/>"),
            "unsupported configuration: unknown type presented to host for character device: nonsense"
        );
        assert_eq!(
            serial("<serial type='dev'/>"),
            "internal error: Missing source path attribute for char device"
        );
        assert_eq!(
            serial("<serial><source/><source/></serial>"),
            "XML error: only one source element is allowed for character device"
        );
        assert_eq!(
            serial("<serial><target type='x'/></serial>"),
            "unsupported configuration: unknown target type 'x' specified for character device"
        );
        assert_eq!(
            serial(
                "<serial type='unix'><source mode='bind' path='/x'><reconnect enabled='yes' timeout='1'/></source></serial>"
            ),
            "internal error: chardev reconnect is possible only for connect mode"
        );
        assert_eq!(
            refusal::<Channel>("channel", "<channel type='pty'/>"),
            "XML error: target type must be specified for channel device"
        );
    }
}
