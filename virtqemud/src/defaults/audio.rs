//! Defaults of what sound cards are connected to.

use super::Context;
use virt_domain::Domain;
use virt_domain::devices::audio::{Audio, AudioType};
use virt_domain::devices::graphics::GraphicsType;
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    let devices = &mut domain.devices;
    if !devices.audios.is_empty() {
        return Ok(());
    }
    // Sound goes where the picture goes, if that can carry it; SDL and D-Bus are left to QEMU.
    let kinds: Vec<_> = devices.graphics.iter().map(|g| g.kind()).collect();
    let left_to_qemu = |kind: &GraphicsType| matches!(kind, GraphicsType::Sdl | GraphicsType::Dbus);
    let kind = if kinds.contains(&GraphicsType::Spice) {
        AudioType::Spice
    } else if !kinds.is_empty() && kinds.iter().all(left_to_qemu) {
        return Ok(());
    } else {
        AudioType::None
    };
    devices.audios.push(Audio::new(1, kind));
    Ok(())
}
