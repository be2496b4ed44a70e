//! What a character device is connected to on the host: the part that serial ports, consoles,
//! channels, smart cards, USB redirection and entropy daemons have in common.
//!
//! Facts: formatdomain "Host interface" of consoles and channels; domaincommon.rng `qemucdev*`; the
//! texts of refusals are the stock library's.

use crate::devices::storage::DeviceSeclabel;
use crate::refusal::{internal, invalid_argument, unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, OnOff, Tag, Value, Words, Writer, YesNo};

/// The kinds of back ends, by the words of `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum CharType {
    /// Output is thrown away.
    Null,
    /// A virtual console of QEMU's window.
    Vc,
    /// A pseudo terminal.
    Pty,
    /// A device of the host.
    Dev,
    /// A file that output is written to.
    File,
    /// A pair of named pipes.
    Pipe,
    /// QEMU's own standard input and output.
    Stdio,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// A UNIX socket.
    Unix,
    /// The SPICE client's channel for a known purpose.
    Spicevmc,
    /// A named channel to the SPICE client.
    Spiceport,
    /// A FreeBSD null modem.
    Nmdm,
    /// QEMU's own implementation of the SPICE agent.
    QemuVdagent,
    /// A channel on D-Bus.
    Dbus,
}

/// A back end with its log.
#[derive(Debug, Clone, PartialEq)]
pub struct CharSource {
    /// What the device is connected to.
    pub backend: CharBackend,
    /// Labels of the file or socket.
    pub seclabels: Vec<DeviceSeclabel>,
    /// Where a copy of the output goes.
    pub log: Option<CharLog>,
}

/// What a character device is connected to.
#[derive(Debug, Clone, PartialEq)]
pub enum CharBackend {
    /// Output is thrown away.
    Null,
    /// A virtual console of QEMU's window.
    Vc,
    /// A pseudo terminal.
    Pty {
        /// The terminal's path; live only.
        path: Option<String>,
    },
    /// A device of the host.
    Dev {
        /// Its path.
        path: String,
    },
    /// A file that output is written to.
    File {
        /// Its path.
        path: String,
        /// Whether what is there is kept.
        append: Option<OnOff>,
    },
    /// A pair of named pipes.
    Pipe {
        /// Their path without `.in` and `.out`.
        path: String,
    },
    /// QEMU's own standard input and output.
    Stdio,
    /// A UNIX socket.
    Unix {
        /// Which side listens.
        mode: SourceMode,
        /// Its path; a channel without one gets one for each start.
        path: Option<String>,
        /// What happens when the other side goes.
        reconnect: Option<Reconnect>,
    },
    /// TCP.
    Tcp {
        /// Which side listens.
        mode: SourceMode,
        /// Name or address.
        host: String,
        /// Port or name of a service.
        service: String,
        /// What is spoken on it.
        protocol: TcpProtocol,
        /// Whether it is encrypted; absent: as the driver is configured.
        tls: Option<YesNo>,
        /// Whether `tls` was filled in from the driver's configuration; in status files only.
        tls_from_config: Option<u32>,
        /// What happens when the other side goes.
        reconnect: Option<Reconnect>,
    },
    /// UDP.
    Udp {
        /// Where packets are sent to.
        connect: UdpEnd,
        /// Where packets are received.
        bind: UdpEnd,
    },
    /// The SPICE client's channel for the device's purpose.
    Spicevmc,
    /// A named channel to the SPICE client.
    Spiceport {
        /// Its name.
        channel: String,
    },
    /// A FreeBSD null modem.
    Nmdm {
        /// The guest's side.
        master: Option<String>,
        /// The other side.
        slave: Option<String>,
    },
    /// QEMU's own implementation of the SPICE agent.
    QemuVdagent {
        /// Whether the clipboard is shared.
        clipboard: Option<YesNo>,
        /// Who moves the pointer.
        mouse: Option<MouseMode>,
    },
    /// A channel on D-Bus.
    Dbus {
        /// Its name.
        channel: String,
    },
}

