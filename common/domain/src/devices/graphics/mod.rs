//! `<graphics>`: how the guest's screen is shown.
//!
//! Facts: formatdomain "Graphical framebuffers"; domaincommon.rng `graphic`; the order of parts and
//! the texts of refusals are the stock library's.

mod listen;
mod spice;

pub use listen::Listen;
pub use spice::{
    ImageCompression, SpiceChannel, SpiceChannelMode, SpiceChannelName, SpiceSettings,
    StreamingMode, WanCompression,
};

use super::chardev::{read_switch, switch};
use crate::refusal::{internal, unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// `<graphics>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Graphics {
    /// Which kind, with what only that kind has.
    pub kind: GraphicsKind,
    /// Where it listens; at least one for kinds that listen.
    pub listens: Vec<Listen>,
}

/// The kinds of displays, by the words of `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum GraphicsType {
    /// A window on the host.
    Sdl,
    /// VNC.
    Vnc,
    /// RDP.
    Rdp,
    /// VirtualBox's window.
    Desktop,
    /// SPICE.
    Spice,
    /// OpenGL without a display.
    EglHeadless,
    /// D-Bus.
    Dbus,
}

/// A kind of display with what only that kind has.
#[derive(Debug, Clone, PartialEq)]
pub enum GraphicsKind {
    /// A window on the host.
    Sdl {
        /// The X display.
        display: Option<String>,
        /// The X authority file.
        xauth: Option<String>,
        /// Whether it fills the screen.
        fullscreen: Option<YesNo>,
        /// Whether OpenGL is used.
        gl: Option<YesNo>,
    },
    /// VNC.
    Vnc(Vnc),
    /// RDP.
    Rdp(Rdp),
    /// VirtualBox's window.
    Desktop {
        /// The X display.
        display: Option<String>,
        /// Whether it fills the screen.
        fullscreen: Option<YesNo>,
    },
    /// SPICE.
    Spice(Box<Spice>),
    /// OpenGL without a display.
    EglHeadless {
        /// The node that renders.
        rendernode: Option<String>,
    },
    /// D-Bus.
    Dbus {
        /// Whether clients get a connection of their own from the daemon.
        p2p: bool,
        /// Another bus than the guest's own.
        address: Option<String>,
        /// Whether OpenGL is used.
        gl: Option<Gl>,
        /// Number of the sound back end.
        audio: Option<u8>,
    },
}

/// VNC's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vnc {
    /// TCP port; absent while it is to be chosen. One that is none is refused at start only.
    pub port: Option<i32>,
    /// Whether the port is chosen by the daemon.
    pub autoport: bool,
    /// TCP port for browsers; -1 while it is to be chosen.
    pub websocket: Option<i32>,
    /// Whether that port was chosen by the daemon; live only.
    pub websocket_generated: bool,
    /// Layout of the client's keyboard.
    pub keymap: Option<String>,
    /// What happens to the other clients.
    pub share_policy: Option<SharePolicy>,
    /// Whether clients may switch the guest off.
    pub power_control: Option<YesNo>,
    /// Password.
    pub auth: Option<GraphicsAuth>,
    /// Number of the sound back end.
    pub audio: Option<u8>,
}

/// What happens to the other clients when one connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum SharePolicy {
    /// As the client says.
    AllowExclusive,
    /// They stay.
    ForceShared,
    /// They stay, whatever the client says.
    Ignore,
}

/// SPICE's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spice {
    /// TCP port; 0: none (or to be chosen with `autoport`), -1: to be chosen.
    pub port: i32,
    /// TCP port with TLS; as `port`.
    pub tls_port: i32,
    /// Whether ports are chosen by the daemon.
    pub autoport: bool,
    /// Layout of the client's keyboard.
    pub keymap: Option<String>,
    /// How connections are made that nothing is said of.
    pub default_mode: SpiceChannelMode,
    /// Password.
    pub auth: Option<GraphicsAuth>,
    /// Everything else.
    pub settings: SpiceSettings,
    /// Whether OpenGL is used.
    pub gl: Option<Gl>,
}

/// RDP's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rdp {
    /// TCP port; 0 while it is to be chosen.
    pub port: u16,
    /// Whether the port is chosen by the daemon.
    pub autoport: bool,
    /// Whether a second connection takes the place of the first one.
    pub replace_user: bool,
    /// Whether there may be several.
    pub multi_user: bool,
    /// Name and password.
    pub username: Option<String>,
    /// Password.
    pub passwd: Option<String>,
}

