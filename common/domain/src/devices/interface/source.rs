//! What an interface is connected to: `type` and `<source>`.

use super::address::{Ip, Route};
use crate::devices::chardev::Reconnect;
use crate::refusal::{unsupported, xml};
use std::fmt;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// The kinds of connection, by the words of `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum InterfaceType {
    /// A network of the unprivileged user's own, by slirp or passt.
    User,
    /// A bare tap device.
    Ethernet,
    /// A process that serves the guest's rings.
    Vhostuser,
    /// A TCP listener that other guests connect to.
    Server,
    /// A TCP connection to another guest.
    Client,
    /// A multicast group.
    Mcast,
    /// A libvirt network.
    Network,
    /// A bridge of the host.
    Bridge,
    /// VirtualBox's.
    Internal,
    /// A macvtap on an interface of the host.
    Direct,
    /// A network card of the host.
    Hostdev,
    /// UDP.
    Udp,
    /// A vDPA device of the host.
    Vdpa,
    /// Nothing.
    Null,
    /// VMware's.
    Vds,
}

/// What an interface is connected to.
#[derive(Debug, Clone, PartialEq)]
pub enum InterfaceSource {
    /// A network of the unprivileged user's own.
    User {
        /// The host's interface that passt uses.
        dev: Option<String>,
    },
    /// A bare tap device.
    Ethernet {
        /// The host's side's addresses.
        ips: Vec<Ip>,
        /// The host's side's routes.
        routes: Vec<Route>,
    },
    /// A process that serves the guest's rings.
    Vhostuser(VhostUser),
    /// A TCP listener that other guests connect to.
    Server {
        /// The address to listen on; absent: all.
        address: Option<String>,
        /// The port.
        port: u16,
    },
    /// A TCP connection to another guest.
    Client {
        /// The other's address.
        address: String,
        /// The other's port.
        port: u16,
    },
    /// A multicast group.
    Mcast {
        /// The group.
        address: String,
        /// The port.
        port: u16,
    },
    /// A libvirt network.
    Network(NetworkSource),
    /// A bridge of the host.
    Bridge {
        /// The bridge.
        bridge: String,
        /// Who keeps its table of addresses.
        mac_table_manager: Option<MacTableManager>,
        /// The libvirt network it stands for; live only.
        network: Option<Port>,
    },
    /// VirtualBox's.
    Internal {
        /// The network's name.
        name: String,
    },
    /// A macvtap on an interface of the host.
    Direct {
        /// The interface.
        dev: String,
        /// How guests on it see each other.
        mode: Option<DirectMode>,
        /// The libvirt network it stands for; live only.
        network: Option<Port>,
    },
    /// A network card of the host.
    Hostdev {
        /// Whether the host's driver is detached and attached by the daemon.
        managed: Option<YesNo>,
        /// How it is passed through.
        driver: Option<CardDriver>,
        /// Which one.
        source: HostdevSource,
    },
    /// UDP.
    Udp {
        /// Where packets are sent to.
        address: String,
        /// The port there.
        port: u16,
        /// Where packets are received.
        local_address: String,
        /// The port here.
        local_port: u16,
    },
    /// A vDPA device of the host.
    Vdpa {
        /// Its character device.
        dev: String,
    },
    /// Nothing.
    Null,
    /// VMware's.
    Vds {
        /// The switch.
        switchid: String,
        /// The port.
        portid: Option<i64>,
        /// The group of ports.
        portgroupid: Option<String>,
        /// The connection.
        connectionid: Option<i64>,
    },
}

/// `<source>` of type `vhostuser`: passt's, or a socket.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VhostUser {
    /// The socket.
    pub path: Option<String>,
    /// Whether QEMU connects or listens.
    pub mode: Option<VhostUserMode>,
    /// What happens when the other side goes.
    pub reconnect: Option<Reconnect>,
    /// The host's interface that passt uses.
    pub dev: Option<String>,
}

/// Whether QEMU connects or listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum VhostUserMode {
    /// QEMU connects.
    Client,
    /// QEMU listens.
    Server,
}

/// `<source>` of type `network`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct NetworkSource {
    /// The network and port.
    #[xml(flatten)]
    pub port: Port,
    /// The network's bridge; live only.
    #[xml(attr)]
    pub bridge: Option<String>,
    /// Who keeps the bridge's table of addresses; live only.
    #[xml(attr = "macTableManager")]
    pub mac_table_manager: Option<MacTableManager>,
}

