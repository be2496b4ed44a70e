//! `<video>`: graphics cards.
//!
//! Facts: formatdomain "Video devices"; domaincommon.rng `video`; the texts of refusals are the stock
//! library's.

use super::Devices;
use super::info::DeviceInfo;
use super::virtio::VirtioOptions;
use crate::refusal::{unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer, YesNo};

/// `<video>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// How the card works.
    pub driver: VideoDriver,
    /// The card; chosen where absent.
    pub model: Option<VideoModel>,
    /// KiB of qxl's second memory.
    pub ram: Option<u32>,
    /// KiB of memory.
    pub vram: Option<u32>,
    /// KiB of qxl's memory above 4 GiB.
    pub vram64: Option<u32>,
    /// KiB of qxl's memory for the first screen.
    pub vgamem: Option<u32>,
    /// Screens; 0: none is said.
    pub heads: u32,
    /// Whether it is the one that firmware uses.
    pub primary: bool,
    /// Whether guest and host share buffers.
    pub blob: Option<OnOff>,
    /// Help from the host's card.
    pub acceleration: Option<Acceleration>,
    /// Size of the screen before the guest changes it.
    pub resolution: Option<Resolution>,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Graphics cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum VideoModel {
    /// Bochs' VGA.
    Vga,
    /// Cirrus Logic's.
    Cirrus,
    /// VMware's.
    Vmvga,
    /// Xen's.
    Xen,
    /// VirtualBox's.
    Vbox,
    /// SPICE's.
    Qxl,
    /// Parallels'.
    Parallels,
    /// virtio's.
    Virtio,
    /// bhyve's.
    Gop,
    /// None.
    None,
    /// Bochs' without VGA.
    Bochs,
    /// A frame buffer that firmware sets up.
    Ramfb,
}

/// `<driver …/>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct VideoDriver {
    /// Options of the virtio transport.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    /// bhyve's; `io` goes without saying.
    #[xml(attr)]
    pub vgaconf: Option<VgaConf>,
    /// Who draws.
    #[xml(attr)]
    pub name: Option<VideoBackend>,
}

/// Who draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum VideoBackend {
    /// QEMU.
    Qemu,
    /// Another process.
    Vhostuser,
}

/// bhyve's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "bhyve's words")]
pub enum VgaConf {
    Io,
    On,
    Off,
}

/// Help from the host's card.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Acceleration {
    /// 3D.
    #[xml(attr)]
    pub accel3d: Option<YesNo>,
    /// 2D.
    #[xml(attr)]
    pub accel2d: Option<YesNo>,
    /// The host's node that renders.
    #[xml(attr)]
    pub rendernode: Option<String>,
}

/// Size of the screen before the guest changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Resolution {
    /// Pixels across.
    #[xml(attr)]
    pub x: u32,
    /// Pixels down.
    #[xml(attr)]
    pub y: u32,
}

impl Default for Video {
    fn default() -> Self {
        Self {
            driver: VideoDriver::default(),
            model: None,
            ram: None,
            vram: None,
            vram64: None,
            vgamem: None,
            heads: 1,
            primary: false,
            blob: None,
            acceleration: None,
            resolution: None,
            info: DeviceInfo::default(),
        }
    }
}

impl Video {
    /// Whether another process draws.
    pub fn is_vhostuser(&self) -> bool {
        self.driver.name == Some(VideoBackend::Vhostuser)
    }

    /// Whether the host's card helps with 3D.
    pub fn accel3d(&self) -> bool {
        let acceleration = self.acceleration.as_ref();
        acceleration.and_then(|a| a.accel3d) == Some(YesNo::Yes)
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }

    /// Memories that aren't given are what the cards usually have; all are powers of two.
    fn fill_memory(&mut self) {
        let vram = match self.model {
            Some(VideoModel::Vga | VideoModel::Cirrus | VideoModel::Vmvga | VideoModel::Bochs) => {
                Some(16 * 1024)
            }
            Some(VideoModel::Qxl) => Some(64 * 1024),
            Some(VideoModel::Xen) => Some(4 * 1024),
            Some(VideoModel::Vbox) => Some(8 * 1024),
            _ => None,
        };
        self.vram = self.vram.or(vram);
        if self.model == Some(VideoModel::Qxl) {
            self.ram.get_or_insert(64 * 1024);
        }
        for kib in [
            &mut self.ram,
            &mut self.vram,
            &mut self.vram64,
            &mut self.vgamem,
        ] {
            *kib = kib.map(|kib| kib.checked_next_power_of_two().unwrap_or(kib));
        }
    }