/// A password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphicsAuth {
    /// The password; not shown without leave.
    pub passwd: Option<String>,
    /// When it ends: `YYYY-MM-DDTHH:MM:SS`, UTC.
    pub valid_to: Option<String>,
    /// What happens to connections when it changes.
    pub connected: Option<ConnectedPolicy>,
}

/// What happens to connections when the password changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum ConnectedPolicy {
    /// The change fails while there are any.
    Fail,
    /// They are ended.
    Disconnect,
    /// They stay.
    Keep,
}

/// `<gl …/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Gl {
    /// Whether it is used.
    #[xml(attr)]
    pub enable: YesNo,
    /// The node that renders.
    #[xml(attr)]
    pub rendernode: Option<String>,
}

impl Graphics {
    /// Which kind it is.
    pub fn kind(&self) -> GraphicsType {
        match &self.kind {
            GraphicsKind::Sdl { .. } => GraphicsType::Sdl,
            GraphicsKind::Vnc(_) => GraphicsType::Vnc,
            GraphicsKind::Rdp(_) => GraphicsType::Rdp,
            GraphicsKind::Desktop { .. } => GraphicsType::Desktop,
            GraphicsKind::Spice(_) => GraphicsType::Spice,
            GraphicsKind::EglHeadless { .. } => GraphicsType::EglHeadless,
            GraphicsKind::Dbus { .. } => GraphicsType::Dbus,
        }
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        for listen in &mut self.listens {
            listen.inactive();
        }
        self.hide_ports();
    }

    /// Takes away the ports that were chosen.
    pub(super) fn hide_ports(&mut self) {
        match &mut self.kind {
            GraphicsKind::Vnc(vnc) => {
                if vnc.autoport {
                    vnc.port = None;
                }
                if std::mem::take(&mut vnc.websocket_generated) {
                    vnc.websocket = Some(-1);
                }
            }
            GraphicsKind::Spice(spice) if spice.autoport => {
                spice.port = 0;
                spice.tls_port = 0;
            }
            GraphicsKind::Rdp(rdp) if rdp.autoport => rdp.port = 0,
            _ => {}
        }
    }

    /// Takes away what isn't shown to everyone.
    pub fn hide_secrets(&mut self) {
        let auth = match &mut self.kind {
            GraphicsKind::Vnc(vnc) => &mut vnc.auth,
            GraphicsKind::Spice(spice) => &mut spice.auth,
            GraphicsKind::Rdp(rdp) => {
                rdp.username = None;
                rdp.passwd = None;
                return;
            }
            _ => return,
        };
        if let Some(auth) = auth {
            auth.passwd = None;
        }
    }

    /// Whether there is anything that [`Graphics::hide_secrets`] takes away.
    pub fn has_secrets(&self) -> bool {
        match &self.kind {
            GraphicsKind::Vnc(vnc) => vnc.auth.is_some(),
            GraphicsKind::Spice(spice) => spice.auth.is_some(),
            GraphicsKind::Rdp(rdp) => rdp.username.is_some() || rdp.passwd.is_some(),
            _ => false,
        }
    }

    /// Whether OpenGL is asked for.
    pub fn uses_gl(&self) -> bool {
        match &self.kind {
            GraphicsKind::Sdl { gl, .. } => gl.is_some_and(YesNo::is_yes),
            GraphicsKind::Spice(spice) => spice.gl.as_ref().is_some_and(|g| g.enable.is_yes()),
            GraphicsKind::Dbus { gl, .. } => gl.as_ref().is_some_and(|g| g.enable.is_yes()),
            GraphicsKind::EglHeadless { .. } => true,
            _ => false,
        }
    }
}

impl Spice {
    /// Which of the two ports, without and with TLS, the daemon is to choose; `tls` is whether it
    /// has certificates.
    pub fn wanted_ports(&self, tls: bool) -> (bool, bool) {
        let mode = |wanted: SpiceChannelMode| {
            self.default_mode == SpiceChannelMode::Any
                || self.default_mode == wanted
                || self.settings.channels.iter().any(|c| c.mode == wanted)
        };
        let plain = self.port == -1
            || (self.autoport && self.port == 0 && mode(SpiceChannelMode::Insecure));
        let secure = self.tls_port == -1
            || (self.autoport && self.tls_port == 0 && tls && mode(SpiceChannelMode::Secure));
        (plain, secure)
    }
}