/// A port of a libvirt network.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Port {
    /// The network's name.
    #[xml(attr)]
    pub network: String,
    /// The group whose settings apply.
    #[xml(attr)]
    pub portgroup: Option<String>,
    /// The port; live only.
    #[xml(attr)]
    pub portid: Option<uuid::Uuid>,
}

/// Who keeps a bridge's table of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum MacTableManager {
    /// The kernel, which learns.
    Kernel,
    /// The daemon, which knows.
    Libvirt,
}

/// How guests on one macvtap interface see each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum DirectMode {
    /// Through an external bridge.
    #[default]
    Vepa,
    /// Not at all.
    Private,
    /// Directly.
    Bridge,
    /// There is one alone.
    Passthrough,
}

/// `<source>` of type `hostdev`.
#[derive(Debug, Clone, PartialEq)]
pub struct HostdevSource {
    /// Whether the device is gone; live only.
    pub missing: Option<YesNo>,
    /// Where it sits on the host.
    pub address: HostAddress,
}

/// How a network card is passed through.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct CardDriver {
    /// The host's driver.
    #[xml(attr)]
    pub name: Option<CardDriverName>,
    /// The kernel's module.
    #[xml(attr)]
    pub model: Option<String>,
}

/// The host's driver of a network card that is passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum CardDriverName {
    /// KVM's old one.
    Kvm,
    /// VFIO.
    Vfio,
    /// Xen's.
    Xen,
}

/// Where a network card sits on the host.
#[derive(Debug, Clone, PartialEq)]
pub enum HostAddress {
    /// On PCI.
    Pci(crate::devices::address::PciAddress),
    /// On USB.
    Usb {
        /// Number of the bus.
        bus: u32,
        /// Number of the device.
        device: u32,
    },
}

impl InterfaceSource {
    /// Which kind it is.
    pub fn kind(&self) -> InterfaceType {
        match self {
            Self::User { .. } => InterfaceType::User,
            Self::Ethernet { .. } => InterfaceType::Ethernet,
            Self::Vhostuser(_) => InterfaceType::Vhostuser,
            Self::Server { .. } => InterfaceType::Server,
            Self::Client { .. } => InterfaceType::Client,
            Self::Mcast { .. } => InterfaceType::Mcast,
            Self::Network(_) => InterfaceType::Network,
            Self::Bridge { .. } => InterfaceType::Bridge,
            Self::Internal { .. } => InterfaceType::Internal,
            Self::Direct { .. } => InterfaceType::Direct,
            Self::Hostdev { .. } => InterfaceType::Hostdev,
            Self::Udp { .. } => InterfaceType::Udp,
            Self::Vdpa { .. } => InterfaceType::Vdpa,
            Self::Null => InterfaceType::Null,
            Self::Vds { .. } => InterfaceType::Vds,
        }
    }

    /// Takes away what only a running guest has.
    pub(super) fn inactive(&mut self) {
        match self {
            Self::Network(source) => {
                source.bridge = None;
                source.mac_table_manager = None;
                source.port.portid = None;
            }
            Self::Bridge { network, .. } | Self::Direct { network, .. } => *network = None,
            _ => {}
        }
    }

    /// Who the interface belongs to, as `virsh domiflist` shows it: network, bridge, device.
    pub fn shown(&self) -> Option<&str> {
        match self {
            Self::Network(source) => Some(&source.port.network),
            Self::Bridge { bridge, .. } => Some(bridge),
            Self::Direct { dev, .. } | Self::Vdpa { dev } => Some(dev),
            Self::Internal { name } => Some(name),
            Self::User { dev } => dev.as_deref(),
            Self::Vhostuser(source) => source.path.as_deref(),
            _ => None,
        }
    }
}

