//! Options of graphics cards.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::{OptionList, Props};
use super::virtio;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::video::{Video, VideoModel};
use virt_error::Result;
use virt_xml::OnOff;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for video in &domain.devices.videos {
        let alias = video.info.alias().unwrap_or_default();
        let props = if video.is_vhostuser() {
            let fd = context.descriptors.vhost_user_gpu(alias)?;
            let chardev = format!("chr-vu-{alias}");
            let socket = OptionList::starting("socket").with("id", &chardev);
            b.option("-chardev", socket.with("fd", fd).finish());
            Some(drawn_by_another(b, video).with("chardev", chardev))
        } else {
            card(b, video)
        };
        if let Some(props) = props {
            let props = props.placed(domain, &video.info)?;
            b.device(&props);
        }
    }
    Ok(())
}

/// The card; nothing for models that aren't QEMU's, which were refused, and for `none`.
fn card(b: &Builder, video: &Video) -> Option<Props> {
    let alias = video.info.alias().unwrap_or_default();
    let named = |driver: &str| Props::device(driver).with("id", alias);
    let mib = |kib: Option<u32>| kib.map(|kib| kib / 1024);
    let heads = Some(video.heads).filter(|heads| *heads > 0);
    let sized = |props: Props| {
        let resolution = video.resolution;
        props
            .maybe("xres", resolution.map(|r| r.x))
            .maybe("yres", resolution.map(|r| r.y))
    };
    Some(match video.model? {
        VideoModel::Vga => sized(named("VGA").maybe("vgamem_mb", mib(video.vram))),
        VideoModel::Cirrus => named("cirrus-vga"),
        VideoModel::Vmvga => named("vmware-svga").maybe("vgamem_mb", mib(video.vram)),
        VideoModel::Bochs => {
            let bytes = video.vram.map(|kib| u64::from(kib) * 1024);
            sized(named("bochs-display").maybe("vgamem", bytes))
        }
        VideoModel::Ramfb => named("ramfb"),
        VideoModel::Qxl => {
            let bytes = |kib: Option<u32>| u64::from(kib.unwrap_or(0)) * 1024;
            let qxl = named(if video.primary { "qxl-vga" } else { "qxl" })
                .maybe("max_outputs", heads)
                .with("ram_size", bytes(video.ram))
                .with("vram_size", bytes(video.vram))
                .with("vram64_size_mb", mib(video.vram64).unwrap_or(0))
                .with("vgamem_mb", mib(video.vgamem).unwrap_or(0));
            sized(qxl)
        }
        VideoModel::Virtio => sized(on_virtio(b, video, alias, heads)),
        VideoModel::Xen
        | VideoModel::Vbox
        | VideoModel::Parallels
        | VideoModel::Gop
        | VideoModel::None => return None,
    })
}

fn on_virtio(b: &Builder, video: &Video, alias: &str, heads: Option<u32>) -> Props {
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
    props
        .with_virtio(Some(&video.driver.virtio))
        .with("id", alias)
        .maybe("virgl", (accelerated && !gl).then_some("on"))
        .maybe("max_outputs", heads)
        .maybe("blob", video.blob.map(OnOff::is_on))
}

/// The card whose screen another process draws. The one with VGA leaves the transport as it is.
fn drawn_by_another(b: &Builder, video: &Video) -> Props {
    let alias = video.info.alias().unwrap_or_default();
    let props = if video.primary && b.caps.has(CapFlag::VhostUserVga) {
        Props::device("vhost-user-vga")
    } else {
        virtio::device("vhost-user-gpu", None, &video.info).with_virtio(Some(&video.driver.virtio))
    };
    let heads = Some(video.heads).filter(|heads| *heads > 0);
    props.with("id", alias).maybe("max_outputs", heads)
}
