//! Defaults of graphics cards.

use super::Context;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::video::{Video, VideoModel};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let devices = &mut domain.devices;
    if devices.videos.is_empty() && !devices.graphics.is_empty() {
        devices.videos.push(Video::default());
    }
    for video in &mut devices.videos {
        let model = *video
            .model
            .get_or_insert_with(|| default_model(arch, context));
        fill_memory(video, model);
    }
    first_is_primary(&mut devices.videos);
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

/// Memories are powers of two; those that aren't given are what the cards usually have.
fn fill_memory(video: &mut Video, model: VideoModel) {
    let vram = match model {
        VideoModel::Vga | VideoModel::Cirrus | VideoModel::Vmvga | VideoModel::Bochs => {
            Some(16 * 1024)
        }
        VideoModel::Qxl => Some(64 * 1024),
        VideoModel::Xen => Some(4 * 1024),
        VideoModel::Vbox => Some(8 * 1024),
        _ => None,
    };
    video.vram = video.vram.or(vram);
    if model == VideoModel::Qxl {
        video.ram = video.ram.or(Some(64 * 1024));
        video.vgamem = video.vgamem.or(Some(16 * 1024));
    }
    for kib in [
        &mut video.ram,
        &mut video.vram,
        &mut video.vram64,
        &mut video.vgamem,
    ] {
        *kib = kib.map(|kib| kib.checked_next_power_of_two().unwrap_or(kib));
    }
}

/// The primary card is the first one of the list.
fn first_is_primary(videos: &mut [Video]) {
    let Some(at) = videos.iter().position(|v| v.primary).or(Some(0)) else {
        return;
    };
    if let Some(part) = videos.get_mut(..=at) {
        part.rotate_right(1);
    }
    if let Some(first) = videos.first_mut() {
        first.primary = first.model != Some(VideoModel::None);
    }
}
