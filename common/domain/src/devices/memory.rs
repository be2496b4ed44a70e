//! `<memory>` devices: DIMMs, NVDIMMs, virtio-pmem, virtio-mem, SGX EPC.
//!
//! Facts: formatdomain "Memory devices"; domaincommon.rng `memorydev`.

use super::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// `model`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum MemoryModel {
    /// Plain memory.
    Dimm,
    /// Persistent memory.
    Nvdimm,
    /// Persistent memory over virtio.
    VirtioPmem,
    /// Memory whose size changes while the guest runs.
    VirtioMem,
    /// Memory of enclaves.
    SgxEpc,
}

/// `access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum MemoryAccess {
    /// Writes are seen by others.
    Shared,
    /// They aren't.
    Private,
}

/// One memory device.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct MemoryDevice {
    /// Which.
    #[xml(attr)]
    pub model: MemoryModel,
    /// Whether others see what is written.
    #[xml(attr)]
    pub access: Option<MemoryAccess>,
    /// Whether the content is dropped at the end.
    #[xml(attr)]
    pub discard: Option<YesNo>,
    /// Identity of an NVDIMM.
    #[xml(child_text)]
    pub uuid: Option<uuid::Uuid>,
    /// Host memory.
    #[xml(child)]
    pub source: Option<MemorySource>,
    /// What the guest sees.
    #[xml(child)]
    pub target: MemoryTarget,
    /// What every device has.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// `<source>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct MemorySource {
    /// Host nodes, as a CPU set.
    #[xml(child_text)]
    pub nodemask: Option<String>,
    /// Page size.
    #[xml(child)]
    pub pagesize: Option<Kib>,
    /// File of persistent memory.
    #[xml(child_text)]
    pub path: Option<String>,
    /// Alignment of the file.
    #[xml(child)]
    pub alignsize: Option<Kib>,
    /// Whether the file is on persistent memory.
    #[xml(flag)]
    pub pmem: bool,
}

/// `<target>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct MemoryTarget {
    /// Whether QEMU uses several slots of the kernel.
    #[xml(attr = "dynamicMemslots")]
    pub dynamic_memslots: Option<YesNo>,
    /// Size.
    #[xml(child)]
    pub size: Kib,
    /// NUMA node of the guest.
    #[xml(child_text)]
    pub node: Option<u32>,
    /// Label area of an NVDIMM.
    #[xml(child)]
    pub label: Option<MemoryLabel>,
    /// The guest can't write.
    #[xml(flag)]
    pub readonly: bool,
    /// Size of a block of virtio-mem.
    #[xml(child)]
    pub block: Option<Kib>,
    /// Wanted size of virtio-mem.
    #[xml(child)]
    pub requested: Option<Kib>,
    /// Size of virtio-mem at the moment; live only.
    #[xml(child)]
    pub current: Option<Kib>,
    /// Where in the guest's memory.
    #[xml(child)]
    pub address: Option<MemoryBase>,
}

/// `<label>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct MemoryLabel {
    /// Its size.
    #[xml(child)]
    pub size: Kib,
}

/// `<address base=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBase {
    /// First byte.
    pub base: u64,
}

impl Element for MemoryBase {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let text = node.required::<String>("base")?;
        super::address::number(&text)
            .map(|base| Self { base })
            .ok_or_else(|| node.bad_attr("base", &text, "a number such as 0x100000000"))
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("base", &format!("0x{:x}", self.base));
    }

    fn content(&self, _: &mut Writer) {}
}

/// A size in KiB, written with its unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kib(pub u64);

impl Element for Kib {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let unit = node.attr::<String>("unit")?;
        crate::units::kib(node.text()?, unit.as_deref().unwrap_or("KiB")).map(Self)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("unit", "KiB");
    }

    fn content(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

impl MemoryDevice {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
        self.target.current = None;
    }

    /// Checks what does not depend on the hypervisor.
    ///
    /// # Errors
    /// XML_ERROR for what is missing.
    pub fn check(&self) -> Result<()> {
        let wrong = |text: &str| Err(Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text));
        let path = self.source.as_ref().and_then(|s| s.path.as_ref());
        match self.model {
            MemoryModel::Nvdimm if path.is_none() => wrong("path is required for model 'nvdimm'"),
            MemoryModel::VirtioPmem if path.is_none() => {
                wrong("path is required for model 'virtio-pmem'")
            }
            MemoryModel::VirtioMem if self.target.requested.is_none() => {
                wrong("requested size is required for model 'virtio-mem'")
            }
            MemoryModel::VirtioMem if self.target.block.is_none() => {
                wrong("block size is required for model 'virtio-mem'")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_device_is_written_as_it_was_read() {
        let text = "<memory model='virtio-mem' access='shared'>
  <source>
    <nodemask>1-3</nodemask>
    <pagesize unit='KiB'>2048</pagesize>
  </source>
  <target dynamicMemslots='yes'>
    <size unit='KiB'>524288</size>
    <node>0</node>
    <block unit='KiB'>2048</block>
    <requested unit='KiB'>0</requested>
    <address base='0x100000000'/>
  </target>
  <address type='dimm' slot='0' base='0x100000000'/>
</memory>
";
        let (memory, unknown) = virt_xml::read::<MemoryDevice>(text).unwrap();
        assert_eq!(unknown, []);
        assert_eq!(virt_xml::write("memory", &memory), text);
    }
}
