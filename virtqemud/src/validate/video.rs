//! Checks of graphics cards against what QEMU and this driver can do.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::video::{Video, VideoModel};
use virt_domain::memory::MemorySourceType;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let videos = &domain.devices.videos;
    let none = videos.iter().any(|v| v.model == Some(VideoModel::None));
    if none && videos.len() > 1 {
        return Err(unsupported(
            "a 'none' video type must be the only video device defined for the domain",
        ));
    }
    if videos.iter().filter(|v| v.primary).count() > 1 {
        return Err(unsupported("Only one primary video device is supported"));
    }
    let shared = |video: &Video| video.blob.is_some_and(|blob| blob.is_on());
    let memfd = domain
        .memory_backing
        .as_ref()
        .and_then(|backing| backing.source.as_ref())
        .is_some_and(|source| source.kind == Some(MemorySourceType::Memfd));
    if videos.iter().any(shared) && !memfd {
        return Err(unsupported(
            "'blob' support for virtio-gpu devices requires a memfd memory backend",
        ));
    }
    videos.iter().try_for_each(|video| one(video, context))
}

fn one(video: &Video, context: &Context) -> Result<()> {
    let Some(model) = video.model else {
        return Ok(());
    };
    let flag = match model {
        VideoModel::Vga => Some(CapFlag::Vga),
        VideoModel::Cirrus => Some(CapFlag::CirrusVga),
        VideoModel::Vmvga => Some(CapFlag::VmwareSvga),
        VideoModel::Qxl => Some(CapFlag::Qxl),
        VideoModel::Virtio => Some(CapFlag::VirtioGpu),
        VideoModel::Bochs => Some(CapFlag::BochsDisplay),
        VideoModel::Ramfb => Some(CapFlag::Ramfb),
        VideoModel::None => return Ok(()),
        VideoModel::Xen | VideoModel::Vbox | VideoModel::Parallels | VideoModel::Gop => None,
    };
    if !flag.is_some_and(|flag| context.caps.has(flag)) {
        return Err(unsupported(format!(
            "domain configuration does not support video model '{model}'"
        )));
    }
    let virtio = model == VideoModel::Virtio;
    if video.blob.is_some() && !virtio {
        return Err(unsupported(format!(
            "video type '{model}' does not support blob resources"
        )));
    }
    let options = &video.driver.virtio;
    for (name, said) in [
        ("iommu", options.iommu.is_some()),
        ("ats", options.ats.is_some()),
        ("packed", options.packed.is_some()),
        ("page_per_vq", options.page_per_vq.is_some()),
    ] {
        if said && !virtio {
            return Err(unsupported(format!(
                "{name} driver option is only supported for virtio devices"
            )));
        }
    }
    let secondary = matches!(model, VideoModel::Qxl | VideoModel::Virtio);
    if !video.primary && !secondary {
        return Err(unsupported(format!(
            "video type '{model}' is only valid as primary video device"
        )));
    }
    if !secondary && video.heads != 1 {
        return Err(unsupported(format!(
            "video type '{model}' doesn't support multiple 'heads'"
        )));
    }
    memory(video, model)?;
    acceleration(video, model, context)?;
    let sized = matches!(
        model,
        VideoModel::Vga | VideoModel::Qxl | VideoModel::Virtio | VideoModel::Bochs
    );
    if video.resolution.is_some() && !sized {
        return Err(xml_error("model resolution is not supported"));
    }
    if video.is_vhostuser() && !context.caps.has(CapFlag::VhostUserGpu) {
        return Err(unsupported(format!(
            "domain configuration does not support video model '{model}'"
        )));
    }
    if video.blob.is_some() && !context.caps.has(CapFlag::VirtioGpuBlob) {
        return Err(unsupported(
            "this QEMU does not support 'blob' for virtio-gpu devices",
        ));
    }
    Ok(())
}

/// Sizes that QEMU takes in MiB or in bytes of 32 bits.
fn memory(video: &Video, model: VideoModel) -> Result<()> {
    /// KiB of 32 bits' worth of bytes.
    const MOST: u32 = u32::MAX / 1024;
    if model == VideoModel::Qxl {
        for (name, kib) in [("vram", video.vram), ("ram", video.ram)] {
            if kib.is_some_and(|kib| kib > MOST) {
                return Err(Error::new(
                    ErrorCode::Overflow,
                    ErrorDomain::Qemu,
                    format!("value for '{name}' must be less than '{MOST}'"),
                ));
            }
        }
    }
    let (name, kib) = match model {
        VideoModel::Qxl => ("vgamem", video.vgamem),
        VideoModel::Vga | VideoModel::Vmvga => ("vram", video.vram),
        _ => return Ok(()),
    };
    if kib.is_some_and(|kib| kib < 1024) {
        return Err(unsupported(format!(
            "value for '{name}' must be at least 1 MiB (1024 KiB)"
        )));
    }
    Ok(())
}

/// What the host's card is to help with.
fn acceleration(video: &Video, model: VideoModel, context: &Context) -> Result<()> {
    let Some(wanted) = &video.acceleration else {
        return Ok(());
    };
    if wanted.accel2d == Some(YesNo::Yes) {
        return Err(unsupported("qemu does not support the accel2d setting"));
    }
    if wanted.rendernode.is_some() && !video.is_vhostuser() {
        return Err(unsupported(
            "unsupported rendernode accel attribute without 'vhostuser'",
        ));
    }
    if !video.accel3d() {
        return Ok(());
    }
    if model != VideoModel::Virtio {
        return Err(unsupported(
            "3d acceleration is supported only with 'virtio' video device",
        ));
    }
    let caps = context.caps;
    let gl = caps.has(CapFlag::VirtioGpuGlPci) || caps.has(CapFlag::VirtioVgaGl);
    if !video.is_vhostuser() && !gl {
        return Err(unsupported(format!(
            "{model} 3d acceleration is not supported"
        )));
    }
    Ok(())
}
