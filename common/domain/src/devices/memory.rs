//! `<memory>` devices: DIMMs, NVDIMMs, virtio-pmem, virtio-mem, SGX EPC.
//!
//! Facts: formatdomain "Memory devices"; domaincommon.rng `memorydev`.

use super::address::{Address, DimmAddress};
use super::info::DeviceInfo;
use crate::number_set::NumberSet;
use crate::scaled::KiB;
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
    /// Host nodes it comes from.
    #[xml(child_text)]
    pub nodemask: Option<NumberSet>,
    /// Page size.
    #[xml(child)]
    pub pagesize: Option<KiB>,
    /// File of persistent memory.
    #[xml(child_text)]
    pub path: Option<String>,
    /// Alignment of the file.
    #[xml(child)]
    pub alignsize: Option<KiB>,
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
    pub size: KiB,
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
    pub block: Option<KiB>,
    /// Wanted size of virtio-mem.
    #[xml(child)]
    pub requested: Option<KiB>,
    /// Size of virtio-mem at the moment; live only.
    #[xml(child)]
    pub current: Option<KiB>,
    /// Where in the guest's memory.
    #[xml(child)]
    pub address: Option<MemoryBase>,
}

/// `<label>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct MemoryLabel {
    /// Its size.
    #[xml(child)]
    pub size: KiB,
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
        super::address::hexadecimal(&text)
            .map(|base| Self { base })
            .ok_or_else(|| node.bad_attr("base", &text, "a number such as 0x100000000"))
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("base", &format!("0x{:x}", self.base));
    }

    fn content(&self, _: &mut Writer) {}
}

impl MemoryDevice {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
        self.target.current = None;
    }

    /// Completes it: says what its model implies, forgets what its model has no use for.
    pub fn settle(&mut self) {
        use MemoryModel as M;
        let model = self.model;
        if model == M::VirtioPmem {
            self.access.get_or_insert(MemoryAccess::Shared);
        }
        if model != M::Nvdimm {
            self.uuid = None;
        }
        if let Some(source) = &mut self.source {
            if !matches!(model, M::Dimm | M::VirtioMem) {
                source.pagesize = None;
            }
            if !matches!(model, M::Dimm | M::VirtioMem | M::SgxEpc) {
                source.nodemask = None;
            }
            if !model.has_file() {
                source.path = None;
            }
            if model != M::Nvdimm {
                source.alignsize = None;
                source.pmem = false;
            }
        }
        if self.source.as_ref() == Some(&MemorySource::default()) {
            self.source = None;
        }
        let target = &mut self.target;
        if model != M::Nvdimm {
            target.label = None;
            target.readonly = false;
        }
        if model == M::VirtioMem {
            target.requested.get_or_insert_default();
        } else {
            target.dynamic_memslots = None;
            target.block = None;
            target.requested = None;
            target.current = None;
        }
        if !matches!(model, M::VirtioPmem | M::VirtioMem) {
            target.address = None;
        }
        if model.has_slot() && !matches!(self.info.address, Some(Address::Dimm(_))) {
            self.info.address = None;
        }
    }

    /// Its address if it has a slot.
    pub fn dimm(&self) -> Option<&DimmAddress> {
        match &self.info.address {
            Some(Address::Dimm(dimm)) => Some(dimm),
            _ => None,
        }
    }

    /// The guest's addresses it takes, where its place is given: first and first beyond. Of persistent
    /// memory with a label only whole units of its alignment are mapped.
    fn range(&self) -> Option<(u64, u64)> {
        let base = match &self.target.address {
            Some(address) => address.base,
            None => self.dimm()?.base?,
        };
        let label = self.target.label.map_or(0, |label| label.size.0);
        let mut size = self.target.size.0.saturating_sub(label);
        let align = self.source.as_ref().and_then(|source| source.alignsize);
        if let Some(align) = align.filter(|align| align.0 > 0) {
            size -= size % align.0;
        }
        Some((base, base.saturating_add(KiB(size).bytes())))
    }

    /// Checks what does not depend on the hypervisor.
    ///
    /// # Errors
    /// XML_ERROR or CONFIG_UNSUPPORTED for what is missing or its model does not have.
    pub fn check(&self) -> Result<()> {
        let path = self.source.as_ref().and_then(|s| s.path.as_ref());
        if self.model.has_file() && path.is_none() {
            return Err(refusal(
                ErrorCode::XmlDetail,
                format!("path is required for model '{}'", self.model),
            ));
        }
        match self.model {
            MemoryModel::Dimm => Ok(()),
            MemoryModel::Nvdimm => self.check_nvdimm(),
            MemoryModel::VirtioPmem => self.check_virtio_pmem(),
            MemoryModel::VirtioMem => self.check_virtio_mem(),
            MemoryModel::SgxEpc if self.info.address.is_some() => Err(unsupported(
                "memory device address is not supported for model 'sgx-epc'",
            )),
            MemoryModel::SgxEpc => Ok(()),
        }
    }

    fn check_nvdimm(&self) -> Result<()> {
        if self.discard == Some(YesNo::Yes) {
            return Err(unsupported("discard is not supported for nvdimms"));
        }
        let Some(label) = self.target.label else {
            return Ok(());
        };
        let wrong = |text: &str| Err(refusal(ErrorCode::XmlError, text));
        if label.size.0 < SMALLEST_LABEL_KIB {
            return wrong("nvdimm label must be at least 128KiB");
        }
        if label.size >= self.target.size {
            return wrong("label size must be smaller than NVDIMM size");
        }
        Ok(())
    }

    fn check_virtio_pmem(&self) -> Result<()> {
        if self.discard == Some(YesNo::Yes) {
            return Err(unsupported(
                "discard is not supported for model 'virtio-pmem'",
            ));
        }
        if self.access != Some(MemoryAccess::Shared) {
            return Err(unsupported(
                "shared access mode required for virtio-pmem device",
            ));
        }
        if self.target.node.is_some() {
            return Err(unsupported("virtio-pmem does not support NUMA nodes"));
        }
        Ok(())
    }

    fn check_virtio_mem(&self) -> Result<()> {
        let wrong = |text: String| Err(refusal(ErrorCode::XmlDetail, text));
        let (size, block) = (self.target.size.0, self.target.block.unwrap_or_default().0);
        let requested = self.target.requested.unwrap_or_default().0;
        if requested > size {
            return wrong(format!(
                "requested size must be smaller than or equal to @size ({size}KiB)"
            ));
        }
        if !block.is_power_of_two() {
            return wrong("block size must be a power of two".to_owned());
        }
        if block < SMALLEST_BLOCK_KIB {
            return wrong(format!(
                "block size too small, must be at least {SMALLEST_BLOCK_KIB}KiB"
            ));
        }
        if !requested.is_multiple_of(block) {
            return wrong("requested size must be an integer multiple of block size".to_owned());
        }
        Ok(())
    }
}