/// Which side listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum SourceMode {
    /// QEMU connects.
    #[default]
    Connect,
    /// QEMU listens.
    Bind,
}

/// What is spoken on a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum TcpProtocol {
    /// The bytes alone.
    #[default]
    Raw,
    /// Telnet.
    Telnet,
    /// Telnet in TLS; accepted by other drivers.
    Telnets,
    /// TLS; accepted by other drivers, QEMU's is `tls` of the source.
    Tls,
}

/// Who moves the pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum MouseMode {
    /// Relative movements through the guest's own pointer.
    Server,
    /// Absolute positions from the client.
    Client,
}

/// One end of UDP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UdpEnd {
    /// Name or address.
    pub host: Option<String>,
    /// Port or name of a service.
    pub service: Option<String>,
}

/// `<reconnect …/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// Whether it is tried again.
    pub enabled: YesNo,
    /// Seconds between tries, not 0; there when it is enabled.
    pub timeout: Option<u32>,
}

/// `<log …/>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharLog {
    /// The file's path.
    pub file: String,
    /// Whether what is there is kept.
    pub append: Option<OnOff>,
}

impl CharSource {
    /// A back end without more.
    pub fn new(backend: CharBackend) -> Self {
        Self {
            backend,
            seclabels: Vec::new(),
            log: None,
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> CharType {
        self.backend.kind()
    }

    /// The kind that `type` says, if it is there.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED for an unknown one.
    pub fn read_kind(node: &mut Node<'_>) -> Result<Option<CharType>> {
        let Some(word) = node.attr_text("type") else {
            return Ok(None);
        };
        CharType::from_word(word).map(Some).ok_or_else(|| {
            unsupported(format!(
                "unknown type presented to host for character device: {word}"
            ))
        })
    }

    /// Reads the rest of a back end of that kind.
    ///
    /// # Errors
    /// XML_ERROR and INTERNAL_ERROR for what is missing or wrong.
    pub fn read_as(node: &mut Node<'_>, kind: CharType) -> Result<Self> {
        Self::read_named(node, kind, None)
    }

    /// As [`CharSource::read_as`], for devices whose channels on D-Bus have a usual name.
    pub(in crate::devices) fn read_named(
        node: &mut Node<'_>,
        kind: CharType,
        channel: Option<&str>,
    ) -> Result<Self> {
        let mut parts = Vec::new();
        while let Some(part) = node.child_with("source", |node| Part::read(node, kind))? {
            parts.push(part);
        }
        let limit = if kind == CharType::Udp { 2 } else { 1 };
        if parts.len() > limit {
            return Err(xml(
                "only one source element is allowed for character device",
            ));
        }
        let protocol = match kind {
            CharType::Tcp => node
                .child_with("protocol", |node| node.attr("type"))?
                .flatten()
                .unwrap_or_default(),
            _ => {
                // virt-manager leaves it behind when the type changes; it says nothing then.
                node.child_with("protocol", |node| Ok(node.attr_text("type").is_some()))?;
                TcpProtocol::Raw
            }
        };
        let log = node.child_with("log", |node| {
            let file: Option<String> = node.attr("file")?;
            let append = node.attr("append")?;
            Ok(file.map(|file| CharLog { file, append }))
        })?;
        if kind == CharType::Dbus {
            if parts.is_empty() {
                parts.push(Part::default());
            }
            if let Some(part) = parts.first_mut() {
                part.channel = part.channel.take().or_else(|| channel.map(str::to_owned));
            }
        }
        let seclabels = parts.first_mut().map(|p| std::mem::take(&mut p.seclabels));
        let backend = backend(kind, parts, protocol)?;
        Ok(Self {
            backend,
            seclabels: seclabels.unwrap_or_default(),
            log: log.flatten(),
        })
    }

    /// Writes `type`.
    pub fn write_kind(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind());
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        if let CharBackend::Pty { path } = &mut self.backend {
            *path = None;
        }
        if let CharBackend::Tcp {
            tls,
            tls_from_config,
            ..
        } = &mut self.backend
            && tls_from_config.take() == Some(1)
        {
            *tls = None;
        }
    }

    fn write_source(&self, out: &mut Writer) {
        let labels = |out: &mut Writer| {
            for label in &self.seclabels {
                out.element("seclabel", label);
            }
        };
        let path = |out: &mut Writer, path: Option<&str>, append: &Option<OnOff>| {
            if let Some(path) = path {
                let attrs = |tag: &mut Tag<'_>| {
                    tag.text("path", path);
                    tag.maybe("append", append);
                };
                out.open("source", attrs, labels);
            }
        };
        let channel = |out: &mut Writer, name: &String| {
            out.open("source", |tag| tag.attr("channel", name), |_| {});
        };
        match &self.backend {
            CharBackend::Null | CharBackend::Vc | CharBackend::Stdio | CharBackend::Spicevmc => {}
            CharBackend::Pty { path: tty } => path(out, tty.as_deref(), &None),
            CharBackend::Dev { path: p } | CharBackend::Pipe { path: p } => {
                path(out, Some(p), &None);
            }
            CharBackend::File { path: p, append } => path(out, Some(p), append),
            CharBackend::Unix {
                mode,
                path: socket,
                reconnect,
            } => {
                if let Some(socket) = socket {
                    let attrs = |tag: &mut Tag<'_>| {
                        tag.attr("mode", mode);
                        tag.attr("path", socket);
                    };
                    out.open("source", attrs, |out| {
                        out.maybe("reconnect", reconnect.as_ref());
                        labels(out);
                    });
                }
            }
            CharBackend::Tcp {
                mode,
                host,
                service,
                protocol,
                tls,
                tls_from_config,
                reconnect,
            } => {
                let attrs = |tag: &mut Tag<'_>| {
                    tag.attr("mode", mode);
                    tag.attr("host", host);
                    tag.attr("service", service);
                    tag.maybe("tls", tls);
                    tag.maybe("tlsFromConfig", tls_from_config);
                };
                out.open("source", attrs, |out| {
                    out.maybe("reconnect", reconnect.as_ref())
                });
                out.open("protocol", |tag| tag.attr("type", protocol), |_| {});
            }
            CharBackend::Udp { connect, bind } => {
                bind.write(out, SourceMode::Bind);
                connect.write(out, SourceMode::Connect);
            }
            CharBackend::Spiceport { channel: name } | CharBackend::Dbus { channel: name } => {
                channel(out, name);
            }
            CharBackend::Nmdm { master, slave } => {
                if master.is_some() || slave.is_some() {
                    let attrs = |tag: &mut Tag<'_>| {
                        tag.maybe("master", master);
                        tag.maybe("slave", slave);
                    };
                    out.open("source", attrs, |_| {});
                }
            }
            CharBackend::QemuVdagent { clipboard, mouse } => {
                if clipboard.is_some() || mouse.is_some() {
                    out.open(
                        "source",
                        |_| {},
                        |out| {
                            switch(out, "clipboard", "copypaste", clipboard.as_ref());
                            switch(out, "mouse", "mode", mouse.as_ref());
                        },
                    );
                }
            }
        }
    }
}