impl GraphicsAuth {
    fn read(node: &mut Node<'_>, kind: GraphicsType) -> Result<Option<Self>> {
        let passwd: Option<String> = node.attr("passwd")?;
        let valid_to: Option<String> = node.attr("passwdValidTo")?;
        let connected = node.attr("connected")?;
        if passwd.is_none() {
            return Ok(None);
        }
        if let Some(time) = &valid_to
            && !is_time(time)
        {
            return Err(xml(format!(
                "cannot parse password validity time '{time}', expect YYYY-MM-DDTHH:MM:SS"
            )));
        }
        if kind == GraphicsType::Vnc && connected.is_some_and(|c| c != ConnectedPolicy::Keep) {
            return Err(unsupported("VNC supports connected='keep' only"));
        }
        Ok(Some(Self {
            passwd,
            valid_to,
            connected,
        }))
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("passwd", &self.passwd);
        tag.maybe("passwdValidTo", &self.valid_to);
        tag.maybe("connected", &self.connected);
    }
}

fn is_time(text: &str) -> bool {
    let shape = "dddd-dd-ddTdd:dd:dd";
    text.len() == shape.len()
        && text
            .chars()
            .zip(shape.chars())
            .all(|(c, s)| if s == 'd' { c.is_ascii_digit() } else { c == s })
}

fn port(node: &mut Node<'_>) -> Result<Option<i32>> {
    let port: Option<i32> = node.attr("port")?;
    if let Some(port) = port {
        check_port(node, "port", port)?;
    }
    Ok(port)
}

fn check_port(node: &Node<'_>, name: &str, port: i32) -> Result<()> {
    if (-1..=65535).contains(&port) {
        return Ok(());
    }
    Err(node.bad_attr(name, &port.to_string(), "a number from 0 to 65535, or -1"))
}

fn audio(node: &mut Node<'_>) -> Result<Option<u8>> {
    read_switch(node, "audio", "id")
}

/// What an element says besides its kind, as `yes` or something else.
fn says_yes(node: &mut Node<'_>, name: &str) -> Option<bool> {
    node.attr_text(name).map(|word| word == "yes")
}

