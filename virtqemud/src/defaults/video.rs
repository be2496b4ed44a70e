//! Defaults of graphics cards.

use super::Context;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::video::VideoModel;
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let model = default_model(arch, context);
    domain.devices.complete_videos(model);
    for video in &mut domain.devices.videos {
        if video.model == Some(VideoModel::Qxl) {
            video.vgamem.get_or_insert(16 * 1024);
        }
    }
    Ok(())
}

/// The card that a guest gets that names none.
fn default_model(arch: Arch, context: &Context) -> VideoModel {
    match arch {
        Arch::X86_64 | Arch::I686 => {}
        Arch::Ppc64 | Arch::Ppc64le | Arch::Ppc => return VideoModel::Vga,
        _ => return VideoModel::Virtio,
    }
    if context.caps.has(CapFlag::CirrusVga) {
        VideoModel::Cirrus
    } else if context.caps.has(CapFlag::Vga) {
        VideoModel::Vga
    } else {
        VideoModel::Virtio
    }
}
