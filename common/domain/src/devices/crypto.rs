//! `<crypto>`: a virtio device that computes ciphers.

use super::info::DeviceInfo;
use super::virtio::VirtioOptions;
use crate::refusal::xml;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// `<crypto model='virtio' type='qemu'>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Crypto {
    /// The device.
    pub model: CryptoModel,
    /// Who computes.
    pub kind: CryptoType,
    /// With what.
    pub backend: CryptoBackend,
    /// Options of the virtio transport.
    pub virtio: VirtioOptions,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Crypto devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum CryptoModel {
    /// virtio.
    Virtio,
}

/// Who computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum CryptoType {
    /// QEMU.
    Qemu,
}

/// `<backend …/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct CryptoBackend {
    /// What computes.
    #[xml(attr)]
    pub model: CryptoBackendModel,
    /// How many queues; absent: one.
    #[xml(attr)]
    pub queues: Option<u32>,
}

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum CryptoBackendModel {
    /// QEMU itself.
    Builtin,
    /// The kernel.
    Lkcf,
}

impl Crypto {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Crypto {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let model = node.required("model")?;
        let kind = node.required("type")?;
        let mut backends: Vec<CryptoBackend> = node.children("backend")?;
        let (Some(mut backend), true) = (backends.pop(), backends.is_empty()) else {
            return Err(xml("only one crypto backend is supported"));
        };
        backend.queues = backend.queues.filter(|queues| *queues > 0);
        Ok(Self {
            model,
            kind,
            backend,
            virtio: node.child("driver")?.unwrap_or_default(),
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("model", &self.model);
        tag.attr("type", &self.kind);
    }

    fn content(&self, out: &mut Writer) {
        out.element("backend", &self.backend);
        if !self.virtio.is_empty() {
            out.element("driver", &self.virtio);
        }
        self.info.content(out);
    }
}