impl Element for Graphics {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind: GraphicsType = node.required("type")?;
        let listen: Option<String> = match kind {
            GraphicsType::Vnc | GraphicsType::Spice | GraphicsType::Rdp => node.attr("listen")?,
            _ => None,
        };
        let socket: Option<String> = match kind {
            GraphicsType::Vnc => node.attr("socket")?,
            _ => None,
        };
        let mut listens = match kind {
            GraphicsType::Vnc | GraphicsType::Spice | GraphicsType::Rdp => {
                listen::read_all(node, listen.as_deref(), socket.as_deref())?
            }
            _ => Vec::new(),
        };
        if kind == GraphicsType::Rdp {
            for listen in &listens {
                let word = match listen {
                    Listen::Socket { .. } => "socket",
                    Listen::None => "none",
                    _ => continue,
                };
                return Err(unsupported(format!(
                    "listen type '{word}' is not available for graphics type 'rdp'"
                )));
            }
        }
        let kind = match kind {
            GraphicsType::Sdl => GraphicsKind::Sdl {
                display: node.attr("display")?,
                xauth: node.attr("xauth")?,
                // To fill no screen is what they do unless told.
                fullscreen: node
                    .attr::<YesNo>("fullscreen")?
                    .filter(|full| full.is_yes()),
                gl: read_switch(node, "gl", "enable")?,
            },
            GraphicsType::Vnc => GraphicsKind::Vnc(read_vnc(node)?),
            GraphicsType::Rdp => GraphicsKind::Rdp(read_rdp(node)?),
            GraphicsType::Desktop => GraphicsKind::Desktop {
                display: node.attr("display")?,
                // To fill no screen is what they do unless told.
                fullscreen: node
                    .attr::<YesNo>("fullscreen")?
                    .filter(|full| full.is_yes()),
            },
            GraphicsType::Spice => {
                let spice = read_spice(node)?;
                let nowhere = spice.port == 0 && spice.tls_port == 0 && !spice.autoport;
                if nowhere && let [listen @ Listen::Address { .. }] = &mut *listens {
                    *listen = Listen::None;
                }
                GraphicsKind::Spice(Box::new(spice))
            }
            GraphicsType::EglHeadless => GraphicsKind::EglHeadless {
                rendernode: node
                    .child_with("gl", |node| {
                        node.attr_text("enable");
                        node.attr("rendernode")
                    })?
                    .flatten(),
            },
            GraphicsType::Dbus => {
                let address: Option<String> = node.attr("address")?;
                let p2p = says_yes(node, "p2p") == Some(true);
                if p2p && address.is_some() {
                    return Err(xml("D-Bus p2p with an address is not supported"));
                }
                GraphicsKind::Dbus {
                    p2p,
                    address,
                    gl: node.child("gl")?,
                    audio: audio(node)?,
                }
            }
        };
        Ok(Self { kind, listens })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind());
        match &self.kind {
            GraphicsKind::Sdl {
                display,
                xauth,
                fullscreen,
                ..
            } => {
                tag.maybe("display", display);
                tag.maybe("xauth", xauth);
                tag.maybe("fullscreen", fullscreen);
            }
            GraphicsKind::Vnc(vnc) => self.vnc_attrs(vnc, tag),
            GraphicsKind::Rdp(rdp) => {
                tag.attr("port", &rdp.port);
                let yes = |tag: &mut Tag<'_>, name: &str, on: bool| {
                    if on {
                        tag.text(name, "yes");
                    }
                };
                yes(tag, "autoport", rdp.autoport);
                yes(tag, "replaceUser", rdp.replace_user);
                yes(tag, "multiUser", rdp.multi_user);
                self.listen_attr(tag);
                tag.maybe("username", &rdp.username);
                tag.maybe("passwd", &rdp.passwd);
            }
            GraphicsKind::Desktop {
                display,
                fullscreen,
            } => {
                tag.maybe("display", display);
                tag.maybe("fullscreen", fullscreen);
            }
            GraphicsKind::Spice(spice) => self.spice_attrs(spice, tag),
            GraphicsKind::EglHeadless { .. } => {}
            GraphicsKind::Dbus { p2p, address, .. } => {
                if *p2p {
                    tag.text("p2p", "yes");
                }
                tag.maybe("address", address);
            }
        }
    }

    fn content(&self, out: &mut Writer) {
        for listen in &self.listens {
            out.element("listen", listen);
        }
        match &self.kind {
            GraphicsKind::Sdl { gl, .. } => switch(out, "gl", "enable", gl.as_ref()),
            GraphicsKind::Vnc(vnc) => switch(out, "audio", "id", vnc.audio.as_ref()),
            GraphicsKind::Spice(spice) => {
                let s = &spice.settings;
                for channel in &s.channels {
                    out.element("channel", channel);
                }
                switch(out, "image", "compression", s.image.as_ref());
                switch(out, "jpeg", "compression", s.jpeg.as_ref());
                switch(out, "zlib", "compression", s.zlib.as_ref());
                switch(out, "playback", "compression", s.playback.as_ref());
                switch(out, "streaming", "mode", s.streaming.as_ref());
                switch(out, "mouse", "mode", s.mouse.as_ref());
                switch(out, "clipboard", "copypaste", s.clipboard.as_ref());
                switch(out, "filetransfer", "enable", s.filetransfer.as_ref());
                out.maybe("gl", spice.gl.as_ref());
            }
            GraphicsKind::EglHeadless { rendernode } => {
                switch(out, "gl", "rendernode", rendernode.as_ref());
            }
            GraphicsKind::Dbus { gl, audio, .. } => {
                out.maybe("gl", gl.as_ref());
                switch(out, "audio", "id", audio.as_ref());
            }
            GraphicsKind::Rdp(_) | GraphicsKind::Desktop { .. } => {}
        }
    }
}

impl Graphics {
    /// The address of the first listen, for clients that don't know the element.
    fn listen_attr(&self, tag: &mut Tag<'_>) {
        if let Some(Listen::Address { address, .. } | Listen::Network { address, .. }) =
            self.listens.first()
        {
            tag.maybe("listen", address);
        }
    }

