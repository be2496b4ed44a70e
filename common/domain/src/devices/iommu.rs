//! `<iommu>`.
//!
//! Facts: formatdomain "IOMMU devices"; the texts of refusals are the stock library's.

use super::info::DeviceInfo;
use crate::refusal::xml;
use virt_error::Result;
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// `<iommu>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Iommu {
    /// The device.
    pub model: IommuModel,
    /// What it can do.
    pub driver: IommuDriver,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// IOMMUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum IommuModel {
    /// Intel's.
    Intel,
    /// Arm's.
    Smmuv3,
    /// virtio's.
    Virtio,
}

/// What an Intel IOMMU can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct IommuDriver {
    /// Whether interrupts are remapped.
    #[xml(attr)]
    pub intremap: Option<OnOff>,
    /// Whether the guest tells of new entries: needed for devices of the host.
    #[xml(attr)]
    pub caching_mode: Option<OnOff>,
    /// Whether there are more than 255 CPUs.
    #[xml(attr)]
    pub eim: Option<OnOff>,
    /// Whether devices may cache translations.
    #[xml(attr)]
    pub iotlb: Option<OnOff>,
    /// Bits of addresses.
    #[xml(attr)]
    pub aw_bits: Option<u32>,
    /// Whether addresses are translated at all.
    #[xml(attr)]
    pub dma_translation: Option<OnOff>,
}

impl Iommu {
    /// One of that model without more.
    pub fn new(model: IommuModel) -> Self {
        Self {
            model,
            driver: IommuDriver::default(),
            info: DeviceInfo::default(),
        }
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Iommu {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let model = node.required("model")?;
        let mut driver: IommuDriver = node.child("driver")?.unwrap_or_default();
        driver.aw_bits = driver.aw_bits.filter(|bits| *bits > 0);
        if model != IommuModel::Intel && driver != IommuDriver::default() {
            return Err(xml(format!(
                "iommu model '{model}' doesn't support additional attributes"
            )));
        }
        Ok(Self {
            model,
            driver,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("model", &self.model);
    }

    fn content(&self, out: &mut Writer) {
        if self.driver != IommuDriver::default() {
            out.element("driver", &self.driver);
        }
        self.info.content(out);
    }
}