    fn read_model(&mut self, node: &mut Node<'_>) -> Result<()> {
        self.model = match node.tree().attribute("type") {
            Some("default") => {
                node.attr_text("type");
                None
            }
            _ => node.attr("type")?,
        };
        let qxl = self.model == Some(VideoModel::Qxl);
        for (name, field) in [
            ("ram", &mut self.ram),
            ("vram64", &mut self.vram64),
            ("vgamem", &mut self.vgamem),
        ] {
            *field = node.attr(name)?;
            if field.is_some() && !qxl {
                return Err(unsupported(format!(
                    "{name} attribute only supported for video type qxl"
                )));
            }
            *field = field.filter(|kib| *kib > 0);
        }
        self.vram = node.attr("vram")?.filter(|kib| *kib > 0);
        self.heads = node.attr("heads")?.unwrap_or(1);
        self.primary = node.attr::<YesNo>("primary")?.is_some_and(YesNo::is_yes);
        self.blob = node
            .attr("blob")?
            .filter(|_| self.model != Some(VideoModel::None));
        self.acceleration = node.child("acceleration")?;
        self.resolution = node.child("resolution")?;
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let virtio = self.model == Some(VideoModel::Virtio);
        if self.is_vhostuser() && !virtio {
            return Err(unsupported(
                "'vhostuser' driver is only supported with 'virtio' device",
            ));
        }
        if let Some(a) = &self.acceleration
            && a.accel2d.is_none()
            && a.accel3d.is_none()
            && a.rendernode.is_none()
        {
            return Err(unsupported("missing values for acceleration"));
        }
        if let Some(size) = self.resolution
            && (size.x == 0 || size.y == 0)
        {
            return Err(xml("video resolution values must be greater than 0"));
        }
        Ok(())
    }
}

impl Devices {
    /// Whoever has a display has a card; cards that name no model are of that one, the first of them
    /// is the one that firmware uses.
    pub fn complete_videos(&mut self, model: VideoModel) {
        if self.videos.is_empty() && !self.graphics.is_empty() {
            self.videos.push(Video::default());
        }
        for video in &mut self.videos {
            video.model.get_or_insert(model);
            video.fill_memory();
        }
        first_is_primary(&mut self.videos);
    }
}

fn first_is_primary(videos: &mut [Video]) {
    let at = videos.iter().position(|v| v.primary).unwrap_or(0);
    if let Some(part) = videos.get_mut(..=at) {
        part.rotate_right(1);
    }
    if let Some(first) = videos.first_mut() {
        first.primary = first.model != Some(VideoModel::None);
    }
}

impl Element for Video {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mut video = Self {
            driver: node.child("driver")?.unwrap_or_default(),
            ..Self::default()
        };
        video.driver.vgaconf = video.driver.vgaconf.filter(|conf| *conf != VgaConf::Io);
        node.child_with("model", |node| video.read_model(node))?;
        video.info = DeviceInfo::read(node)?;
        video.check()?;
        Ok(video)
    }

    fn attrs(&self, _: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        if self.driver != VideoDriver::default() {
            out.element("driver", &self.driver);
        }
        let attrs = |tag: &mut Tag<'_>| {
            tag.maybe("type", &self.model);
            if self.model == Some(VideoModel::None) {
                return;
            }
            tag.maybe("ram", &self.ram);
            tag.maybe("vram", &self.vram);
            tag.maybe("vram64", &self.vram64);
            tag.maybe("vgamem", &self.vgamem);
            if self.heads > 0 {
                tag.attr("heads", &self.heads);
            }
            if self.primary {
                tag.text("primary", "yes");
            }
            tag.maybe("blob", &self.blob);
        };
        out.open("model", attrs, |out| {
            if self.model == Some(VideoModel::None) {
                return;
            }
            out.maybe("acceleration", self.acceleration.as_ref());
            out.maybe("resolution", self.resolution.as_ref());
        });
        self.info.content(out);
    }
}
