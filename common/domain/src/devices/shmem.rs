//! `<shmem>`: memory that guests share.
//!
//! Facts: formatdomain "Shared memory device"; the texts of refusals are the stock library's.

use super::info::DeviceInfo;
use crate::refusal::{unsupported, xml};
use crate::units;
use virt_error::Result;
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// `<shmem>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Shmem {
    /// Its name, without `/`.
    pub name: String,
    /// Whether the guest keeps it in a migration.
    pub role: Option<ShmemRole>,
    /// The device.
    pub model: ShmemModel,
    /// Bytes; chosen where absent.
    pub size: Option<u64>,
    /// The server that hands out the memory.
    pub server: Option<ShmemServer>,
    /// Interrupts between the guests.
    pub msi: Option<ShmemMsi>,
    /// Alias and address.
    pub info: DeviceInfo,
}

/// Whether the guest keeps the memory in a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum ShmemRole {
    /// It does.
    Master,
    /// It does not, and can't migrate.
    Peer,
}

/// Shared memory devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum ShmemModel {
    /// The old one, gone from QEMU.
    #[default]
    Ivshmem,
    /// Memory alone.
    IvshmemPlain,
    /// With a server and interrupts.
    IvshmemDoorbell,
}

/// `<server …/>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct ShmemServer {
    /// Its socket; chosen where absent.
    #[xml(attr)]
    pub path: Option<String>,
}

/// `<msi …/>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct ShmemMsi {
    /// How many.
    #[xml(attr)]
    pub vectors: Option<u32>,
    /// Whether they are handled without leaving the kernel.
    #[xml(attr)]
    pub ioeventfd: Option<OnOff>,
}

impl Shmem {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}

impl Element for Shmem {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let name: String = node
            .attr("name")?
            .ok_or_else(|| xml("shmem element must contain 'name' attribute"))?;
        if name.contains('/') {
            return Err(unsupported("shmem name cannot include '/' character"));
        }
        if name == "." || name == ".." {
            return Err(unsupported(format!(
                "shmem name cannot be equal to '{name}'"
            )));
        }
        let model = node.child_with("model", |node| node.attr("type"))?;
        let size = node.child_with("size", |node| {
            let unit: Option<String> = node.attr("unit")?;
            units::bytes(node.text()?, unit.as_deref().unwrap_or("b"))
        })?;
        Ok(Self {
            name,
            role: node.attr("role")?,
            model: model.flatten().unwrap_or_default(),
            size,
            server: node.child("server")?,
            msi: node.child("msi")?,
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("name", &self.name);
        tag.maybe("role", &self.role);
    }

    fn content(&self, out: &mut Writer) {
        super::chardev::switch(out, "model", "type", Some(&self.model));
        if let Some(bytes) = self.size {
            let mib = bytes >> 20;
            out.open("size", |tag| tag.text("unit", "M"), |out| out.text(&mib));
        }
        out.maybe("server", self.server.as_ref());
        out.maybe("msi", self.msi.as_ref());
        self.info.content(out);
    }
}
