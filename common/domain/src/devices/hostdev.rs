//! `<hostdev>`: devices of the host given to the guest.
//!
//! Facts: formatdomain "Host device assignment"; domaincommon.rng `hostdev*`.

use super::address::PciAddress;
use super::info::DeviceInfo;
use super::storage::{Auth, Host, HostTransport, Initiator, Named, SourceState, StartupPolicy};
use super::virtio::VirtioModel;
use crate::refusal::xml;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, OnOff, Tag, Tree, Words, Writer, YesNo};

/// `mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum HostdevMode {
    /// A device.
    #[default]
    Subsystem,
    /// What containers get.
    Capabilities,
}

/// `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum HostdevKind {
    /// A USB device.
    Usb,
    /// A PCI device.
    Pci,
    /// A SCSI unit.
    Scsi,
    /// A SCSI host.
    #[word("scsi_host")]
    ScsiHost,
    /// A mediated device.
    Mdev,
    /// A container's block device.
    Storage,
    /// A container's character device.
    Misc,
    /// A container's network interface.
    Net,
}

/// `model`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum HostdevModel {
    /// A mediated PCI device.
    VfioPci,
    /// A mediated channel device.
    VfioCcw,
    /// A mediated crypto device.
    VfioAp,
    /// virtio, of a SCSI host.
    Virtio,
    /// virtio, old and new.
    VirtioTransitional,
    /// virtio, only new.
    VirtioNonTransitional,
}

impl HostdevKind {
    /// Whether such a device can have that model.
    fn check_model(self, node: &Node<'_>, model: Option<HostdevModel>) -> Result<()> {
        let Some(model) = model else { return Ok(()) };
        match (self, model.virtio()) {
            (Self::ScsiHost, Some(_)) | (Self::Mdev, None) => Ok(()),
            (Self::ScsiHost, None) => Err(node.bad_attr(
                "model",
                model.word(),
                "'virtio', 'virtio-transitional', 'virtio-non-transitional'",
            )),
            (Self::Mdev, Some(_)) => {
                Err(node.bad_attr("model", model.word(), "'vfio-pci', 'vfio-ccw', 'vfio-ap'"))
            }
            // The stock daemon's sentence, which names the wrong types.
            _ => Err(wrong(format!(
                "'model' attribute in <hostdev> is only supported when type='{self}'"
            ))),
        }
    }
}

impl HostdevModel {
    /// The revision of virtio, where it is one.
    pub fn virtio(self) -> Option<VirtioModel> {
        match self {
            Self::Virtio => Some(VirtioModel::Virtio),
            Self::VirtioTransitional => Some(VirtioModel::VirtioTransitional),
            Self::VirtioNonTransitional => Some(VirtioModel::VirtioNonTransitional),
            _ => None,
        }
    }
}

/// One host device.
#[derive(Debug, Clone, PartialEq)]
pub struct Hostdev {
    /// A device, or what containers get.
    pub mode: HostdevMode,
    /// Its type.
    pub kind: HostdevKind,
    /// Whether the daemon takes it from its driver; absent: no.
    pub managed: Option<YesNo>,
    /// Which SCSI commands the host lets through.
    pub sgio: Option<super::disk::Sgio>,
    /// Whether the guest's process may use raw SCSI commands.
    pub rawio: Option<YesNo>,
    /// Model.
    pub model: Option<HostdevModel>,
    /// Whether a mediated graphics card has a display.
    pub display: Option<OnOff>,
    /// Whether the display works before the guest's driver.
    pub ramfb: Option<OnOff>,
    /// Which kernel driver.
    pub driver: Option<HostdevDriver>,
    /// A pair of interfaces.
    pub teaming: Option<Teaming>,
    /// The device.
    pub source: HostdevSource,
    /// The guest can't write.
    pub readonly: bool,
    /// Other guests use it at the same time.
    pub shareable: bool,
    /// Addresses and routes of a container's interface.
    pub network: Vec<Tree>,
    /// What the driver keeps of it; status files only.
    pub state: HostdevState,
    /// What every device has.
    pub info: DeviceInfo,
}

/// What the driver keeps of a host device; status files only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostdevState {
    /// Of a SCSI unit's block node.
    pub source: Option<Box<SourceState>>,
    /// What of a PCI device or of a container's interface is undone when the guest gives it back.
    pub original: Option<Box<Tree>>,
}

impl HostdevState {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        if !node.is_of_driver() {
            return Ok(Self::default());
        }
        Ok(Self {
            source: node.child("privateData")?,
            original: node.raw("origstates").map(Box::new),
        })
    }
}

/// `<driver …/>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct HostdevDriver {
    /// `vfio`.
    #[xml(attr)]
    pub name: Option<HostdevDriverName>,
    /// Kernel module of the device.
    #[xml(attr)]
    pub model: Option<String>,
    /// Whether the IOMMU is used by descriptor.
    #[xml(attr)]
    pub iommufd: Option<YesNo>,
}