/// Writes `<name attribute='value'/>`.
pub(in crate::devices) fn switch<V: Value>(
    out: &mut Writer,
    name: &str,
    attribute: &str,
    value: Option<&V>,
) {
    if let Some(value) = value {
        out.open(name, |tag| tag.attr(attribute, value), |_| {});
    }
}

/// Reads `<name attribute='value'/>`.
pub(in crate::devices) fn read_switch<V: Value>(
    node: &mut Node<'_>,
    name: &str,
    attribute: &str,
) -> Result<Option<V>> {
    node.child_with(name, |node| node.required(attribute))
}

impl Element for CharSource {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = Self::read_kind(node)?.unwrap_or(CharType::Pty);
        Self::read_as(node, kind)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        self.write_kind(tag);
    }

    fn content(&self, out: &mut Writer) {
        self.write_source(out);
        if let Some(log) = &self.log {
            let attrs = |tag: &mut Tag<'_>| {
                tag.attr("file", &log.file);
                tag.maybe("append", &log.append);
            };
            out.open("log", attrs, |_| {});
        }
    }
}

impl CharBackend {
    /// Which kind it is.
    pub fn kind(&self) -> CharType {
        match self {
            Self::Null => CharType::Null,
            Self::Vc => CharType::Vc,
            Self::Pty { .. } => CharType::Pty,
            Self::Dev { .. } => CharType::Dev,
            Self::File { .. } => CharType::File,
            Self::Pipe { .. } => CharType::Pipe,
            Self::Stdio => CharType::Stdio,
            Self::Unix { .. } => CharType::Unix,
            Self::Tcp { .. } => CharType::Tcp,
            Self::Udp { .. } => CharType::Udp,
            Self::Spicevmc => CharType::Spicevmc,
            Self::Spiceport { .. } => CharType::Spiceport,
            Self::Nmdm { .. } => CharType::Nmdm,
            Self::QemuVdagent { .. } => CharType::QemuVdagent,
            Self::Dbus { .. } => CharType::Dbus,
        }
    }

