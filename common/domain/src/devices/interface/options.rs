//! What an interface may be told besides what it is connected to.
//!
//! Facts: formatdomain "Network interfaces"; networkcommon.rng; the texts of refusals are the stock
//! library's.

use crate::devices::virtio::VirtioOptions;
use crate::refusal::{unsupported, xml};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer, YesNo};

/// `<driver …>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct InterfaceDriver {
    /// Who moves the packets.
    #[xml(attr)]
    pub name: Option<Backend>,
    /// Who sends them when QEMU moves them.
    #[xml(attr)]
    pub txmode: Option<TxMode>,
    /// Whether the guest's notifications are handled by a thread of their own.
    #[xml(attr)]
    pub ioeventfd: Option<OnOff>,
    /// Whether notifications are suppressed by index.
    #[xml(attr)]
    pub event_idx: Option<OnOff>,
    /// Pairs of queues; 0 says nothing.
    #[xml(attr)]
    pub queues: Option<u32>,
    /// Length of a receive queue.
    #[xml(attr)]
    pub rx_queue_size: Option<u32>,
    /// Length of a transmit queue.
    #[xml(attr)]
    pub tx_queue_size: Option<u32>,
    /// Whether packets are spread over queues by hash.
    #[xml(attr)]
    pub rss: Option<OnOff>,
    /// Whether the hash is told to the guest.
    #[xml(attr)]
    pub rss_hash_report: Option<OnOff>,
    /// Options of the transport.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
    /// What the host's side leaves to others.
    #[xml(child)]
    pub host: Option<HostOffloads>,
    /// What the guest's side leaves to others.
    #[xml(child)]
    pub guest: Option<GuestOffloads>,
}

/// Who moves the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum Backend {
    /// QEMU.
    Qemu,
    /// The kernel.
    Vhost,
}

/// Who sends packets when QEMU moves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum TxMode {
    /// The I/O thread, at once.
    Iothread,
    /// A timer.
    Timer,
}

/// Offloads of the host's side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
#[allow(
    missing_docs,
    reason = "each is a feature bit of virtio-net by its name"
)]
pub struct HostOffloads {
    #[xml(attr)]
    pub csum: Option<OnOff>,
    #[xml(attr)]
    pub gso: Option<OnOff>,
    #[xml(attr)]
    pub tso4: Option<OnOff>,
    #[xml(attr)]
    pub tso6: Option<OnOff>,
    #[xml(attr)]
    pub ecn: Option<OnOff>,
    #[xml(attr)]
    pub ufo: Option<OnOff>,
    #[xml(attr)]
    pub mrg_rxbuf: Option<OnOff>,
}

/// Offloads of the guest's side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
#[allow(
    missing_docs,
    reason = "each is a feature bit of virtio-net by its name"
)]
pub struct GuestOffloads {
    #[xml(attr)]
    pub csum: Option<OnOff>,
    #[xml(attr)]
    pub tso4: Option<OnOff>,
    #[xml(attr)]
    pub tso6: Option<OnOff>,
    #[xml(attr)]
    pub ecn: Option<OnOff>,
    #[xml(attr)]
    pub ufo: Option<OnOff>,
}

/// `<backend …/>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct InterfaceBackend {
    /// Who makes the user's network.
    #[xml(attr = "type")]
    pub kind: Option<BackendType>,
    /// Another tap device node than `/dev/net/tun`.
    #[xml(attr)]
    pub tap: Option<String>,
    /// Another one than `/dev/vhost-net`.
    #[xml(attr)]
    pub vhost: Option<String>,
    /// The log of passt.
    #[xml(attr = "logFile")]
    pub log_file: Option<String>,
}

/// Who makes the user's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum BackendType {
    /// QEMU.
    Default,
    /// passt.
    Passt,
}

/// `<target …/>`: the host's end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct InterfaceTarget {
    /// Its name.
    #[xml(attr)]
    pub dev: Option<String>,
    /// Whether the daemon makes it.
    #[xml(attr)]
    pub managed: Option<YesNo>,
}

/// `<guest …/>`: the end in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct GuestEnd {
    /// Its name.
    #[xml(attr)]
    pub dev: Option<String>,
    /// Its real name; live only.
    #[xml(attr)]
    pub actual: Option<String>,
}

/// `<vlan>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    /// Whether tagged packets pass; follows from the tags.
    pub trunk: bool,
    /// The tags, at least one.
    pub tags: Vec<VlanTag>,
}