/// `name` of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum HostdevDriverName {
    /// The only one left.
    Vfio,
    /// Gone.
    Kvm,
    /// Xen's.
    Xen,
}

/// `<teaming …/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Teaming {
    /// Which half.
    #[xml(attr = "type")]
    pub kind: TeamingKind,
    /// Alias of the other half.
    #[xml(attr)]
    pub persistent: Option<String>,
}

/// `type` of `<teaming>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum TeamingKind {
    /// The half that stays.
    Persistent,
    /// The half that goes away at migration.
    Transient,
}

/// `<source>`, by type.
#[derive(Debug, Clone, PartialEq)]
pub enum HostdevSource {
    /// A PCI device.
    Pci {
        /// Where on the host.
        address: PciAddress,
        /// Xen's.
        write_filtering: Option<YesNo>,
        /// What if it is missing.
        startup_policy: Option<StartupPolicy>,
    },
    /// A USB device.
    Usb {
        /// By vendor and product …
        vendor: Option<u16>,
        /// … 16 bits each …
        product: Option<u16>,
        /// … or by place.
        address: Option<UsbHostAddress>,
        /// What if it is missing.
        startup_policy: Option<StartupPolicy>,
        /// Whether the guest may reset it.
        guest_reset: Option<GuestReset>,
    },
    /// A SCSI unit of the host.
    Scsi {
        /// Host adapter, `scsi_host0`.
        adapter: String,
        /// Bus.
        bus: u32,
        /// Target.
        target: u32,
        /// Unit.
        unit: u64,
    },
    /// An iSCSI unit.
    Iscsi {
        /// The target's name with the unit.
        name: String,
        /// Servers.
        hosts: Vec<Host>,
        /// Who may use it.
        auth: Option<Auth>,
        /// Name of the initiator.
        initiator: Option<Initiator>,
    },
    /// vhost-scsi.
    ScsiHost {
        /// World wide port name, `naa.…`.
        wwpn: String,
    },
    /// A mediated device.
    Mdev {
        /// Its UUID.
        uuid: uuid::Uuid,
    },
    /// A container's block device.
    Block(String),
    /// A container's character device.
    Char(String),
    /// A container's interface.
    Interface(String),
}

/// Place of a USB device on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsbHostAddress {
    /// Bus number.
    pub bus: u32,
    /// Device number; `port` names it otherwise.
    pub device: Option<u32>,
}

/// `guestReset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum GuestReset {
    /// Never.
    Off,
    /// Only until it was set up.
    Uninitialized,
    /// Always.
    On,
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

