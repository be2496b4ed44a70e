//! Options of displays.
//!
//! Facts: qemu-system(1) "Display options".

use super::audio;
use super::character;
use super::command_line::Builder;
use super::context::{DriverConfig, StartContext, Tls};
use super::props::{OptionList, Props, escape, on_off};
use std::path::PathBuf;
use virt_domain::Domain;
use virt_domain::devices::chardev::MouseMode;
use virt_domain::devices::graphics::{
    Gl, Graphics, GraphicsKind, GraphicsType, Listen, Spice, SpiceChannelMode, SpiceSettings, Vnc,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{OnOff, YesNo};

/// TCP port of VNC's display 0.
const VNC_FIRST_PORT: u16 = 5900;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    one_of_each(domain)?;
    for graphics in &domain.devices.graphics {
        if graphics.listens.len() > 1 {
            return Err(unsupported(
                "QEMU does not support multiple listens for one graphics device.",
            ));
        }
        match &graphics.kind {
            GraphicsKind::Sdl { fullscreen, gl, .. } => {
                if fullscreen.is_some_and(YesNo::is_yes) {
                    b.flag("-full-screen");
                }
                let list = OptionList::starting("sdl").switch("gl", gl.map(YesNo::is_yes));
                b.option("-display", list.finish());
            }
            GraphicsKind::Vnc(vnc) => append_vnc(b, domain, context, graphics, vnc)?,
            GraphicsKind::Spice(spice) => append_spice(b, context, graphics, spice)?,
            GraphicsKind::EglHeadless { rendernode } => {
                let list = OptionList::starting("egl-headless")
                    .with("rendernode", node(context.config, rendernode.as_ref())?);
                b.option("-display", list.finish());
            }
            GraphicsKind::Dbus {
                p2p,
                address,
                gl,
                audio,
            } => {
                let mut list = OptionList::starting("dbus");
                if *p2p {
                    list.put("p2p", "on");
                } else {
                    list = list.maybe("addr", address.as_ref());
                }
                list = dbus_gl(list, context.config, gl.as_ref())?;
                if audio.is_some() {
                    list.put("audiodev", audio::needed(domain, *audio)?);
                }
                b.option("-display", list.finish());
            }
            // Refused when it was defined.
            GraphicsKind::Rdp(_) | GraphicsKind::Desktop { .. } => {}
        }
    }
    Ok(())
}

/// Whether the guest has any display, else QEMU is told that there is none.
pub(super) fn is_headless(domain: &Domain) -> bool {
    domain.devices.graphics.is_empty()
}

/// What displays need in QEMU's environment.
pub(super) fn environment(domain: &Domain, config: &DriverConfig) -> Vec<(String, String)> {
    let mut env = Vec::new();
    let mut sasl = None;
    for graphics in &domain.devices.graphics {
        match graphics.kind {
            GraphicsKind::Vnc(_) if config.vnc_sasl => sasl = sasl_dir(&config.vnc_sasl_dir, sasl),
            GraphicsKind::Spice(_) if config.spice_sasl => {
                sasl = sasl_dir(&config.spice_sasl_dir, sasl);
            }
            _ => {}
        }
        if let GraphicsKind::Sdl { display, xauth, .. } = &graphics.kind {
            for (name, value) in [("XAUTHORITY", xauth), ("DISPLAY", display)] {
                if let Some(value) = value {
                    env.push((name.to_owned(), value.clone()));
                }
            }
        }
    }
    env.extend(sasl.map(|dir| ("SASL_CONF_PATH".to_owned(), dir)));
    env
}

/// The folder of SASL's configuration, if it is said; there is one for the whole process.
fn sasl_dir(said: &Option<PathBuf>, before: Option<String>) -> Option<String> {
    said.as_ref()
        .map(|dir| dir.display().to_string())
        .or(before)
}

