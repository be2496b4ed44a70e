//! `<controller>`.
//!
//! Facts: formatdomain "Controllers"; domaincommon.rng `controller`.

use super::disk::IothreadMap;
use super::info::{DeviceInfo, UsbMaster};
use super::virtio::VirtioOptions;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// What `firstport` of a companion is where nothing is said.
fn first_port(model: ControllerModel) -> Option<u32> {
    match model {
        ControllerModel::Ich9Uhci1 => Some(0),
        ControllerModel::Ich9Uhci2 => Some(2),
        ControllerModel::Ich9Uhci3 => Some(4),
        _ => None,
    }
}

/// Puts controllers in their order and companions to their master.
///
/// # Errors
/// XML_DETAIL where there are companions only.
pub(crate) fn settle(all: &mut Vec<Controller>) -> Result<()> {
    for controller in std::mem::take(all) {
        controller.insert(all);
    }
    let usb = || all.iter().filter(|c| c.kind == ControllerKind::Usb);
    if usb().count() > 0 && usb().all(|c| c.info.master.is_some()) {
        return Err(Error::new(
            ErrorCode::XmlDetail,
            ErrorDomain::Domain,
            "No master USB controller specified",
        ));
    }
    Ok(())
}

/// What a controller controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Words)]
pub enum ControllerKind {
    /// IDE disks.
    Ide,
    /// Floppy drives.
    Fdc,
    /// SCSI disks.
    Scsi,
    /// SATA disks.
    Sata,
    /// virtio consoles and channels.
    VirtioSerial,
    /// Smart cards.
    Ccid,
    /// USB devices.
    Usb,
    /// PCI devices.
    Pci,
    /// Xen devices.
    Xenbus,
    /// ISA devices.
    Isa,
    /// NVMe disks.
    Nvme,
}

/// `model`, for all kinds; [`ControllerModel::fits`] says which kinds have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "each variant is the word of its name")]
pub enum ControllerModel {
    Auto,
    Buslogic,
    Lsilogic,
    #[word("lsisas1068")]
    Lsisas1068,
    Vmpvscsi,
    Ibmvscsi,
    VirtioScsi,
    #[word("lsisas1078")]
    Lsisas1078,
    VirtioTransitional,
    VirtioNonTransitional,
    #[word("ncr53c90")]
    Ncr53c90,
    #[word("dc390")]
    Dc390,
    #[word("am53c974")]
    Am53c974,
    #[word("piix3-uhci")]
    Piix3Uhci,
    #[word("piix4-uhci")]
    Piix4Uhci,
    Ehci,
    #[word("ich9-ehci1")]
    Ich9Ehci1,
    #[word("ich9-uhci1")]
    Ich9Uhci1,
    #[word("ich9-uhci2")]
    Ich9Uhci2,
    #[word("ich9-uhci3")]
    Ich9Uhci3,
    #[word("vt82c686b-uhci")]
    Vt82c686bUhci,
    PciOhci,
    NecXhci,
    #[word("qusb1")]
    Qusb1,
    #[word("qusb2")]
    Qusb2,
    QemuXhci,
    None,
    #[word("piix3")]
    Piix3,
    #[word("piix4")]
    Piix4,
    #[word("ich6")]
    Ich6,
    Virtio,
    PciRoot,
    PcieRoot,
    PciBridge,
    DmiToPciBridge,
    PcieToPciBridge,
    PcieRootPort,
    PcieSwitchUpstreamPort,
    PcieSwitchDownstreamPort,
    PciExpanderBus,
    PcieExpanderBus,
}

