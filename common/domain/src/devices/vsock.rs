//! `<vsock>`: sockets between host and guest.

use super::info::DeviceInfo;
use super::virtio::{VirtioModel, VirtioOptions};
use crate::refusal::unsupported;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Writer, YesNo};

/// `<vsock>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Vsock {
    /// The device; chosen where absent.
    pub model: Option<VirtioModel>,
    /// Whether the guest's address is chosen at each start; absent: if there is none.
    pub auto_cid: Option<YesNo>,
    /// The guest's address, at least 3.
    pub cid: Option<u32>,
    /// Options of the virtio transport.
    pub virtio: VirtioOptions,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// The smallest address of a guest: those below are the host's (vsock(7)).
pub const SMALLEST_CID: u32 = 3;

impl Vsock {
    /// Whether the guest's address is chosen at each start.
    pub fn is_auto(&self) -> bool {
        self.auto_cid.is_some_and(YesNo::is_yes)
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Vsock {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let cid = node.child_with("cid", |node| {
            Ok((node.attr::<YesNo>("auto")?, node.attr::<u32>("address")?))
        })?;
        let (auto_cid, cid) = cid.unwrap_or_default();
        if cid.is_some_and(|cid| cid < SMALLEST_CID) {
            return Err(unsupported(format!("guest CIDs must be >= {SMALLEST_CID}")));
        }
        Ok(Self {
            model: node.attr("model")?,
            auto_cid: auto_cid.or(Some(YesNo::from(cid.is_none()))),
            cid,
            virtio: node.child("driver")?.unwrap_or_default(),
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("model", &self.model);
    }

    fn content(&self, out: &mut Writer) {
        if self.auto_cid.is_some() || self.cid.is_some() {
            let attrs = |tag: &mut Tag<'_>| {
                tag.maybe("auto", &self.auto_cid);
                tag.maybe("address", &self.cid);
            };
            out.open("cid", attrs, |_| {});
        }
        self.info.content(out);
        if !self.virtio.is_empty() {
            out.element("driver", &self.virtio);
        }
    }
}