impl Element for InterfaceSource {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = node.attr("type")?.unwrap_or(InterfaceType::User);
        let read = |node: &mut Node<'_>| read_source(node, kind);
        match kind {
            InterfaceType::Null => return Ok(Self::Null),
            InterfaceType::Hostdev => {
                return Ok(Self::Hostdev {
                    managed: node.attr("managed")?,
                    driver: node.child_with("driver", read_card_driver)?.flatten(),
                    source: node.child("source")?.ok_or_else(|| {
                        unsupported("unknown host device source address type '(null)'")
                    })?,
                });
            }
            _ => {}
        }
        match (node.child_with("source", read)?, kind) {
            (Some(source), _) => Ok(source),
            (None, InterfaceType::User) => Ok(Self::User { dev: None }),
            (None, InterfaceType::Ethernet) => Ok(Self::Ethernet {
                ips: Vec::new(),
                routes: Vec::new(),
            }),
            (None, InterfaceType::Vhostuser) => Ok(Self::Vhostuser(VhostUser::default())),
            (None, kind) => Err(xml(format!(
                "interface type='{kind}' requires a 'source' element"
            ))),
        }
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind());
        if let Self::Hostdev { managed, .. } = self {
            tag.maybe("managed", managed);
        }
    }

    fn content(&self, out: &mut Writer) {
        if let Self::Hostdev { driver, source, .. } = self {
            out.maybe("driver", driver.as_ref());
            out.element("source", source);
            return;
        }
        if !self.is_bare() {
            out.open(
                "source",
                |tag| self.source_attrs(tag),
                |out| self.source_content(out),
            );
        }
    }
}

fn read_source(node: &mut Node<'_>, kind: InterfaceType) -> Result<InterfaceSource> {
    type S = InterfaceSource;
    let live = |node: &mut Node<'_>| -> Result<Option<Port>> {
        let network: Option<String> = node.attr("network")?;
        let portgroup = node.attr("portgroup")?;
        let portid = node.attr("portid")?;
        Ok(network.map(|network| Port {
            network,
            portgroup,
            portid,
        }))
    };
    Ok(match kind {
        InterfaceType::User => S::User {
            dev: node.attr("dev")?,
        },
        InterfaceType::Ethernet => S::Ethernet {
            ips: node.children("ip")?,
            routes: node.children("route")?,
        },
        InterfaceType::Vhostuser => {
            let transport: Option<String> = node.attr("type")?;
            if let Some(transport) = transport.filter(|t| t != "unix") {
                return Err(unsupported(format!(
                    "Type='{transport}' unsupported for <interface type='vhostuser'>"
                )));
            }
            S::Vhostuser(VhostUser {
                path: node.attr("path")?,
                mode: node.attr("mode")?,
                reconnect: node.child("reconnect")?,
                dev: node.attr("dev")?,
            })
        }
        InterfaceType::Server => S::Server {
            address: node.attr("address")?,
            port: node.required("port")?,
        },
        InterfaceType::Client => S::Client {
            address: node.required("address")?,
            port: node.required("port")?,
        },
        InterfaceType::Mcast => S::Mcast {
            address: node.required("address")?,
            port: node.required("port")?,
        },
        InterfaceType::Udp => {
            let local = node.child_with("local", |node| {
                Ok((node.required("address")?, node.required("port")?))
            })?;
            let (local_address, local_port) =
                local.ok_or_else(|| xml("'<local>' element missing for 'udp' socket interface"))?;
            S::Udp {
                address: node.required("address")?,
                port: node.required("port")?,
                local_address,
                local_port,
            }
        }
        InterfaceType::Network => {
            node.required::<String>("network")?;
            S::Network(NetworkSource::read(node)?)
        }
        InterfaceType::Bridge => S::Bridge {
            bridge: node.required("bridge")?,
            mac_table_manager: node.attr("macTableManager")?,
            network: live(node)?,
        },
        InterfaceType::Internal => S::Internal {
            name: node.required("name")?,
        },
        InterfaceType::Direct => S::Direct {
            dev: node.required("dev")?,
            mode: node.attr("mode")?,
            network: live(node)?,
        },
        InterfaceType::Vdpa => S::Vdpa {
            dev: node.required("dev")?,
        },
        InterfaceType::Vds => S::Vds {
            switchid: node.required("switchid")?,
            portid: node.attr("portid")?,
            portgroupid: node.attr("portgroupid")?,
            connectionid: node.attr("connectionid")?,
        },
        InterfaceType::Hostdev | InterfaceType::Null => S::Null,
    })
}

/// The host's part of `<driver>`; the card's part says nothing of a card that is the host's own.
fn read_card_driver(node: &mut Node<'_>) -> Result<Option<CardDriver>> {
    for name in [
        "queues",
        "txmode",
        "ioeventfd",
        "event_idx",
        "rx_queue_size",
        "tx_queue_size",
        "rss",
        "rss_hash_report",
        "iommu",
        "ats",
        "packed",
        "page_per_vq",
    ] {
        node.attr::<String>(name)?;
    }
    let driver = CardDriver::read(node)?;
    let says = driver.name.is_some() || driver.model.is_some();
    Ok(says.then_some(driver))
}

