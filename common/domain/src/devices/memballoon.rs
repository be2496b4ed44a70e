//! `<memballoon>`.

use super::info::DeviceInfo;
use super::virtio::VirtioOptions;
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// `<memballoon>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Memballoon {
    /// The device.
    pub model: BalloonModel,
    /// Whether the guest gets memory back before it kills for want of it.
    pub autodeflate: Option<OnOff>,
    /// Whether the guest tells what it doesn't use.
    pub free_page_reporting: Option<OnOff>,
    /// Seconds between the guest's statistics; absent: none.
    pub stats_period: Option<u32>,
    /// Options of the virtio transport.
    pub virtio: VirtioOptions,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Balloon devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum BalloonModel {
    /// virtio; which revisions is left to the bus.
    Virtio,
    /// Xen's.
    Xen,
    /// None.
    None,
    /// virtio, the old and the new one.
    VirtioTransitional,
    /// virtio, only the new one.
    VirtioNonTransitional,
}

impl Memballoon {
    /// One of that model without more.
    pub fn new(model: BalloonModel) -> Self {
        Self {
            model,
            autodeflate: None,
            free_page_reporting: None,
            stats_period: None,
            virtio: VirtioOptions::default(),
            info: DeviceInfo::default(),
        }
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Memballoon {
    fn read(node: &mut Node<'_>) -> virt_error::Result<Self> {
        let model = node.required("model")?;
        let mut info = DeviceInfo::read(node)?;
        if model == BalloonModel::None {
            info = DeviceInfo::default();
        }
        Ok(Self {
            model,
            autodeflate: node.attr("autodeflate")?,
            free_page_reporting: node.attr("freePageReporting")?,
            stats_period: node
                .child_with("stats", |node| {
                    let period: Option<u32> = node.attr("period")?;
                    match period.filter(|period| i32::try_from(*period).is_err()) {
                        Some(long) => {
                            Err(node.bad_attr("period", &long.to_string(), "0 to 2147483647"))
                        }
                        None => Ok(period),
                    }
                })?
                .flatten()
                .filter(|period| *period > 0),
            virtio: node.child("driver")?.unwrap_or_default(),
            info,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("model", &self.model);
        tag.maybe("autodeflate", &self.autodeflate);
        tag.maybe("freePageReporting", &self.free_page_reporting);
    }

    fn content(&self, out: &mut Writer) {
        super::chardev::switch(out, "stats", "period", self.stats_period.as_ref());
        self.info.content(out);
        if !self.virtio.is_empty() {
            out.element("driver", &self.virtio);
        }
    }
}