    /// The path on the host, where it has one: of the terminal, device, file, pipe or socket.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Pty { path } | Self::Unix { path, .. } => path.as_deref(),
            Self::Dev { path } | Self::File { path, .. } | Self::Pipe { path } => Some(path),
            _ => None,
        }
    }
}

impl UdpEnd {
    fn write(&self, out: &mut Writer, mode: SourceMode) {
        if self.host.is_none() && self.service.is_none() {
            return;
        }
        let attrs = |tag: &mut Tag<'_>| {
            tag.attr("mode", &mode);
            tag.maybe("host", &self.host);
            tag.maybe("service", &self.service);
        };
        out.open("source", attrs, |_| {});
    }
}

impl Reconnect {
    /// Takes `<reconnect>`; one that does not say whether says nothing.
    fn read_of(node: &mut Node<'_>) -> Result<Option<Self>> {
        let read = node.child_with("reconnect", |node| {
            let enabled = node.attr::<YesNo>("enabled")?;
            let timeout = Self::timeout(node, enabled)?;
            Ok(enabled.map(|enabled| Self { enabled, timeout }))
        })?;
        Ok(read.flatten())
    }

    /// Seconds, which say nothing while it is off.
    fn timeout(node: &mut Node<'_>, enabled: Option<YesNo>) -> Result<Option<u32>> {
        if !enabled.is_some_and(YesNo::is_yes) {
            node.attr_text("timeout");
            return Ok(None);
        }
        match node.required("timeout")? {
            0 => Err(invalid_argument(
                "chardev reconnect source timeout cannot be '0'",
            )),
            seconds => Ok(Some(seconds)),
        }
    }
}