    fn vnc_attrs(&self, vnc: &Vnc, tag: &mut Tag<'_>) {
        match self.listens.first() {
            Some(Listen::Socket { path, .. }) => tag.maybe("socket", path),
            Some(Listen::None) => {}
            _ => {
                match vnc.port {
                    Some(port) => tag.attr("port", &port),
                    None if vnc.autoport => tag.text("port", "-1"),
                    None => {}
                }
                tag.attr("autoport", &YesNo::from(vnc.autoport));
                tag.maybe("websocket", &vnc.websocket);
                if tag.is_of_driver() {
                    tag.attr("websocketGenerated", &YesNo::from(vnc.websocket_generated));
                }
                self.listen_attr(tag);
            }
        }
        tag.maybe("keymap", &vnc.keymap);
        tag.maybe("sharePolicy", &vnc.share_policy);
        tag.maybe("powerControl", &vnc.power_control);
        if let Some(auth) = &vnc.auth {
            auth.attrs(tag);
        }
    }

    fn spice_attrs(&self, spice: &Spice, tag: &mut Tag<'_>) {
        if !matches!(
            self.listens.first(),
            Some(Listen::Socket { .. } | Listen::None)
        ) {
            let port = |tag: &mut Tag<'_>, name: &str, port: i32| {
                if port != 0 {
                    tag.attr(name, &port);
                }
            };
            port(tag, "port", spice.port);
            port(tag, "tlsPort", spice.tls_port);
            tag.attr("autoport", &YesNo::from(spice.autoport));
            self.listen_attr(tag);
        }
        tag.maybe("keymap", &spice.keymap);
        if spice.default_mode != SpiceChannelMode::Any {
            tag.attr("defaultMode", &spice.default_mode);
        }
        if let Some(auth) = &spice.auth {
            auth.attrs(tag);
        }
    }
}

fn read_vnc(node: &mut Node<'_>) -> Result<Vnc> {
    let port = match node.attr_text("port") {
        None => None,
        Some(text) => {
            let port = text.trim().parse();
            let port: i32 = port.map_err(|_| internal(format!("cannot parse vnc port {text}")))?;
            Some(port)
        }
    };
    let autoport = match node.attr_text("autoport") {
        Some("yes") => true,
        Some("no") => false,
        // Nothing else says anything.
        _ => port.is_none_or(|port| port == -1),
    };
    let websocket: Option<i32> = node.attr("websocket")?;
    let generated = node.attr_text("websocketGenerated") == Some("yes");
    Ok(Vnc {
        port: port.filter(|port| !matches!(port, 0 | -1)),
        autoport,
        websocket: websocket.filter(|port| *port != 0),
        websocket_generated: generated && node.is_of_driver(),
        keymap: node.attr("keymap")?,
        share_policy: node.attr("sharePolicy")?,
        power_control: node.attr("powerControl")?,
        auth: GraphicsAuth::read(node, GraphicsType::Vnc)?,
        audio: audio(node)?,
    })
}

fn read_rdp(node: &mut Node<'_>) -> Result<Rdp> {
    let port = port(node)?.filter(|port| *port > 0);
    let autoport = says_yes(node, "autoport") == Some(true) || port.is_none();
    Ok(Rdp {
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
        autoport,
        replace_user: says_yes(node, "replaceUser") == Some(true),
        multi_user: says_yes(node, "multiUser") == Some(true),
        username: node.attr("username")?,
        passwd: node.attr("passwd")?,
    })
}