impl MemoryModel {
    /// Whether it is a file's content.
    pub fn has_file(self) -> bool {
        matches!(self, Self::Nvdimm | Self::VirtioPmem)
    }

    /// Whether it has to be part of one of the guest's nodes where there are any.
    pub fn has_node(self) -> bool {
        !matches!(self, Self::VirtioPmem | Self::SgxEpc)
    }

    /// Whether it sits in one of the slots that `<maxMemory>` counts.
    pub fn has_slot(self) -> bool {
        matches!(self, Self::Dimm | Self::Nvdimm)
    }
}

/// The smallest label area QEMU takes.
const SMALLEST_LABEL_KIB: u64 = 128;

/// The smallest block of virtio-mem: a transparent huge page of the hosts this runs on.
const SMALLEST_BLOCK_KIB: u64 = 2048;

/// Checks that no two devices have the same slot or overlap in the guest's memory.
///
/// # Errors
/// CONFIG_UNSUPPORTED that names the slot or the addresses.
pub fn check_places(devices: &[MemoryDevice]) -> Result<()> {
    for (index, device) in devices.iter().enumerate() {
        let earlier = devices.get(..index).unwrap_or_default();
        let slot = device.dimm().and_then(|dimm| dimm.slot);
        if let Some(slot) = slot
            && earlier
                .iter()
                .any(|other| other.dimm().and_then(|dimm| dimm.slot) == Some(slot))
        {
            return Err(unsupported(format!(
                "memory device slot '{slot}' is already being used by another memory device"
            )));
        }
        let Some((start, end)) = device.range() else {
            continue;
        };
        for (other, beyond) in earlier.iter().filter_map(MemoryDevice::range) {
            if start < beyond && other < end {
                return Err(unsupported(format!(
                    "memory device address [{start:#x}:{end:#x}] overlaps with other memory device ({other:#x})"
                )));
            }
        }
    }
    Ok(())
}

fn refusal(code: ErrorCode, text: impl Into<String>) -> Error {
    Error::new(code, ErrorDomain::Domain, text)
}

fn unsupported(text: impl Into<String>) -> Error {
    refusal(ErrorCode::ConfigUnsupported, text)
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

    fn read(text: &str) -> MemoryDevice {
        let mut memory = virt_xml::read::<MemoryDevice>(text).unwrap().0;
        memory.settle();
        memory
    }

    #[test]
    fn a_model_keeps_only_what_it_has() {
        let dimm = read(
            "<memory model='dimm'><source><path>/f</path></source>
               <target><size>1024</size><node>0</node><block>2048</block><readonly/></target>
               <address type='pci'/></memory>",
        );
        assert_eq!((&dimm.source, &dimm.info.address), (&None, &None));
        assert!(!dimm.target.readonly && dimm.target.block.is_none());
        let pmem = read(
            "<memory model='virtio-pmem'><source><path>/f</path></source>
               <target><size>1024</size></target></memory>",
        );
        assert_eq!(pmem.access, Some(MemoryAccess::Shared));
        pmem.check().unwrap();
    }

    #[test]
    fn blocks_of_virtio_mem_are_powers_of_two_that_divide_what_is_requested() {
        let check = |block: u64, requested: u64| {
            read(&format!(
                "<memory model='virtio-mem'><target><size>65536</size><block>{block}</block>
                   <requested>{requested}</requested></target></memory>"
            ))
            .check()
        };
        check(2048, 4096).unwrap();
        check(4096, 0).unwrap();
        for (block, requested) in [(3072, 3072), (1024, 1024), (4096, 2048), (2048, 131_072)] {
            check(block, requested).unwrap_err();
        }
    }

    #[test]
    fn devices_share_neither_slots_nor_addresses() {
        let nvdimm = |slot: u32, base: u64, label: &str| {
            read(&format!(
                "<memory model='nvdimm'><source><path>/f</path><alignsize>2048</alignsize></source>
                   <target><size>4096</size>{label}</target>
                   <address type='dimm' slot='{slot}' base='{base:#x}'/></memory>"
            ))
        };
        let both = |second: MemoryDevice, label: &str| {
            check_places(&[nvdimm(0, 0x1_0000_0000, label), second])
        };
        both(nvdimm(1, 0x1_0040_0000, ""), "").unwrap();
        both(nvdimm(0, 0x1_0040_0000, ""), "").unwrap_err();
        both(nvdimm(1, 0x1_0020_0000, ""), "").unwrap_err();
        // The label takes a unit away.
        let label = "<label><size>128</size></label>";
        both(nvdimm(1, 0x1_0020_0000, ""), label).unwrap();
    }
}