/// QEMU has one display of a kind.
fn one_of_each(domain: &Domain) -> Result<()> {
    let all = &domain.devices.graphics;
    for (at, graphics) in all.iter().enumerate() {
        if all[..at]
            .iter()
            .any(|other| other.kind() == graphics.kind())
        {
            return Err(unsupported(
                "only 1 graphics device of each type (sdl, vnc, spice, headless, dbus, rdp) is \
                 supported",
            ));
        }
    }
    let is = |kind: GraphicsType| all.iter().any(|g| g.kind() == kind);
    let bus = all
        .iter()
        .any(|g| matches!(g.kind, GraphicsKind::Dbus { p2p: false, .. }));
    if is(GraphicsType::Rdp) && !bus {
        return Err(unsupported(
            "qemu-rdp support requires a D-Bus bus graphics device.",
        ));
    }
    Ok(())
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}

/// The host's node that renders.
fn node(config: &DriverConfig, given: Option<&String>) -> Result<String> {
    let node = given.cloned().or_else(|| config.render_node.clone());
    node.ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            "No DRM render nodes available",
        )
    })
}

fn with_gl(list: OptionList, config: &DriverConfig, gl: Option<&Gl>) -> Result<OptionList> {
    Ok(match gl {
        Some(gl) if gl.enable.is_yes() => list
            .with("gl", "on")
            .with("rendernode", node(config, gl.rendernode.as_ref())?),
        _ => list,
    })
}

/// This display says that it goes without as well, and on which card it would not.
fn dbus_gl(list: OptionList, config: &DriverConfig, gl: Option<&Gl>) -> Result<OptionList> {
    match gl {
        Some(gl) if !gl.enable.is_yes() => Ok(list
            .with("gl", "off")
            .maybe("rendernode", gl.rendernode.as_ref())),
        _ => with_gl(list, config, gl),
    }
}

fn unresolved(kind: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Qemu,
        format!("the address or port of the {kind} display was not chosen"),
    )
}

/// The address of the first listen.
fn address(graphics: &Graphics) -> Option<&str> {
    match graphics.listens.first()? {
        Listen::Address { address, .. } | Listen::Network { address, .. } => address.as_deref(),
        Listen::Socket { .. } | Listen::None => None,
    }
}

fn append_vnc(
    b: &mut Builder,
    domain: &Domain,
    context: &mut StartContext,
    graphics: &Graphics,
    vnc: &Vnc,
) -> Result<()> {
    let config = context.config;
    let mut list = OptionList::default();
    match graphics.listens.first() {
        Some(Listen::Socket { path, .. }) => {
            let path = path.as_deref().ok_or_else(|| unresolved("vnc"))?;
            list.put("vnc", format!("unix:{path}"));
        }
        Some(Listen::None) => list.word("none"),
        _ => {
            let address = address(graphics).ok_or_else(|| unresolved("vnc"))?;
            let display = vnc
                .port
                .and_then(|port| u16::try_from(port).ok()?.checked_sub(VNC_FIRST_PORT))
                .ok_or_else(|| unsupported("vnc port must be in range [5900,65535]"))?;
            let host = if address.contains(':') {
                format!("[{address}]")
            } else {
                escape(address)
            };
            list.word(&format!("{host}:{display}"));
            list = list.maybe("websocket", vnc.websocket);
        }
    }
    list = list
        .maybe("share", vnc.share_policy.map(|p| p.word()))
        .switch("power-control", vnc.power_control.map(YesNo::is_yes));
    if vnc.auth.is_some() || config.vnc_password.is_some() {
        list.put("password", "on");
    }
    if let Some(tls) = &config.vnc_tls {
        append_vnc_tls(b, context, tls)?;
        list.put("tls-creds", VNC_CREDENTIALS);
    }
    if config.vnc_sasl {
        list.put("sasl", "on");
    }
    list.put("audiodev", audio::needed(domain, vnc.audio)?);
    b.option("-vnc", list.finish());
    append_keymap(b, vnc.keymap.as_deref());
    Ok(())
}

const VNC_CREDENTIALS: &str = "vnc-tls-creds0";

fn append_vnc_tls(b: &mut Builder, context: &mut StartContext, tls: &Tls) -> Result<()> {
    let password = character::key_password(b, context, tls, VNC_CREDENTIALS)?;
    let object = Props::of("qom-type", "tls-creds-x509")
        .with("id", VNC_CREDENTIALS)
        .with("dir", tls.dir.display().to_string())
        .with("endpoint", "server")
        .with("verify-peer", tls.verify)
        .maybe("passwordid", password);
    b.object(&object);
    Ok(())
}