impl HostdevSource {
    fn read(node: &mut Node<'_>, kind: HostdevKind) -> Result<Self> {
        Ok(match kind {
            HostdevKind::Pci => {
                if node.attr_text("startupPolicy").is_some() {
                    return Err(crate::refusal::unsupported(
                        "Setting startupPolicy is only allowed for USB devices",
                    ));
                }
                Self::Pci {
                    address: node.required_child("address")?,
                    write_filtering: node.attr("writeFiltering")?,
                    startup_policy: None,
                }
            }
            HostdevKind::Usb => {
                let vendor = node.child_with("vendor", usb_id)?;
                let product = node.child_with("product", usb_id)?;
                let address = node.child_with("address", |node| {
                    Ok(UsbHostAddress {
                        bus: usb_number(node, "bus")?
                            .ok_or_else(|| wrong("Missing 'bus' attribute for USB device"))?,
                        device: usb_number(node, "device")?,
                    })
                })?;
                if vendor.is_some() != product.is_some() {
                    return Err(wrong(if vendor.is_some() {
                        "missing product"
                    } else {
                        "missing vendor"
                    }));
                }
                if vendor.is_none() && address.is_none() {
                    return Err(wrong("vendor or address is required for a USB host device"));
                }
                Self::Usb {
                    vendor,
                    product,
                    address,
                    startup_policy: node.attr("startupPolicy")?,
                    guest_reset: node.attr("guestReset")?,
                }
            }
            HostdevKind::Scsi => match node.attr_text("protocol") {
                None | Some("adapter") => {
                    let adapter: Named = node.required_child("adapter")?;
                    let place = node.child_with("address", |node| {
                        Ok((
                            node.required("bus")?,
                            node.required("target")?,
                            node.required("unit")?,
                        ))
                    })?;
                    let (bus, target, unit) = place.ok_or_else(|| {
                        wrong("'address' must be specified for scsi hostdev source")
                    })?;
                    Self::Scsi {
                        adapter: adapter.name,
                        bus,
                        target,
                        unit,
                    }
                }
                Some("iscsi") => {
                    let name = node.required("name")?;
                    let mut hosts: Vec<Host> = node.children("host")?;
                    if hosts.len() > 1 {
                        return Err(xml(
                            "only one source host address may be specified for the iSCSI hostdev",
                        ));
                    }
                    for host in &mut hosts {
                        host.check()?;
                        if host.transport == Some(HostTransport::Unix) {
                            return Err(Error::new(
                                ErrorCode::ConfigUnsupported,
                                ErrorDomain::Domain,
                                "an iSCSI server at a UNIX socket",
                            ));
                        }
                        // It is TCP whatever it says.
                        host.transport = None;
                    }
                    Self::Iscsi {
                        name,
                        hosts,
                        auth: Auth::read_checked(node)?,
                        initiator: node.child("initiator")?,
                    }
                }
                Some(other) => {
                    return Err(node.bad_attr("protocol", other, "'adapter', 'iscsi'"));
                }
            },
            HostdevKind::ScsiHost => {
                let protocol = node.required::<String>("protocol")?;
                if protocol != "vhost" {
                    return Err(node.bad_attr("protocol", &protocol, "'vhost'"));
                }
                let wwpn = node.required::<String>("wwpn")?;
                let digits = wwpn.strip_prefix("naa.").unwrap_or_default();
                if digits.len() != 16 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(wrong(format!("malformed 'wwpn' value: {wwpn}")));
                }
                Self::ScsiHost { wwpn }
            }
            HostdevKind::Mdev => Self::Mdev {
                uuid: node
                    .child_with("address", |node| node.required("uuid"))?
                    .ok_or_else(|| wrong("Missing <address> element"))?,
            },
            HostdevKind::Storage => Self::Block(node.required_child_text("block")?),
            HostdevKind::Misc => Self::Char(node.required_child_text("char")?),
            HostdevKind::Net => Self::Interface(node.required_child_text("interface")?),
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        match self {
            Self::Pci {
                write_filtering,
                startup_policy,
                ..
            } => {
                tag.maybe("startupPolicy", startup_policy);
                tag.maybe("writeFiltering", write_filtering);
            }
            Self::Usb {
                startup_policy,
                guest_reset,
                ..
            } => {
                tag.maybe("startupPolicy", startup_policy);
                tag.maybe("guestReset", guest_reset);
            }
            Self::Iscsi { name, .. } => {
                tag.text("protocol", "iscsi");
                tag.attr("name", name);
            }
            Self::ScsiHost { wwpn } => {
                tag.text("protocol", "vhost");
                tag.attr("wwpn", wwpn);
            }
            _ => {}
        }
    }

    fn content(&self, out: &mut Writer, state: &HostdevState) {
        let kept = |out: &mut Writer| {
            if out.is_of_driver() {
                out.maybe("privateData", state.source.as_ref());
            }
        };
        let original = |out: &mut Writer| {
            if let Some(original) = &state.original
                && out.is_of_driver()
            {
                out.tree(original);
            }
        };
        match self {
            Self::Pci { address, .. } => {
                out.element("address", address);
                original(out);
            }
            Self::Usb {
                vendor,
                product,
                address,
                ..
            } => {
                for (name, id) in [("vendor", vendor), ("product", product)] {
                    if let Some(id) = id {
                        out.open(name, |tag| tag.attr("id", &format!("0x{id:04x}")), |_| {});
                    }
                }
                if let Some(address) = address {
                    out.open(
                        "address",
                        |tag| {
                            tag.attr("bus", &address.bus);
                            tag.maybe("device", &address.device);
                        },
                        |_| {},
                    );
                }
            }
            Self::Scsi {
                adapter,
                bus,
                target,
                unit,
            } => {
                out.open("adapter", |tag| tag.attr("name", adapter), |_| {});
                out.open(
                    "address",
                    |tag| {
                        tag.attr("bus", bus);
                        tag.attr("target", target);
                        tag.attr("unit", unit);
                    },
                    |_| {},
                );
                kept(out);
            }
            Self::Iscsi {
                hosts,
                auth,
                initiator,
                ..
            } => {
                for host in hosts {
                    out.element("host", host);
                }
                kept(out);
                out.maybe("auth", auth.as_ref());
                out.maybe("initiator", initiator.as_ref());
            }
            Self::ScsiHost { .. } => {}
            Self::Mdev { uuid } => out.open("address", |tag| tag.attr("uuid", uuid), |_| {}),
            Self::Block(path) => out.text_element("block", path),
            Self::Char(path) => out.text_element("char", path),
            Self::Interface(name) => {
                out.text_element("interface", name);
                original(out);
            }
        }
    }
}

fn usb_number(node: &mut Node<'_>, name: &str) -> Result<Option<u32>> {
    let Some(text) = node.attr::<String>(name)? else {
        return Ok(None);
    };
    super::address::number(&text)
        .and_then(|n| u32::try_from(n).ok())
        .map(Some)
        .ok_or_else(|| node.bad_attr(name, &text, "a number such as 3 or 0x3"))
}

fn usb_id(node: &mut Node<'_>) -> Result<u16> {
    let text = node.required::<String>("id")?;
    super::address::number(&text)
        .and_then(|n| u16::try_from(n).ok())
        .filter(|n| *n > 0 || node.name() == "product")
        .ok_or_else(|| node.bad_attr("id", &text, "0x0001 to 0xffff"))
}

impl Element for Hostdev {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let mode = node.attr("mode")?.unwrap_or_default();
        let kind: HostdevKind = node.required("type")?;
        let container = matches!(
            kind,
            HostdevKind::Storage | HostdevKind::Misc | HostdevKind::Net
        );
        if (mode == HostdevMode::Capabilities) != container {
            return Err(node.bad_attr(
                "type",
                kind.word(),
                "pci, usb, scsi, scsi_host, mdev for mode 'subsystem'; storage, misc, net for \
                 mode 'capabilities'",
            ));
        }
        let managed = node.attr("managed")?;
        let model = node.attr("model")?;
        kind.check_model(node, model)?;
        let shown = matches!(kind, HostdevKind::Pci | HostdevKind::Mdev);
        let source = node.child_with("source", |node| {
            let source = HostdevSource::read(node, kind)?;
            Ok((source, HostdevState::read(node)?))
        })?;
        let (source, state) =
            source.ok_or_else(|| wrong("Missing <source> element in hostdev device"))?;
        Ok(Self {
            mode,
            kind,
            managed,
            sgio: node.attr("sgio")?,
            rawio: node.attr("rawio")?,
            model,
            // What others say of a display is unknown to them.
            display: if shown { node.attr("display")? } else { None },
            ramfb: if shown { node.attr("ramfb")? } else { None },
            driver: node.child("driver")?,
            teaming: node.child("teaming")?,
            source,
            state,
            // Of these only disks have it to be said of.
            readonly: node.flag("readonly") && kind == HostdevKind::Scsi,
            shareable: node.flag("shareable") && kind == HostdevKind::Scsi,
            network: if kind == HostdevKind::Net {
                let mut trees = node.raws("ip");
                trees.extend(node.raws("route"));
                trees
            } else {
                Vec::new()
            },
            info: DeviceInfo::read(node)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("mode", &self.mode);
        tag.attr("type", &self.kind);
        if self.mode == HostdevMode::Subsystem {
            tag.attr("managed", &self.managed.unwrap_or(YesNo::No));
        }
        tag.maybe("sgio", &self.sgio);
        tag.maybe("rawio", &self.rawio);
        tag.maybe("model", &self.model);
        tag.maybe("display", &self.display);
        tag.maybe("ramfb", &self.ramfb);
    }

    fn content(&self, out: &mut Writer) {
        out.maybe("driver", self.driver.as_ref());
        out.open(
            "source",
            |tag| self.source.attrs(tag),
            |out| self.source.content(out, &self.state),
        );
        out.maybe("teaming", self.teaming.as_ref());
        for tree in &self.network {
            out.tree(tree);
        }
        if self.readonly {
            out.empty("readonly");
        }
        if self.shareable {
            out.empty("shareable");
        }
        self.info.content(out);
    }
}

impl Hostdev {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
        self.state = HostdevState::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_written_as_it_was_read() {
        for text in [
            "<hostdev mode='subsystem' type='pci' managed='yes'>
  <driver name='vfio'/>
  <source>
    <address domain='0x0000' bus='0x06' slot='0x02' function='0x0'/>
  </source>
  <rom bar='off'/>
  <address type='unassigned'/>
</hostdev>
",
            "<hostdev mode='subsystem' type='usb' managed='no'>
  <source startupPolicy='optional' guestReset='off'>
    <vendor id='0x1234'/>
    <product id='0xbeef'/>
    <address bus='14' device='6'/>
  </source>
  <boot order='1'/>
</hostdev>
",
            "<hostdev mode='subsystem' type='scsi' managed='no' sgio='filtered' rawio='yes'>
  <source>
    <adapter name='scsi_host0'/>
    <address bus='0' target='0' unit='0'/>
  </source>
  <readonly/>
</hostdev>
",
            "<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci' display='on' ramfb='on'>
  <source>
    <address uuid='53764d0e-85a0-42b4-af5c-2046b460b1dc'/>
  </source>
</hostdev>
",
            "<hostdev mode='subsystem' type='scsi_host' managed='no'>
  <source protocol='vhost' wwpn='naa.5123456789abcde0'/>
</hostdev>
",
        ] {
            let (hostdev, unknown) = virt_xml::read::<Hostdev>(text).unwrap();
            assert_eq!(unknown, []);
            assert_eq!(virt_xml::write("hostdev", &hostdev), text);
        }
    }
}
