//! Options of graphics cards.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use super::virtio;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::video::{Video, VideoModel};
use virt_error::Result;
use virt_xml::OnOff;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    for video in &domain.devices.videos {
        let Some(props) = card(b, video) else {
            continue;
        };
        let props = props.placed(domain, &video.info)?;
        b.device(&props);
    }
    Ok(())
}

/// The card; nothing for models that aren't QEMU's, which were refused, and for `none`.
fn card(b: &Builder, video: &Video) -> Option<Props> {
    let alias = video.info.alias().unwrap_or_default();
    let named = |driver: &str| Props::device(driver).with("id", alias);
    let mib = |kib: Option<u32>| kib.map(|kib| kib / 1024);
    let heads = Some(video.heads).filter(|heads| *heads > 0);
    Some(match video.model? {
        VideoModel::Vga => named("VGA").maybe("vgamem_mb", mib(video.vram)),
        VideoModel::Cirrus => named("cirrus-vga"),
        VideoModel::Vmvga => named("vmware-svga").maybe("vgamem_mb", mib(video.vram)),
        VideoModel::Bochs => {
            named("bochs-display").maybe("vgamem", video.vram.map(|kib| u64::from(kib) * 1024))
        }
        VideoModel::Ramfb => named("ramfb"),
        VideoModel::Qxl => {
            let bytes = |kib: Option<u32>| u64::from(kib.unwrap_or(0)) * 1024;
            named(if video.primary { "qxl-vga" } else { "qxl" })
                .maybe("max_outputs", heads)
                .with("ram_size", bytes(video.ram))
                .with("vram_size", bytes(video.vram))
                .with("vram64_size_mb", mib(video.vram64).unwrap_or(0))
                .with("vgamem_mb", mib(video.vgamem).unwrap_or(0))
        }
        VideoModel::Virtio => on_virtio(b, video, heads).with("id", alias),
        VideoModel::Xen
        | VideoModel::Vbox
        | VideoModel::Parallels
        | VideoModel::Gop
        | VideoModel::None => return None,
    })
}

fn on_virtio(b: &Builder, video: &Video, heads: Option<u32>) -> Props {
    let vga = video.primary && b.caps.has(CapFlag::VirtioVga);
    let (gl, flag) = if vga {
        (b.caps.has(CapFlag::VirtioVgaGl), "virtio-vga")
    } else {
        (b.caps.has(CapFlag::VirtioGpuGlPci), "virtio-gpu")
    };
    let accelerated = video.accel3d();
    let name = if accelerated && gl {
        format!("{flag}-gl")
    } else {
        flag.to_owned()
    };
    let props = if vga {
        Props::device(name)
    } else {
        virtio::device(&name, None, &video.info)
    };
    let resolution = video.resolution;
    props
        .with_virtio(Some(&video.driver.virtio))
        .maybe("virgl", (accelerated && !gl).then_some("on"))
        .maybe("max_outputs", heads)
        .maybe("blob", video.blob.map(OnOff::is_on))
        .maybe("xres", resolution.map(|r| r.x))
        .maybe("yres", resolution.map(|r| r.y))
}
