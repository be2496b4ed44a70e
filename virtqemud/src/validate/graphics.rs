//! Checks of displays against what QEMU and this driver can do.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::graphics::{Graphics, GraphicsKind, GraphicsType, Listen};
use virt_error::Result;

/// Most characters of a VNC password that count (RFC 6143, section 7.2.2).
const VNC_PASSWORD: usize = 8;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let all = &domain.devices.graphics;
    for graphics in all {
        one(graphics, context)?;
        audio(domain, graphics)?;
    }
    let is = |kind: GraphicsType| all.iter().any(|g| g.kind() == kind);
    if is(GraphicsType::EglHeadless)
        && !all.iter().all(|g| {
            matches!(
                g.kind(),
                GraphicsType::EglHeadless | GraphicsType::Vnc | GraphicsType::Spice
            )
        })
    {
        return Err(unsupported(
            "graphics type 'egl-headless' is only supported with one of: 'vnc', 'spice' graphics \
             types",
        ));
    }
    if all.iter().filter(|g| g.uses_gl()).count() > 1 {
        return Err(unsupported(
            "multiple OpenGL displays are not supported by QEMU",
        ));
    }
    Ok(())
}

fn one(graphics: &Graphics, context: &Context) -> Result<()> {
    let kind = graphics.kind();
    let flag = match kind {
        GraphicsType::Sdl => Some(CapFlag::Sdl),
        GraphicsType::Vnc => Some(CapFlag::Vnc),
        GraphicsType::Spice => Some(CapFlag::Spice),
        GraphicsType::EglHeadless => Some(CapFlag::EglHeadless),
        GraphicsType::Dbus => Some(CapFlag::DisplayDbus),
        GraphicsType::Rdp | GraphicsType::Desktop => None,
    };
    let there = match flag {
        Some(flag) => context.caps.has(flag),
        None => {
            kind == GraphicsType::Rdp
                && context.config.qemu_rdp
                && context.caps.has(CapFlag::DisplayDbus)
        }
    };
    if !there {
        return Err(unsupported(format!(
            "{kind} graphics are not supported with this QEMU"
        )));
    }
    if let Some(Listen::Network { network, .. }) = graphics.listens.first()
        && !context.config.takes_unmet
    {
        return Err(unsupported(format!(
            "a display that listens at the address of network '{network}' is not supported yet; \
             give the address"
        )));
    }
    match &graphics.kind {
        GraphicsKind::Vnc(vnc) => {
            let password = vnc.auth.as_ref().and_then(|auth| auth.passwd.as_ref());
            match password.map(String::len) {
                Some(length) if length > VNC_PASSWORD => Err(unsupported(format!(
                    "VNC password is {length} characters long, only {VNC_PASSWORD} permitted"
                ))),
                _ => Ok(()),
            }
        }
        GraphicsKind::Dbus {
            p2p: false,
            address: None,
            ..
        } if !context.config.takes_unmet => Err(unsupported(
            "graphics of type 'dbus' on a bus of the guest's own are not supported yet; use \
             p2p='yes' or give the address of a bus",
        )),
        GraphicsKind::Spice(spice) if spice.tls_port > 0 && !context.config.spice_tls => {
            Err(unsupported(
                "spice TLS port set in XML configuration, but TLS is disabled in qemu.conf",
            ))
        }
        _ => Ok(()),
    }
}

/// The sound back end that a display names has to be there.
fn audio(domain: &Domain, graphics: &Graphics) -> Result<()> {
    let named = match &graphics.kind {
        GraphicsKind::Vnc(vnc) => vnc.audio,
        GraphicsKind::Dbus { audio, .. } => *audio,
        _ => None,
    };
    super::audio::exists(domain, named)
        .map_err(|id| xml_error(format!("no audio device with ID {id}")))
}

/// Whether the guest has a SPICE display.
pub(super) fn has_spice(domain: &Domain) -> bool {
    let mut graphics = domain.devices.graphics.iter();
    graphics.any(|graphics| matches!(graphics.kind, GraphicsKind::Spice(_)))
}