/// `<tag …/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanTag {
    /// 0 to 4095.
    pub id: u16,
    /// Whether it is the native one, and how its packets go out.
    pub native_mode: Option<NativeMode>,
}

/// How packets of a trunk's native VLAN go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum NativeMode {
    /// With their tag.
    Tagged,
    /// Without.
    Untagged,
}

impl Element for Vlan {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let trunk = match node.attr_text("trunk") {
            None => None,
            Some("yes") => Some(true),
            Some(other) => {
                return Err(xml(format!(
                    "invalid \"trunk\" attribute '{other}' in <vlan> - must be 'yes'"
                )));
            }
        };
        let tags = node.children_with("tag", |node| {
            let id: u64 = node.required("id")?;
            if id > 4095 {
                return Err(xml(format!("vlan tag id {id} too large (maximum 4095)")));
            }
            Ok(VlanTag {
                id: id as u16, // checked just above
                native_mode: node.attr("nativeMode")?,
            })
        })?;
        if tags.is_empty() {
            return Err(xml(
                "missing tag id - each <vlan> must have at least one <tag id='n'/> subelement",
            ));
        }
        let native = tags.iter().filter(|t| t.native_mode.is_some()).count();
        if native > 1 {
            return Err(xml("duplicate native vlan setting"));
        }
        Ok(Self {
            trunk: trunk.unwrap_or(tags.len() > 1 || native > 0),
            tags,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        if self.trunk {
            tag.text("trunk", "yes");
        }
    }

    fn content(&self, out: &mut Writer) {
        for vlan in &self.tags {
            let attrs = |tag: &mut Tag<'_>| {
                tag.attr("id", &vlan.id);
                tag.maybe("nativeMode", &vlan.native_mode);
            };
            out.open("tag", attrs, |_| {});
        }
    }
}

/// `<virtualport>`.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualPort {
    /// The kind of switch.
    pub kind: Option<VirtualPortType>,
    /// What the switch is told.
    pub parameters: PortParameters,
}

/// Kinds of switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum VirtualPortType {
    /// VEPA.
    #[word("802.1Qbg")]
    Qbg,
    /// VN-Link.
    #[word("802.1Qbh")]
    Qbh,
    /// Open vSwitch.
    Openvswitch,
    /// MidoNet.
    Midonet,
}

/// What the switch is told of the port.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct PortParameters {
    /// The database of types.
    #[xml(attr)]
    pub managerid: Option<u8>,
    /// The type, 24 bits.
    #[xml(attr)]
    pub typeid: Option<u32>,
    /// Its version.
    #[xml(attr)]
    pub typeidversion: Option<u8>,
    /// The instance.
    #[xml(attr)]
    pub instanceid: Option<uuid::Uuid>,
    /// The interface.
    #[xml(attr)]
    pub interfaceid: Option<uuid::Uuid>,
    /// The profile, at most 39 characters.
    #[xml(attr)]
    pub profileid: Option<String>,
}

impl Element for VirtualPort {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = match node.attr_text("type") {
            None => None,
            Some(word) => Some(
                VirtualPortType::from_word(word)
                    .ok_or_else(|| unsupported(format!("unknown virtualport type {word}")))?,
            ),
        };
        let port = Self {
            kind,
            parameters: node.child("parameters")?.unwrap_or_default(),
        };
        port.check()?;
        Ok(port)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("type", &self.kind);
    }

    fn content(&self, out: &mut Writer) {
        if self.parameters != PortParameters::default() {
            out.element("parameters", &self.parameters);
        }
    }
}

impl VirtualPort {
    fn check(&self) -> Result<()> {
        let Some(kind) = self.kind else {
            return Ok(());
        };
        let p = &self.parameters;
        let needed: &[(&str, bool)] = match kind {
            VirtualPortType::Qbg => &[
                ("managerid", p.managerid.is_some()),
                ("typeid", p.typeid.is_some()),
                ("typeidversion", p.typeidversion.is_some()),
            ],
            VirtualPortType::Qbh => &[("profileid", p.profileid.is_some())],
            VirtualPortType::Midonet => &[("interfaceid", p.interfaceid.is_some())],
            VirtualPortType::Openvswitch => &[],
        };
        if let Some((name, _)) = needed.iter().find(|(_, there)| !there) {
            return Err(xml(format!(
                "missing {name} in <virtualport type='{kind}'>"
            )));
        }
        use VirtualPortType::{Midonet, Openvswitch, Qbg, Qbh};
        let given: [(&str, bool, &[VirtualPortType]); 6] = [
            ("managerid", p.managerid.is_some(), &[Qbg]),
            ("typeid", p.typeid.is_some(), &[Qbg]),
            ("typeidversion", p.typeidversion.is_some(), &[Qbg]),
            ("instanceid", p.instanceid.is_some(), &[Qbg]),
            ("profileid", p.profileid.is_some(), &[Qbh, Openvswitch]),
            (
                "interfaceid",
                p.interfaceid.is_some(),
                &[Midonet, Openvswitch],
            ),
        ];
        let extra = given
            .iter()
            .find(|(_, there, kinds)| *there && !kinds.contains(&kind));
        match extra {
            Some((name, ..)) => Err(xml(format!(
                "extra {name} unsupported in <virtualport type='{kind}'>"
            ))),
            None => Ok(()),
        }
    }
}