fn append_keymap(b: &mut Builder, keymap: Option<&str>) {
    if let Some(keymap) = keymap {
        b.option("-k", keymap);
    }
}

fn append_spice(
    b: &mut Builder,
    context: &StartContext,
    graphics: &Graphics,
    spice: &Spice,
) -> Result<()> {
    let config = context.config;
    let mut list = OptionList::default();
    match graphics.listens.first() {
        Some(Listen::Socket { path, .. }) => {
            let path = path.as_deref().ok_or_else(|| unresolved("spice"))?;
            list.word("unix=on");
            list.put("addr", path);
        }
        Some(Listen::None) => list.put("port", 0),
        _ => append_spice_ports(&mut list, graphics, spice)?,
    }
    if config.spice_sasl {
        list.put("sasl", "on");
    }
    if let Some(mouse) = spice.settings.mouse {
        list.put("agent-mouse", on_off(mouse == MouseMode::Client));
    }
    if spice.auth.is_none() && config.spice_password.is_none() {
        list.put("disable-ticketing", "on");
    }
    append_spice_settings(&mut list, &spice.settings);
    let (plain, secure) = (spice.port > 0, spice.tls_port > 0);
    if secure {
        list.put("x509-dir", config.spice_tls_dir.display());
    }
    let unavailable = |what: &str, missing: &str| {
        unsupported(format!(
            "spice {what} requested in XML configuration, but {missing} is not available"
        ))
    };
    match spice.default_mode {
        SpiceChannelMode::Secure if !secure => {
            return Err(unavailable("defaultMode secure", "TLS connection"));
        }
        SpiceChannelMode::Insecure if !plain => {
            return Err(unavailable("defaultMode insecure", "plaintext connection"));
        }
        SpiceChannelMode::Secure => list.put("tls-channel", "default"),
        SpiceChannelMode::Insecure => list.put("plaintext-channel", "default"),
        SpiceChannelMode::Any => {}
    }
    for channel in &spice.settings.channels {
        match channel.mode {
            SpiceChannelMode::Secure if spice.tls_port <= 0 => {
                return Err(Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Qemu,
                    "spice secure channels set in XML configuration, but TLS port is not provided",
                ));
            }
            SpiceChannelMode::Secure => list.put("tls-channel", channel.name),
            SpiceChannelMode::Insecure => list.put("plaintext-channel", channel.name),
            SpiceChannelMode::Any => {}
        }
    }
    list = with_gl(list, config, spice.gl.as_ref())?;
    list.put("seamless-migration", "on");
    b.option("-spice", list.finish());
    append_keymap(b, spice.keymap.as_deref());
    Ok(())
}

fn append_spice_ports(list: &mut OptionList, graphics: &Graphics, spice: &Spice) -> Result<()> {
    if spice.port > 0 {
        list.put("port", spice.port);
    }
    if spice.tls_port > 0 {
        list.put("tls-port", spice.tls_port);
    }
    if spice.port <= 0 && spice.tls_port <= 0 {
        return Err(unresolved("spice"));
    }
    let address = address(graphics).ok_or_else(|| unresolved("spice"))?;
    list.put("addr", address);
    Ok(())
}

fn append_spice_settings(list: &mut OptionList, settings: &SpiceSettings) {
    let mut word = |key: &str, value: Option<&'static str>| {
        if let Some(value) = value {
            list.put(key, value);
        }
    };
    word("image-compression", settings.image.map(|v| v.word()));
    word("jpeg-wan-compression", settings.jpeg.map(|v| v.word()));
    word("zlib-glz-wan-compression", settings.zlib.map(|v| v.word()));
    word("playback-compression", settings.playback.map(OnOff::word));
    word("streaming-video", settings.streaming.map(|v| v.word()));
    if settings.clipboard == Some(YesNo::No) {
        list.put("disable-copy-paste", "on");
    }
    if settings.filetransfer == Some(YesNo::No) {
        list.put("disable-agent-file-xfer", "on");
    }
}