impl Element for Reconnect {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let enabled: YesNo = node.required("enabled")?;
        Ok(Self {
            enabled,
            timeout: Self::timeout(node, Some(enabled))?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("enabled", &self.enabled);
        tag.maybe("timeout", &self.timeout);
    }

    fn content(&self, _: &mut Writer) {}
}

/// One `<source>` as it stands.
#[derive(Default)]
struct Part {
    mode: Option<SourceMode>,
    path: Option<String>,
    append: Option<OnOff>,
    host: Option<String>,
    service: Option<String>,
    tls: Option<YesNo>,
    tls_from_config: Option<u32>,
    channel: Option<String>,
    master: Option<String>,
    slave: Option<String>,
    reconnect: Option<Reconnect>,
    clipboard: Option<YesNo>,
    mouse: Option<MouseMode>,
    seclabels: Vec<DeviceSeclabel>,
}

impl Part {
    fn read(node: &mut Node<'_>, kind: CharType) -> Result<Self> {
        let mut part = Self::default();
        match kind {
            CharType::Null | CharType::Vc | CharType::Stdio | CharType::Spicevmc => {}
            CharType::Pty | CharType::Dev | CharType::File | CharType::Pipe => {
                part.path = node.attr("path")?;
                part.append = node.attr("append")?;
            }
            CharType::Unix => {
                part.mode = node.attr("mode")?;
                part.path = node.attr::<String>("path")?.filter(|path| !path.is_empty());
                part.reconnect = Reconnect::read_of(node)?;
            }
            CharType::Tcp | CharType::Udp => {
                part.mode = node.attr("mode")?;
                part.host = node.attr("host")?;
                part.service = node.attr("service")?;
                if kind == CharType::Tcp {
                    part.tls = node.attr("tls")?;
                    part.tls_from_config = node.attr("tlsFromConfig")?;
                    part.reconnect = Reconnect::read_of(node)?;
                }
            }
            CharType::Spiceport | CharType::Dbus => part.channel = node.attr("channel")?,
            CharType::Nmdm => {
                part.master = node.attr("master")?;
                part.slave = node.attr("slave")?;
            }
            CharType::QemuVdagent => {
                part.clipboard = read_switch(node, "clipboard", "copypaste")?;
                part.mouse = read_switch(node, "mouse", "mode")?;
            }
        }
        part.seclabels = DeviceSeclabel::read_all(node)?;
        Ok(part)
    }
}

fn backend(kind: CharType, parts: Vec<Part>, protocol: TcpProtocol) -> Result<CharBackend> {
    let mut parts = parts.into_iter();
    let part = parts.next().unwrap_or_default();
    let missing = |what: &str| internal(format!("Missing source {what} attribute for char device"));
    let path = |path: Option<String>| path.ok_or_else(|| missing("path"));
    let channel = |channel: Option<String>| {
        channel.ok_or_else(|| unsupported("Missing source channel attribute for char device"))
    };
    let mode = part.mode.unwrap_or_default();
    if mode == SourceMode::Bind && part.reconnect.is_some() {
        return Err(internal(
            "chardev reconnect is possible only for connect mode",
        ));
    }
    Ok(match kind {
        CharType::Null => CharBackend::Null,
        CharType::Vc => CharBackend::Vc,
        CharType::Stdio => CharBackend::Stdio,
        CharType::Spicevmc => CharBackend::Spicevmc,
        CharType::Pty => CharBackend::Pty { path: part.path },
        CharType::Dev => CharBackend::Dev {
            path: path(part.path)?,
        },
        CharType::Pipe => CharBackend::Pipe {
            path: path(part.path)?,
        },
        CharType::File => CharBackend::File {
            path: path(part.path)?,
            append: part.append,
        },
        CharType::Unix => CharBackend::Unix {
            mode,
            path: part.path,
            reconnect: part.reconnect,
        },
        CharType::Tcp => CharBackend::Tcp {
            mode,
            host: part.host.ok_or_else(|| missing("host"))?,
            service: part.service.ok_or_else(|| missing("service"))?,
            protocol,
            tls: part.tls,
            tls_from_config: part.tls_from_config,
            reconnect: part.reconnect,
        },
        CharType::Udp => udp(std::iter::once(part).chain(parts))?,
        CharType::Spiceport => CharBackend::Spiceport {
            channel: channel(part.channel)?,
        },
        CharType::Dbus => CharBackend::Dbus {
            channel: channel(part.channel)?,
        },
        CharType::Nmdm => CharBackend::Nmdm {
            master: part.master,
            slave: part.slave,
        },
        CharType::QemuVdagent => CharBackend::QemuVdagent {
            clipboard: part.clipboard,
            mouse: part.mouse,
        },
    })
}

fn udp(parts: impl Iterator<Item = Part>) -> Result<CharBackend> {
    let mut connect = UdpEnd::default();
    let mut bind = UdpEnd::default();
    for part in parts {
        let end = match part.mode.unwrap_or_default() {
            SourceMode::Connect => &mut connect,
            SourceMode::Bind => &mut bind,
        };
        end.host = part.host;
        end.service = part.service;
    }
    if connect.service.is_none() {
        return Err(internal("Missing source service attribute for char device"));
    }
    Ok(CharBackend::Udp { connect, bind })
}