impl ControllerModel {
    /// Whether controllers of that kind have the model.
    pub fn fits(self, kind: ControllerKind) -> bool {
        use ControllerModel as M;
        match kind {
            ControllerKind::Scsi => matches!(
                self,
                M::Auto
                    | M::Buslogic
                    | M::Lsilogic
                    | M::Lsisas1068
                    | M::Vmpvscsi
                    | M::Ibmvscsi
                    | M::VirtioScsi
                    | M::Lsisas1078
                    | M::VirtioTransitional
                    | M::VirtioNonTransitional
                    | M::Ncr53c90
                    | M::Dc390
                    | M::Am53c974
            ),
            ControllerKind::Usb => matches!(
                self,
                M::Piix3Uhci
                    | M::Piix4Uhci
                    | M::Ehci
                    | M::Ich9Ehci1
                    | M::Ich9Uhci1
                    | M::Ich9Uhci2
                    | M::Ich9Uhci3
                    | M::Vt82c686bUhci
                    | M::PciOhci
                    | M::NecXhci
                    | M::Qusb1
                    | M::Qusb2
                    | M::QemuXhci
                    | M::None
            ),
            ControllerKind::Ide => matches!(self, M::Piix3 | M::Piix4 | M::Ich6),
            ControllerKind::VirtioSerial => matches!(
                self,
                M::Virtio | M::VirtioTransitional | M::VirtioNonTransitional
            ),
            ControllerKind::Pci => matches!(
                self,
                M::PciRoot
                    | M::PcieRoot
                    | M::PciBridge
                    | M::DmiToPciBridge
                    | M::PcieToPciBridge
                    | M::PcieRootPort
                    | M::PcieSwitchUpstreamPort
                    | M::PcieSwitchDownstreamPort
                    | M::PciExpanderBus
                    | M::PcieExpanderBus
            ),
            _ => false,
        }
    }

    /// Whether it is one of the four functions of Intel's ninth USB 2 controller.
    pub fn is_ich9_usb(self) -> bool {
        matches!(
            self,
            Self::Ich9Ehci1 | Self::Ich9Uhci1 | Self::Ich9Uhci2 | Self::Ich9Uhci3
        )
    }

    /// Whether it is a companion, which has no ports of its own.
    pub fn is_usb_companion(self) -> bool {
        self.is_ich9_usb() && self != Self::Ich9Ehci1
    }
}

/// One controller.
#[derive(Debug, Clone, PartialEq)]
pub struct Controller {
    /// What it controls.
    pub kind: ControllerKind,
    /// Its number among those of its kind; filled in.
    pub index: Option<u32>,
    /// Which.
    pub model: Option<ControllerModel>,
    /// Ports of a USB or virtio-serial controller.
    pub ports: Option<u32>,
    /// Interrupt vectors of a virtio-serial controller.
    pub vectors: Option<u32>,
    /// Xen's.
    pub max_grant_frames: Option<u32>,
    /// Xen's.
    pub max_event_channels: Option<u32>,
    /// Options.
    pub driver: Option<ControllerDriver>,
    /// QEMU's device of a PCI controller.
    pub model_name: Option<ModelName>,
    /// Options of a PCI controller.
    pub target: Option<PciTarget>,
    /// Size of the 64-bit window of a PCI root, in KiB.
    pub pcihole64: Option<u64>,
    /// What every device has.
    pub info: DeviceInfo,
}

/// `<driver …>` of a controller.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct ControllerDriver {
    /// Number of queues.
    #[xml(attr)]
    pub queues: Option<u32>,
    /// Commands in flight for each unit.
    #[xml(attr)]
    pub cmd_per_lun: Option<u32>,
    /// Sectors in one command.
    #[xml(attr)]
    pub max_sectors: Option<u32>,
    /// Notifications through the kernel.
    #[xml(attr)]
    pub ioeventfd: Option<OnOff>,
    /// Number of the I/O thread.
    #[xml(attr)]
    pub iothread: Option<u32>,
    /// virtio transport.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    /// Which queue is served by which I/O thread.
    #[xml(child)]
    pub iothreads: Option<IothreadMap>,
}

impl ControllerDriver {
    /// A number of 0 is none.
    fn settled(mut self) -> Self {
        for number in [
            &mut self.queues,
            &mut self.cmd_per_lun,
            &mut self.max_sectors,
            &mut self.iothread,
        ] {
            *number = number.filter(|number| *number > 0);
        }
        self
    }
}

/// `<model name=…/>` of a PCI controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct ModelName {
    /// QEMU's word.
    #[xml(attr)]
    pub name: PciModelName,
}

