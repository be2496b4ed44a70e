//! Options of displays.
//!
//! Facts: qemu-system(1) "Display options".

use super::audio;
use super::command_line::Builder;
use super::context::{DriverConfig, StartContext, Tls};
use super::props::{OptionList, Props, escape, on_off};
use virt_domain::Domain;
use virt_domain::devices::chardev::MouseMode;
use virt_domain::devices::graphics::{
    Gl, Graphics, GraphicsKind, Listen, Spice, SpiceChannelMode, SpiceSettings, Vnc,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{OnOff, YesNo};

/// TCP port of VNC's display 0.
const VNC_FIRST_PORT: u16 = 5900;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for graphics in &domain.devices.graphics {
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
                    .maybe("rendernode", node(context.config, rendernode.as_ref()));
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
                list = with_gl(list, context.config, gl.as_ref());
                if audio.is_some() {
                    list = list.maybe("audiodev", audio::of_device(domain, *audio));
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
pub(super) fn environment(domain: &Domain) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for graphics in &domain.devices.graphics {
        if let GraphicsKind::Sdl { display, xauth, .. } = &graphics.kind {
            for (name, value) in [("XAUTHORITY", xauth), ("DISPLAY", display)] {
                if let Some(value) = value {
                    env.push((name.to_owned(), value.clone()));
                }
            }
        }
    }
    env
}

fn node(config: &DriverConfig, given: Option<&String>) -> Option<String> {
    given.cloned().or_else(|| config.render_node.clone())
}

fn with_gl(list: OptionList, config: &DriverConfig, gl: Option<&Gl>) -> OptionList {
    match gl {
        Some(gl) if gl.enable.is_yes() => list
            .with("gl", "on")
            .maybe("rendernode", node(config, gl.rendernode.as_ref())),
        _ => list,
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
    context: &StartContext,
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
            let port = vnc.port.ok_or_else(|| unresolved("vnc"))?;
            let display = port.checked_sub(VNC_FIRST_PORT).ok_or_else(|| {
                Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Qemu,
                    format!("vnc port must be in range [5900,65535], not {port}"),
                )
            })?;
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
        append_vnc_tls(b, tls);
        list.put("tls-creds", VNC_CREDENTIALS);
    }
    if config.vnc_sasl {
        list.put("sasl", "on");
    }
    list = list.maybe("audiodev", audio::of_device(domain, vnc.audio));
    b.option("-vnc", list.finish());
    append_keymap(b, vnc.keymap.as_deref());
    Ok(())
}

const VNC_CREDENTIALS: &str = "vnc-tls-creds0";

fn append_vnc_tls(b: &mut Builder, tls: &Tls) {
    let object = Props::of("qom-type", "tls-creds-x509")
        .with("id", VNC_CREDENTIALS)
        .with("dir", tls.dir.display().to_string())
        .with("endpoint", "server")
        .with("verify-peer", tls.verify);
    b.object(&object);
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
        _ => append_spice_ports(&mut list, config, graphics, spice)?,
    }
    if config.spice_sasl {
        list.put("sasl", "on");
    }
    if spice.auth.is_none() && config.spice_password.is_none() {
        list.put("disable-ticketing", "on");
    }
    append_spice_settings(&mut list, &spice.settings);
    if spice.tls_port > 0 {
        if let Some(dir) = &config.spice_tls {
            list.put("x509-dir", dir.display());
        }
        match spice.default_mode {
            SpiceChannelMode::Secure => list.put("tls-channel", "default"),
            SpiceChannelMode::Insecure => list.put("plaintext-channel", "default"),
            SpiceChannelMode::Any => {}
        }
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
    list = with_gl(list, config, spice.gl.as_ref());
    list.put("seamless-migration", "on");
    b.option("-spice", list.finish());
    append_keymap(b, spice.keymap.as_deref());
    Ok(())
}

fn append_spice_ports(
    list: &mut OptionList,
    config: &DriverConfig,
    graphics: &Graphics,
    spice: &Spice,
) -> Result<()> {
    if spice.port > 0 {
        list.put("port", spice.port);
    }
    if spice.tls_port > 0 {
        if config.spice_tls.is_none() {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf",
            ));
        }
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
    if let Some(mouse) = settings.mouse {
        list.put("agent-mouse", on_off(mouse == MouseMode::Client));
    }
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
