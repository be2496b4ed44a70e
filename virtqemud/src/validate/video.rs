//! Checks of graphics cards against what QEMU and this driver can do.

use super::Context;
use super::refusal::unsupported;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::video::{Video, VideoModel};
use virt_error::Result;

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
    if video.is_vhostuser() && !context.config.takes_unmet {
        return Err(unsupported(
            "video devices with driver 'vhostuser' are not supported yet",
        ));
    }
    if video.driver.vgaconf.is_some() {
        return Err(unsupported("'vgaconf' of a video device is not QEMU's"));
    }
    let secondary = matches!(
        model,
        VideoModel::Qxl | VideoModel::Virtio | VideoModel::Bochs
    );
    if !video.primary && !secondary {
        return Err(unsupported(format!(
            "video type '{model}' is only valid as primary video device"
        )));
    }
    let gl = context.caps.has(CapFlag::VirtioGpuGlPci) || context.caps.has(CapFlag::VirtioVgaGl);
    if video.accel3d() && (model != VideoModel::Virtio || !gl) {
        return Err(unsupported(format!(
            "{model} 3d acceleration is not supported"
        )));
    }
    if video.blob.is_some() && !context.caps.has(CapFlag::VirtioGpuBlob) {
        return Err(unsupported(
            "this QEMU does not support 'blob' for virtio-gpu devices",
        ));
    }
    Ok(())
}