fn read_spice(node: &mut Node<'_>) -> Result<Spice> {
    let port = port(node)?.unwrap_or(0);
    let tls_port: i32 = node.attr("tlsPort")?.unwrap_or(0);
    check_port(node, "tlsPort", tls_port)?;
    let both = port == -1 && tls_port == -1;
    let autoport = says_yes(node, "autoport") == Some(true) || both;
    Ok(Spice {
        port: if both { 0 } else { port },
        tls_port: if both { 0 } else { tls_port },
        autoport,
        keymap: node.attr("keymap")?,
        default_mode: node.attr("defaultMode")?.unwrap_or_default(),
        auth: GraphicsAuth::read(node, GraphicsType::Spice)?,
        settings: SpiceSettings {
            channels: node.children("channel")?,
            image: read_switch(node, "image", "compression")?,
            jpeg: read_switch(node, "jpeg", "compression")?,
            zlib: read_switch(node, "zlib", "compression")?,
            playback: read_switch(node, "playback", "compression")?,
            streaming: read_switch(node, "streaming", "mode")?,
            mouse: read_switch(node, "mouse", "mode")?,
            clipboard: read_switch(node, "clipboard", "copypaste")?,
            filetransfer: read_switch(node, "filetransfer", "enable")?,
        },
        gl: node.child("gl")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_xml::{read_named, write};

    fn read(text: &str) -> Graphics {
        let (graphics, unknown) = read_named("graphics", text).unwrap();
        assert_eq!(unknown, []);
        graphics
    }

    /// As an inactive definition.
    fn stored(text: &str) -> String {
        let mut graphics = read(text);
        graphics.inactive();
        write("graphics", &graphics)
    }

    #[test]
    fn parts_are_written_in_their_order() {
        for text in [
            "<graphics type='vnc' port='5901' autoport='no' websocket='5702' listen='1.2.3.4' keymap='de' sharePolicy='ignore' powerControl='yes' passwd='x' passwdValidTo='2011-05-31T16:11:22' connected='keep'>
  <listen type='address' address='1.2.3.4'/>
  <audio id='1'/>
</graphics>
",
            "<graphics type='spice' port='5903' tlsPort='5904' autoport='no' keymap='de' defaultMode='secure' passwd='x'>
  <listen type='network' network='default'/>
  <channel name='main' mode='secure'/>
  <image compression='off'/>
  <jpeg compression='auto'/>
  <zlib compression='auto'/>
  <playback compression='on'/>
  <streaming mode='off'/>
  <mouse mode='server'/>
  <clipboard copypaste='no'/>
  <filetransfer enable='no'/>
  <gl enable='yes' rendernode='/r'/>
</graphics>
",
            "<graphics type='dbus' p2p='yes'>
  <gl enable='yes' rendernode='/r'/>
  <audio id='1'/>
</graphics>
",
            "<graphics type='egl-headless'/>\n",
        ] {
            assert_eq!(stored(text), text);
        }
    }

    #[test]
    fn ports_are_chosen_as_the_stock_library_says() {
        let first = |text: &str| stored(text).lines().next().unwrap().to_owned();
        for (text, expected) in [
            (
                "<graphics type='vnc'/>",
                "<graphics type='vnc' port='-1' autoport='yes'>",
            ),
            (
                "<graphics type='vnc' port='0'/>",
                "<graphics type='vnc' autoport='no'>",
            ),
            (
                "<graphics type='vnc' port='5903' autoport='yes'/>",
                "<graphics type='vnc' port='-1' autoport='yes'>",
            ),
            (
                "<graphics type='vnc' autoport='no'/>",
                "<graphics type='vnc' autoport='no'>",
            ),
            (
                "<graphics type='vnc' socket='/x' port='5901'/>",
                "<graphics type='vnc' socket='/x'>",
            ),
            ("<graphics type='spice'/>", "<graphics type='spice'>"),
            (
                "<graphics type='spice' port='-1' tlsPort='-1'/>",
                "<graphics type='spice' autoport='yes'>",
            ),
            (
                "<graphics type='spice' port='-1'/>",
                "<graphics type='spice' port='-1' autoport='no'>",
            ),
            (
                "<graphics type='rdp' autoport='no'/>",
                "<graphics type='rdp' port='0' autoport='yes'>",
            ),
        ] {
            assert_eq!(first(text), expected, "{text}");
        }
    }

    #[test]
    fn attributes_and_listens_agree() {
        let text = "<graphics type='vnc' listen='1.2.3.4'><listen type='address' address='1.2.3.5'/></graphics>";
        let error = read_named::<Graphics>("graphics", text).unwrap_err();
        assert_eq!(
            error.message(),
            "unsupported configuration: graphics 'listen' attribute '1.2.3.4' must match 'address' \
             attribute of first listen element (found '1.2.3.5')"
        );
    }

    #[test]
    fn passwords_are_hidden() {
        let mut graphics = read("<graphics type='vnc' passwd='x' connected='keep'/>");
        graphics.hide_secrets();
        let text = write("graphics", &graphics);
        assert!(
            !text.contains("passwd") && text.contains("connected='keep'"),
            "{text}"
        );
    }
}