/// `<bandwidth>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct Bandwidth {
    /// Number of its traffic class; live only.
    #[xml(attr = "classID")]
    pub class_id: Option<u32>,
    /// To the guest.
    #[xml(child)]
    pub inbound: Option<Rate>,
    /// From the guest.
    #[xml(child)]
    pub outbound: Option<Rate>,
}

/// One direction of a bandwidth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct Rate {
    /// KiB/s.
    #[xml(attr)]
    pub average: Option<u64>,
    /// KiB/s, for as much as `burst`.
    #[xml(attr)]
    pub peak: Option<u64>,
    /// KiB/s that are there whatever others do.
    #[xml(attr)]
    pub floor: Option<u64>,
    /// KiB.
    #[xml(attr)]
    pub burst: Option<u64>,
}

impl Bandwidth {
    /// Checks both directions; `floor` only makes sense at a network's port.
    pub(super) fn check(&self, network: bool) -> Result<()> {
        for rate in [&self.inbound, &self.outbound].into_iter().flatten() {
            if rate.average.is_none() && rate.floor.is_none() {
                return Err(Error::new(
                    ErrorCode::XmlDetail,
                    ErrorDomain::None,
                    "Missing mandatory average or floor attributes",
                ));
            }
        }
        let outbound = self.outbound.is_some_and(|r| r.floor.is_some());
        let inbound = self.inbound.is_some_and(|r| r.floor.is_some());
        if outbound || (inbound && !network) {
            return Err(unsupported(
                "floor attribute is not supported for this config",
            ));
        }
        Ok(())
    }
}

/// `<filterref>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct FilterRef {
    /// The filter's name.
    #[xml(attr)]
    pub filter: String,
    /// Its variables.
    #[xml(child = "parameter")]
    pub parameters: Vec<FilterParameter>,
}

/// A variable of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct FilterParameter {
    /// Its name.
    #[xml(attr)]
    pub name: String,
    /// Its value.
    #[xml(attr)]
    pub value: String,
}

/// `<teaming …/>`: two interfaces that are one to the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Teaming {
    /// The one that stays.
    Persistent,
    /// The one that is taken away for a migration.
    Transient {
        /// Alias of the one that stays.
        persistent: String,
    },
}

impl Teaming {
    /// Reads `<teaming>`; one without a type says nothing.
    pub(in crate::devices) fn read(node: &mut Node<'_>) -> Result<Option<Self>> {
        let kind: Option<String> = node.attr("type")?;
        let persistent: Option<String> = node.attr("persistent")?;
        match kind.as_deref() {
            None => Ok(None),
            Some("persistent") if persistent.is_none() => Ok(Some(Self::Persistent)),
            Some("persistent") => Err(unsupported(
                "teaming persistent attribute not allowed if teaming type is 'persistent'",
            )),
            Some("transient") => persistent
                .map(|persistent| Some(Self::Transient { persistent }))
                .ok_or_else(|| {
                    unsupported(
                        "teaming persistent attribute must be set if teaming type is 'transient'",
                    )
                }),
            Some(other) => Err(unsupported(format!("unknown teaming type '{other}'"))),
        }
    }

    /// Writes `<teaming>`.
    pub(in crate::devices) fn write(&self, out: &mut Writer) {
        let attrs = |tag: &mut Tag<'_>| match self {
            Self::Persistent => tag.text("type", "persistent"),
            Self::Transient { persistent } => {
                tag.text("type", "transient");
                tag.attr("persistent", persistent);
            }
        };
        out.open("teaming", attrs, |_| {});
    }
}

/// State of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum LinkState {
    /// The cable is in.
    Up,
    /// The cable is out.
    Down,
}