/// QEMU's device behind a PCI controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
#[allow(missing_docs, reason = "each variant is the word of its name")]
pub enum PciModelName {
    SpaprPciHostBridge,
    PciBridge,
    #[word("i82801b11-bridge")]
    I82801b11Bridge,
    PciePciBridge,
    #[word("ioh3420")]
    Ioh3420,
    PcieRootPort,
    #[word("x3130-upstream")]
    X3130Upstream,
    #[word("xio3130-downstream")]
    Xio3130Downstream,
    Pxb,
    PxbPcie,
}

/// `<target …>` of a PCI controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PciTarget {
    /// Number of a bridge, 1 to 255.
    pub chassis_nr: Option<u8>,
    /// Number of a root or downstream port, 0 to 255.
    pub chassis: Option<u8>,
    /// Port, 0 to 255.
    pub port: Option<u8>,
    /// First bus behind an expander, 1 to 254.
    pub bus_nr: Option<u8>,
    /// Index of a pSeries host bridge, 0 to 31.
    pub index: Option<u8>,
    /// Whether devices can be plugged in later.
    pub hotplug: Option<OnOff>,
    /// Memory window that is kept free, in KiB.
    pub mem_reserve: Option<u64>,
    /// NUMA node.
    pub node: Option<u32>,
}

impl Element for PciTarget {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let byte = |node: &mut Node<'_>, name: &str| -> Result<Option<u8>> {
            let Some(text) = node.attr::<String>(name)? else {
                return Ok(None);
            };
            super::address::number(&text)
                .and_then(|n| u8::try_from(n).ok())
                .map(Some)
                .ok_or_else(|| node.bad_attr(name, &text, "a number from 0 to 255"))
        };
        let target = Self {
            chassis_nr: byte(node, "chassisNr")?,
            chassis: byte(node, "chassis")?,
            port: byte(node, "port")?,
            bus_nr: byte(node, "busNr")?,
            index: byte(node, "index")?,
            hotplug: node.attr("hotplug")?,
            mem_reserve: node.attr("memReserve")?,
            node: node.child_text("node")?,
        };
        let range = |name: &str, value: Option<u8>, low: u8, high: u8| match value {
            Some(n) if !(low..=high).contains(&n) => Err(wrong(format!(
                "PCI controller {name} '{n}' out of range - must be {low}-{high}"
            ))),
            _ => Ok(()),
        };
        if target.mem_reserve.is_some_and(|kib| kib > u64::MAX / 1024) {
            return Err(wrong(
                "PCI controller memReserve is more than can be counted in bytes".to_owned(),
            ));
        }
        range("chassisNr", target.chassis_nr, 1, 255)?;
        range("busNr", target.bus_nr, 1, 254)?;
        range("target index", target.index, 0, 30)?;
        Ok(target)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("chassisNr", &self.chassis_nr);
        tag.maybe("chassis", &self.chassis);
        tag.maybe("port", &self.port.map(|n| format!("0x{n:x}")));
        tag.maybe("busNr", &self.bus_nr);
        tag.maybe("index", &self.index);
        tag.maybe("memReserve", &self.mem_reserve);
        tag.maybe("hotplug", &self.hotplug);
    }

    fn content(&self, out: &mut Writer) {
        if let Some(node) = &self.node {
            out.text_element("node", node);
        }
    }
}