impl InterfaceSource {
    /// Whether there is nothing to write.
    fn is_bare(&self) -> bool {
        match self {
            Self::User { dev } => dev.is_none(),
            Self::Ethernet { ips, routes } => ips.is_empty() && routes.is_empty(),
            Self::Vhostuser(source) => *source == VhostUser::default(),
            Self::Null => true,
            _ => false,
        }
    }

    fn source_attrs(&self, tag: &mut Tag<'_>) {
        let live = |tag: &mut Tag<'_>, port: &Option<Port>| {
            if let Some(port) = port {
                port.attrs(tag);
            }
        };
        match self {
            Self::User { dev } => tag.maybe("dev", dev),
            Self::Vhostuser(source) => {
                if source.path.is_some() || source.mode.is_some() {
                    tag.text("type", "unix");
                    tag.maybe("path", &source.path);
                    tag.maybe("mode", &source.mode);
                }
                tag.maybe("dev", &source.dev);
            }
            Self::Server { address, port } => {
                tag.maybe("address", address);
                tag.attr("port", port);
            }
            Self::Client { address, port }
            | Self::Mcast { address, port }
            | Self::Udp { address, port, .. } => {
                tag.attr("address", address);
                tag.attr("port", port);
            }
            Self::Network(source) => source.attrs(tag),
            Self::Bridge {
                bridge,
                mac_table_manager,
                network,
            } => {
                live(tag, network);
                tag.attr("bridge", bridge);
                tag.maybe("macTableManager", mac_table_manager);
            }
            Self::Internal { name } => tag.attr("name", name),
            Self::Direct { dev, mode, network } => {
                live(tag, network);
                tag.attr("dev", dev);
                tag.attr("mode", &mode.unwrap_or_default());
            }
            Self::Vdpa { dev } => tag.attr("dev", dev),
            Self::Vds {
                switchid,
                portid,
                portgroupid,
                connectionid,
            } => {
                tag.attr("switchid", switchid);
                tag.maybe("portid", portid);
                tag.maybe("portgroupid", portgroupid);
                tag.maybe("connectionid", connectionid);
            }
            Self::Ethernet { .. } | Self::Hostdev { .. } | Self::Null => {}
        }
    }

    fn source_content(&self, out: &mut Writer) {
        match self {
            Self::Ethernet { ips, routes } => {
                for ip in ips {
                    out.element("ip", ip);
                }
                for route in routes {
                    out.element("route", route);
                }
            }
            Self::Vhostuser(source) => out.maybe("reconnect", source.reconnect.as_ref()),
            Self::Udp {
                local_address,
                local_port,
                ..
            } => {
                let attrs = |tag: &mut Tag<'_>| {
                    tag.attr("address", local_address);
                    tag.attr("port", local_port);
                };
                out.open("local", attrs, |_| {});
            }
            _ => {}
        }
    }
}

impl Element for HostdevSource {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let missing = node.attr("missing")?;
        let address = node.child_with("address", |node| {
            let kind: Option<String> = node.attr("type")?;
            match kind.as_deref() {
                Some("pci") => Ok(HostAddress::Pci(Element::read(node)?)),
                Some("usb") => Ok(HostAddress::Usb {
                    bus: node.required("bus")?,
                    device: node.required("device")?,
                }),
                other => Err(unknown_address(other)),
            }
        })?;
        let address = address.ok_or_else(|| unknown_address(None))?;
        Ok(Self { missing, address })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("missing", &self.missing);
    }

    fn content(&self, out: &mut Writer) {
        let attrs = |tag: &mut Tag<'_>| match &self.address {
            HostAddress::Pci(pci) => {
                tag.text("type", "pci");
                pci.attrs(tag);
            }
            HostAddress::Usb { bus, device } => {
                tag.text("type", "usb");
                tag.attr("bus", bus);
                tag.attr("device", device);
            }
        };
        out.open("address", attrs, |_| {});
    }
}

fn unknown_address(kind: Option<&str>) -> virt_error::Error {
    unsupported(format!(
        "unknown host device source address type '{}'",
        kind.unwrap_or("(null)")
    ))
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(pci) => pci.fmt(f),
            Self::Usb { bus, device } => write!(f, "usb {bus}.{device}"),
        }
    }
}