impl PciTarget {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

impl Element for Controller {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        // The oldest kind there is.
        let kind: ControllerKind = node.attr("type")?.unwrap_or(ControllerKind::Ide);
        let index = match node.attr_text("index") {
            None => None,
            Some(text) => {
                let expected = |what: &str| {
                    wrong(format!(
                        "Invalid value for attribute 'index' in element 'controller': '{text}'. \
                         Expected {what} value"
                    ))
                };
                let index = text.trim().parse::<u32>();
                let index = index.map_err(|_| expected("non-negative"))?;
                i32::try_from(index).map_err(|_| expected("integer"))?;
                Some(index)
            }
        };
        let word = node.attr::<String>("model")?;
        let model = match &word {
            None => None,
            Some(word) => Some(
                ControllerModel::from_word(word)
                    .filter(|m| m.fits(kind))
                    .ok_or_else(|| {
                        let known: Vec<_> = ControllerModel::ALL
                            .iter()
                            .filter(|m| m.fits(kind))
                            .map(|m| m.word())
                            .collect();
                        node.bad_attr("model", word, &known.join(", "))
                    })?,
            ),
        };
        if model == Some(ControllerModel::None) {
            // What is not there has no master, whatever is said of it.
            node.raw("master");
        }
        let mut controller = Self {
            kind,
            index,
            model,
            ports: None,
            vectors: None,
            max_grant_frames: None,
            max_event_channels: None,
            driver: node.child("driver")?.map(ControllerDriver::settled),
            model_name: None,
            target: None,
            pcihole64: None,
            info: DeviceInfo::read(node)?,
        };
        // Companions share the ports of their master in pairs.
        if kind == ControllerKind::Usb && controller.info.master.is_none() {
            let first = model.and_then(first_port);
            controller.info.master = first.map(|startport| UsbMaster { startport });
        }
        controller.read_own(node)?;
        Ok(controller)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind);
        tag.attr("index", &self.index());
        tag.maybe("model", &self.model);
        tag.maybe("ports", &self.ports);
        tag.maybe("vectors", &self.vectors);
        tag.maybe("maxGrantFrames", &self.max_grant_frames);
        tag.maybe("maxEventChannels", &self.max_event_channels);
    }

    fn content(&self, out: &mut Writer) {
        // What is not there has nothing to be said about but how it is called.
        if self.kind == ControllerKind::Usb && self.has_model(ControllerModel::None) {
            return self.info.only_alias(out);
        }
        let nothing = ControllerDriver::default();
        out.maybe("driver", self.driver.as_ref().filter(|d| **d != nothing));
        out.maybe("model", self.model_name.as_ref());
        if let Some(target) = self.target.as_ref().filter(|t| !t.is_empty()) {
            out.element("target", target);
        }
        if let Some(size) = &self.pcihole64 {
            out.open(
                "pcihole64",
                |tag| tag.text("unit", "KiB"),
                |out| out.text(size),
            );
        }
        self.info.content(out);
    }
}

impl Controller {
    /// A controller with nothing said about it.
    pub fn new(kind: ControllerKind, index: u32) -> Self {
        Self {
            kind,
            index: Some(index),
            model: None,
            ports: None,
            vectors: None,
            max_grant_frames: None,
            max_event_channels: None,
            driver: None,
            model_name: None,
            target: None,
            pcihole64: None,
            info: DeviceInfo::default(),
        }
    }

    /// Its number, once it is filled in.
    pub fn index(&self) -> u32 {
        self.index.unwrap_or(0)
    }

    /// Whether it is that one.
    pub fn is(&self, kind: ControllerKind, index: u32) -> bool {
        self.kind == kind && self.index == Some(index)
    }

    /// Whether its model is that one.
    pub fn has_model(&self, model: ControllerModel) -> bool {
        self.model == Some(model)
    }

    /// A PCI controller's options, put there if there were none.
    pub fn target_mut(&mut self) -> &mut PciTarget {
        self.target.get_or_insert_default()
    }

    /// Puts a controller among the others: behind those of its kind with no higher number, and a USB
    /// controller with companions before these.
    pub fn insert(self, all: &mut Vec<Self>) {
        let like = |other: &Self| other.kind == self.kind;
        let leads = self.kind == ControllerKind::Usb && self.info.master.is_none();
        let companion = all.iter().position(|other| {
            leads && like(other) && other.index == self.index && other.info.master.is_some()
        });
        // Those without a number get theirs later.
        let number = |controller: &Self| controller.index.unwrap_or(u32::MAX);
        let after = all
            .iter()
            .rposition(|other| like(other) && number(other) <= number(&self))
            .map(|at| at + 1);
        let before = all
            .iter()
            .position(|other| like(other) && number(other) > number(&self));
        let at = companion.or(after).or(before).unwrap_or(all.len());
        all.insert(at, self);
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }

    /// What only controllers of one kind have; elsewhere it is left unread, and reported as unknown.
    fn read_own(&mut self, node: &mut Node<'_>) -> Result<()> {
        match self.kind {
            ControllerKind::Usb => self.ports = count(node, "ports")?,
            ControllerKind::VirtioSerial => {
                self.ports = count(node, "ports")?;
                self.vectors = count(node, "vectors")?;
            }
            ControllerKind::Xenbus => {
                self.max_grant_frames = count(node, "maxGrantFrames")?;
                self.max_event_channels = count(node, "maxEventChannels")?;
            }
            ControllerKind::Pci => self.read_pci(node)?,
            _ => {}
        }
        Ok(())
    }

    fn read_pci(&mut self, node: &mut Node<'_>) -> Result<()> {
        let name = node.child_with("model", |node| node.attr("name"))?;
        self.model_name = name.flatten().map(|name| ModelName { name });
        self.target = node.child("target")?;
        let root = matches!(
            self.model,
            Some(ControllerModel::PciRoot | ControllerModel::PcieRoot)
        );
        if !root {
            return Ok(());
        }
        let size = node.child_with("pcihole64", |node| {
            let unit = node.attr::<String>("unit")?;
            // One that says nothing is none.
            match node.text::<String>()?.as_str() {
                "" => Ok(None),
                _ => crate::units::kib(node.text()?, unit.as_deref().unwrap_or("KiB")).map(Some),
            }
        })?;
        self.pcihole64 = size.flatten();
        // pSeries has more than one pci-root, each of which is a device of its own.
        if self.info.address.is_some() {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "pci-root and pcie-root controllers should not have an address",
            ));
        }
        Ok(())
    }
}

/// A number that the stock library keeps in an int.
fn count(node: &mut Node<'_>, name: &str) -> Result<Option<u32>> {
    let count = node.attr::<u32>(name)?;
    match count {
        Some(n) if i32::try_from(n).is_err() => {
            Err(node.bad_attr(name, &n.to_string(), "a number from 0 to 2147483647"))
        }
        _ => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_written_as_they_were_read() {
        for text in [
            "<controller type='usb' index='0' model='qemu-xhci' ports='15'/>\n",
            "<controller type='scsi' index='1' model='virtio-scsi'>
  <driver queues='4' cmd_per_lun='3' max_sectors='512' ioeventfd='on' iothread='1' iommu='on'/>
</controller>
",
            "<controller type='pci' index='1' model='pcie-root-port'>
  <model name='pcie-root-port'/>
  <target chassis='1' port='0x10' hotplug='off'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0' multifunction='on'/>
</controller>
",
            "<controller type='pci' index='0' model='pcie-root'>
  <pcihole64 unit='KiB'>1048576</pcihole64>
</controller>
",
        ] {
            let (controller, unknown) = virt_xml::read::<Controller>(text).unwrap();
            assert_eq!(unknown, []);
            assert_eq!(virt_xml::write("controller", &controller), text);
        }
    }

    #[test]
    fn memory_that_bytes_cannot_count_is_refused() {
        let with = |kib: u64| {
            let text = format!(
                "<controller type='pci' model='pcie-root-port'><target memReserve='{kib}'/></controller>"
            );
            virt_xml::read::<Controller>(&text).is_ok()
        };
        assert!(with(u64::MAX / 1024));
        assert!(!with(u64::MAX / 1024 + 1));
    }

    #[test]
    fn a_model_of_another_kind_is_refused() {
        let message = |text| {
            virt_xml::read::<Controller>(text)
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert!(
            message("<controller type='scsi' model='piix3'/>").starts_with(
                "XML error: Invalid value for attribute 'model' in element 'controller': 'piix3'."
            )
        );
        assert_eq!(
            message("<controller type='pci' index='-1'/>"),
            "XML error: Invalid value for attribute 'index' in element 'controller': '-1'. \
             Expected non-negative value"
        );
        assert!(message("<controller type='nonsense'/>").starts_with(
            "XML error: Invalid value for attribute 'type' in element 'controller': 'nonsense'."
        ));
    }
}
