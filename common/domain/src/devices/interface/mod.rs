//! `<interface>`: network interfaces.
//!
//! Facts: formatdomain "Network interfaces"; domaincommon.rng; the order of parts and the texts of
//! refusals are the stock library's.

mod actual;
mod address;
mod mac;
mod options;
mod source;

pub use actual::{Made, MadeParts};
pub use address::{Family, ForwardProtocol, ForwardRange, Ip, PortForward, Route};
pub use mac::{Mac, MacAddress, MacType};
pub use options::{
    Backend, BackendType, Bandwidth, FilterParameter, FilterRef, GuestEnd, GuestOffloads,
    HostOffloads, InterfaceBackend, InterfaceDriver, InterfaceTarget, LinkState, NativeMode,
    PortParameters, Rate, Teaming, TxMode, VirtualPort, VirtualPortType, Vlan, VlanTag,
};
pub use source::{
    CardDriver, CardDriverName, DirectMode, HostAddress, HostdevSource, InterfaceSource,
    InterfaceType, MacTableManager, NetworkSource, Port, VhostUser, VhostUserMode,
};

use super::chardev::switch;
use super::hostdev::{self, Hostdev, HostdevDriver, HostdevKind, HostdevMode, TeamingKind};
use super::info::DeviceInfo;
use crate::refusal::{invalid_argument, unsupported, xml};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Tree, Writer, YesNo};

/// `<interface>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// Hardware address; made up where absent.
    pub mac: Option<Mac>,
    /// What it is connected to.
    pub source: InterfaceSource,
    /// Whether the host's filters follow what the guest asks its card for.
    pub trust_guest_rx_filters: Option<YesNo>,
    /// What a libvirt network made of it; of a running guest only. Status files have it as it is,
    /// clients see it in the place of what it is defined as.
    pub actual: Option<Tree>,
    /// VLAN tags.
    pub vlan: Option<Vlan>,
    /// Port of a switch.
    pub virtualport: Option<VirtualPort>,
    /// Limits.
    pub bandwidth: Option<Bandwidth>,
    /// Whether it can't reach the other isolated ports of its bridge.
    pub isolated: Option<YesNo>,
    /// The guest's addresses.
    pub ips: Vec<Ip>,
    /// The guest's routes.
    pub routes: Vec<Route>,
    /// Ports of the host that lead to the guest.
    pub port_forwards: Vec<PortForward>,
    /// Run when the host's end was made.
    pub script: Option<String>,
    /// Run when the host's end goes.
    pub downscript: Option<String>,
    /// Xen's.
    pub backenddomain: Option<String>,
    /// The host's end.
    pub target: Option<InterfaceTarget>,
    /// The end in a container.
    pub guest: Option<GuestEnd>,
    /// The card.
    pub model: Option<String>,
    /// How the card works.
    pub driver: Option<InterfaceDriver>,
    /// What the host's end is made of.
    pub backend: Option<InterfaceBackend>,
    /// The packet filter.
    pub filterref: Option<FilterRef>,
    /// Bytes that the host's end buffers on their way from the guest.
    pub sndbuf: Option<u64>,
    /// The interface that this one is one with.
    pub teaming: Option<Teaming>,
    /// Whether the cable is in.
    pub link: Option<LinkState>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// Packets that are received before the guest is told.
    pub coalesce_rx: Option<u32>,
    /// Boot order, alias, ROM, address.
    pub info: DeviceInfo,
}

/// Beginnings of names that the daemon gives to the host's ends.
const GENERATED_NAMES: [&str; 3] = ["vnet", "macvtap", "macvlan"];

impl Interface {
    /// An interface of which only the connection is said.
    pub fn new(source: InterfaceSource) -> Self {
        Self {
            mac: None,
            source,
            trust_guest_rx_filters: None,
            actual: None,
            vlan: None,
            virtualport: None,
            bandwidth: None,
            isolated: None,
            ips: Vec::new(),
            routes: Vec::new(),
            port_forwards: Vec::new(),
            script: None,
            downscript: None,
            backenddomain: None,
            target: None,
            guest: None,
            model: None,
            driver: None,
            backend: None,
            filterref: None,
            sndbuf: None,
            teaming: None,
            link: None,
            mtu: None,
            coalesce_rx: None,
            info: DeviceInfo::default(),
        }
    }

    /// Which kind of connection it is.
    pub fn kind(&self) -> InterfaceType {
        self.source.kind()
    }

    /// The hardware address as text; empty while there is none.
    pub fn mac_text(&self) -> String {
        self.mac
            .as_ref()
            .map(|mac| mac.address.to_string())
            .unwrap_or_default()
    }

    /// Name of the host's end.
    pub fn target_dev(&self) -> Option<&str> {
        self.target.as_ref().and_then(|t| t.dev.as_deref())
    }

    /// The host's card that the guest gets as this interface, if it is one: defined so, or made so
    /// by its network. `info` is the interface's own.
    pub fn as_hostdev(&self) -> Option<Hostdev> {
        let (address, managed, driver) = match &self.source {
            InterfaceSource::Hostdev {
                managed,
                driver,
                source,
            } => match &source.address {
                HostAddress::Pci(address) => (*address, *managed, driver.clone()),
                HostAddress::Usb { .. } => return None,
            },
            InterfaceSource::Network(_) => {
                let (address, managed) = self.actual_card()?;
                (address, Some(managed), None)
            }
            _ => return None,
        };
        let driver = driver.map(|driver| HostdevDriver {
            model: driver.model,
            ..HostdevDriver::default()
        });
        Some(Hostdev {
            mode: HostdevMode::Subsystem,
            kind: HostdevKind::Pci,
            managed,
            sgio: None,
            rawio: None,
            model: None,
            display: None,
            ramfb: None,
            state: hostdev::HostdevState::default(),
            driver,
            teaming: match &self.teaming {
                None => None,
                Some(Teaming::Persistent) => Some(hostdev::Teaming {
                    kind: TeamingKind::Persistent,
                    persistent: None,
                }),
                Some(Teaming::Transient { persistent }) => Some(hostdev::Teaming {
                    kind: TeamingKind::Transient,
                    persistent: Some(persistent.clone()),
                }),
            },
            source: hostdev::HostdevSource::Pci {
                address,
                write_filtering: None,
                startup_policy: None,
            },
            readonly: false,
            shareable: false,
            network: Vec::new(),
            info: self.info.clone(),
        })
    }

    /// Whether passt makes its network.
    pub fn uses_passt(&self) -> bool {
        let kind = self.backend.as_ref().and_then(|b| b.kind);
        kind == Some(BackendType::Passt)
    }

    /// Whether the card is a virtio one.
    pub fn is_virtio(&self) -> bool {
        matches!(
            self.model.as_deref(),
            Some("virtio" | "virtio-transitional" | "virtio-non-transitional")
        )
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        if let Some(mac) = &mut self.mac {
            mac.current = None;
        }
        if let Some(bandwidth) = &mut self.bandwidth {
            bandwidth.class_id = None;
        }
        if let Some(target) = &mut self.target {
            let given = target.dev.take();
            target.dev = given.filter(|dev| !is_generated(dev));
            if *target == InterfaceTarget::default() {
                self.target = None;
            }
        }
        if let Some(guest) = &mut self.guest {
            guest.actual = None;
        }
        self.guest = self.guest.take_if(|guest| *guest != GuestEnd::default());
        self.actual = None;
        self.source.inactive();
        self.info.inactive();
    }

    /// Parts that say nothing with this card or connection are not kept.
    fn forget_idle_parts(&mut self) {
        let virtio = self
            .model
            .as_deref()
            .is_some_and(|model| model.to_ascii_lowercase().starts_with("virtio"));
        if !virtio {
            // Options of a transport that isn't there are refused later.
            self.driver = self.driver.take().map(|driver| InterfaceDriver {
                virtio: driver.virtio,
                ..InterfaceDriver::default()
            });
            if let Some(backend) = &mut self.backend {
                backend.vhost = None;
            }
        }
        if let Some(driver) = &mut self.driver {
            driver.queues = driver.queues.filter(|queues| *queues > 1);
        }
        self.driver = self
            .driver
            .take_if(|driver| *driver != InterfaceDriver::default());
        self.backend = self
            .backend
            .take_if(|backend| *backend != InterfaceBackend::default());
        let passt = self.uses_passt();
        if let InterfaceSource::User { dev } = &mut self.source
            && !passt
        {
            *dev = None;
        }
        let filtered = matches!(
            self.kind(),
            InterfaceType::Network | InterfaceType::Bridge | InterfaceType::Ethernet
        );
        if !filtered {
            self.filterref = None;
        }
    }

    fn check(&self) -> Result<()> {
        let kind = self.kind();
        if let Some(model) = &self.model
            && !model
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err(invalid_argument("Model name contains invalid characters"));
        }
        let unmanaged = self.target.as_ref().and_then(|t| t.managed) == Some(YesNo::No);
        if unmanaged && kind != InterfaceType::Ethernet {
            return Err(unsupported(format!(
                "unmanaged target dev is not supported on interfaces of type '{kind}'"
            )));
        }
        let passt =
            self.uses_passt() && matches!(kind, InterfaceType::User | InterfaceType::Vhostuser);
        if !self.port_forwards.is_empty() && !passt {
            return Err(unsupported(
                "The <portForward> element can only be used with the 'passt' backend of \
                 interface type='user' or type='vhostuser'",
            ));
        }
        if let Some(bandwidth) = &self.bandwidth {
            bandwidth.check(kind == InterfaceType::Network)?;
        }
        self.check_isolation()
    }

    fn check_isolation(&self) -> Result<()> {
        if self.isolated != Some(YesNo::Yes) {
            return Ok(());
        }
        let refused = |what: String| {
            Err(unsupported(format!(
                "interface {} - <port isolated='yes'/> is not supported for network interfaces \
                 with {what}",
                self.mac_text()
            )))
        };
        if !matches!(self.kind(), InterfaceType::Network | InterfaceType::Bridge) {
            return refused(format!("type='{}'", self.kind()));
        }
        match self.virtualport.as_ref().and_then(|v| v.kind) {
            Some(kind) => refused(format!("virtualport type='{kind}'")),
            None => Ok(()),
        }
    }
}

/// Whether that is a name the daemon gives: a known beginning and a number.
fn is_generated(name: &str) -> bool {
    GENERATED_NAMES.iter().any(|start| {
        name.strip_prefix(start)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// The text of an attribute of a child; nothing if there is no such child or attribute.
fn child_attr(node: &mut Node<'_>, child: &str, attribute: &str) -> Result<Option<String>> {
    Ok(node
        .child_with(child, |node| node.attr::<String>(attribute))?
        .flatten()
        .filter(|text| !text.is_empty()))
}

fn coalesce(node: &mut Node<'_>) -> Result<Option<u32>> {
    let frames = node.child_with("rx", |node| child_attr(node, "frames", "max"))?;
    match frames.flatten() {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Error::new(
                ErrorCode::XmlDetail,
                ErrorDomain::Domain,
                format!("cannot parse value '{text}' for coalesce parameter"),
            )
        }),
    }
}

impl Element for Interface {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let source = InterfaceSource::read(node)?;
        let link = match child_attr(node, "link", "state")? {
            None => None,
            Some(word) => Some(
                LinkState::from_word(&word)
                    .ok_or_else(|| unsupported(format!("unknown interface link state '{word}'")))?,
            ),
        };
        let mtu = match child_attr(node, "mtu", "size")? {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| xml("malformed mtu size"))?),
        };
        let sndbuf = node.child_with("tune", |node| {
            match node.child_text::<String>("sndbuf")? {
                None => Ok(None),
                Some(text) => {
                    let bytes = text.trim().parse();
                    bytes
                        .map(Some)
                        .map_err(|_| xml("sndbuf must be a positive integer"))
                }
            }
        })?;
        let card = source.kind() == InterfaceType::Hostdev;
        let mut driver: Option<InterfaceDriver> = match card {
            true => None,
            false => node.child("driver")?,
        };
        if let Some(driver) = &mut driver {
            driver.queues = driver.queues.filter(|queues| *queues > 0);
            driver.rx_queue_size = driver.rx_queue_size.filter(|size| *size > 0);
            driver.tx_queue_size = driver.tx_queue_size.filter(|size| *size > 0);
        }
        let interface = Self {
            mac: node.child_with("mac", Mac::read)?.flatten(),
            trust_guest_rx_filters: node.attr("trustGuestRxFilters")?,
            actual: node.raw("actual"),
            vlan: node.child("vlan")?,
            virtualport: node.child("virtualport")?,
            bandwidth: node
                .child::<Bandwidth>("bandwidth")?
                .filter(|bandwidth| *bandwidth != Bandwidth::default()),
            isolated: node
                .child_with("port", |node| node.attr("isolated"))?
                .flatten(),
            ips: node.children("ip")?,
            routes: node.children("route")?,
            port_forwards: node.children("portForward")?,
            script: child_attr(node, "script", "path")?,
            downscript: child_attr(node, "downscript", "path")?,
            backenddomain: child_attr(node, "backenddomain", "name")?,
            target: node.child("target")?,
            guest: node.child("guest")?,
            model: child_attr(node, "model", "type")?,
            driver: driver.filter(|driver| *driver != InterfaceDriver::default()),
            backend: node
                .child("backend")?
                .filter(|backend| *backend != InterfaceBackend::default()),
            filterref: node.child("filterref")?,
            sndbuf: sndbuf.flatten(),
            teaming: node.child_with("teaming", Teaming::read)?.flatten(),
            link,
            mtu,
            coalesce_rx: node
                .child_with("coalesce", coalesce)?
                .flatten()
                .filter(|frames| *frames > 0),
            source,
            info: DeviceInfo::read(node)?,
        };
        let mut interface = interface;
        interface.forget_idle_parts();
        interface.check()?;
        Ok(interface)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        self.source.attrs(tag);
        tag.maybe("trustGuestRxFilters", &self.trust_guest_rx_filters);
    }

    fn content(&self, out: &mut Writer) {
        if let Some(mac) = &self.mac {
            mac::write(out, mac);
        }
        self.source.content(out);
        if let Some(actual) = &self.actual {
            out.tree(actual);
        }
        out.maybe("vlan", self.vlan.as_ref());
        out.maybe("virtualport", self.virtualport.as_ref());
        out.maybe("bandwidth", self.bandwidth.as_ref());
        switch(out, "port", "isolated", self.isolated.as_ref());
        for ip in &self.ips {
            out.element("ip", ip);
        }
        for route in &self.routes {
            out.element("route", route);
        }
        for forward in &self.port_forwards {
            out.element("portForward", forward);
        }
        switch(out, "script", "path", self.script.as_ref());
        switch(out, "downscript", "path", self.downscript.as_ref());
        switch(out, "backenddomain", "name", self.backenddomain.as_ref());
        out.maybe("target", self.target.as_ref());
        out.maybe("guest", self.guest.as_ref());
        switch(out, "model", "type", self.model.as_ref());
        out.maybe("driver", self.driver.as_ref());
        out.maybe("backend", self.backend.as_ref());
        out.maybe("filterref", self.filterref.as_ref());
        if let Some(sndbuf) = &self.sndbuf {
            out.open("tune", |_| {}, |out| out.text_element("sndbuf", sndbuf));
        }
        if let Some(teaming) = &self.teaming {
            teaming.write(out);
        }
        switch(out, "link", "state", self.link.as_ref());
        switch(out, "mtu", "size", self.mtu.as_ref());
        if let Some(max) = &self.coalesce_rx {
            let frames = |out: &mut Writer| switch(out, "frames", "max", Some(max));
            out.open("coalesce", |_| {}, |out| out.open("rx", |_| {}, frames));
        }
        self.info.content(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_xml::{read_named, write};

    fn read(text: &str) -> Interface {
        let (interface, unknown) = read_named("interface", text).unwrap();
        assert_eq!(unknown, []);
        interface
    }

    fn refusal(inner: &str, kind: &str) -> String {
        let text = format!("<interface type='{kind}'>{inner}</interface>");
        let error = read_named::<Interface>("interface", &text).unwrap_err();
        error.message().to_owned()
    }

    #[test]
    fn parts_are_written_in_their_order() {
        let text = "<interface type='network' trustGuestRxFilters='yes'>
  <mac address='52:54:00:00:00:01'/>
  <source network='default' portgroup='x'/>
  <vlan trunk='yes'>
    <tag id='3' nativeMode='tagged'/>
    <tag id='4'/>
  </vlan>
  <virtualport type='openvswitch'>
    <parameters interfaceid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f' profileid='p'/>
  </virtualport>
  <bandwidth>
    <inbound average='1000' peak='5' floor='3' burst='6'/>
    <outbound average='3'/>
  </bandwidth>
  <script path='/s'/>
  <downscript path='/d'/>
  <backenddomain name='foo'/>
  <target dev='tap7'/>
  <guest dev='gu'/>
  <model type='virtio'/>
  <driver name='vhost' txmode='iothread' ioeventfd='on' event_idx='on' queues='2' rx_queue_size='256' tx_queue_size='256' rss='on' rss_hash_report='on' iommu='on' ats='on' packed='on' page_per_vq='on'>
    <host csum='on' gso='off'/>
    <guest csum='on'/>
  </driver>
  <backend tap='/a' vhost='/b'/>
  <filterref filter='clean-traffic'>
    <parameter name='IP' value='1.2.3.4'/>
  </filterref>
  <tune>
    <sndbuf>5</sndbuf>
  </tune>
  <teaming type='persistent'/>
  <link state='down'/>
  <mtu size='1400'/>
  <coalesce>
    <rx>
      <frames max='7'/>
    </rx>
  </coalesce>
  <boot order='1'/>
  <alias name='ua-x'/>
  <rom bar='on' file='/x'/>
  <acpi index='3'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
</interface>
";
        assert_eq!(write("interface", &read(text)), text);
    }

    #[test]
    fn every_kind_of_source_is_written_back() {
        for inner in [
            "type='ethernet'>
  <source>
    <ip address='1.2.3.4' family='ipv4' prefix='8' peer='1.2.3.5'/>
    <route address='3.3.3.0' prefix='24' gateway='1.2.3.4' metric='3'/>
  </source>",
            "type='user'>
  <source dev='eth0'/>
  <ip address='1.2.3.4' family='ipv4'/>
  <portForward proto='tcp' address='1.2.3.4' dev='x'>
    <range start='1' end='3' to='4' exclude='yes'/>
  </portForward>
  <backend type='passt' logFile='/x'/>",
            "type='direct'>\n  <source dev='eth0' mode='vepa'/>",
            "type='udp'>
  <source address='1.2.3.4' port='5'>
    <local address='1.2.3.5' port='6'/>
  </source>",
            "type='internal'>\n  <source name='x'/>",
            "type='hostdev' managed='yes'>
  <driver name='vfio'/>
  <source>
    <address type='pci' domain='0x0000' bus='0x01' slot='0x02' function='0x3'/>
  </source>",
            "type='vhostuser'>
  <source type='unix' path='/x' mode='client'>
    <reconnect enabled='yes' timeout='3'/>
  </source>",
            "type='server'>\n  <source port='2015'/>",
            "type='vdpa'>\n  <source dev='/dev/x'/>",
        ] {
            let text = format!("<interface {inner}\n</interface>\n");
            assert_eq!(write("interface", &read(&text)), text);
        }
    }

    #[test]
    fn what_a_running_guest_has_is_taken_away() {
        let mut interface = read(
            "<interface type='network'><source network='n' portid='09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f' \
             bridge='virbr0'/><target dev='vnet3'/><alias name='net0'/></interface>",
        );
        interface.inactive();
        assert_eq!(
            write("interface", &interface),
            "<interface type='network'>\n  <source network='n'/>\n</interface>\n"
        );
        assert!(!is_generated("vnetx") && !is_generated("vnet") && is_generated("macvtap0"));
    }

    #[test]
    fn refusals_are_the_stock_ones() {
        assert_eq!(
            refusal("", "bridge"),
            "XML error: interface type='bridge' requires a 'source' element"
        );
        assert_eq!(
            refusal("<mac address='nonsense'/>", "user"),
            "XML error: unable to parse mac address 'nonsense'"
        );
        assert_eq!(
            refusal("<model type='a b'/>", "user"),
            "invalid argument: Model name contains invalid characters"
        );
        assert!(refusal("", "nonsense").starts_with(
            "XML error: Invalid value for attribute 'type' in element 'interface': 'nonsense'."
        ));
        assert_eq!(
            refusal("<ip address='x'/>", "user"),
            "XML error: Invalid address 'x' in <ip>"
        );
        assert_eq!(
            refusal(
                "<port isolated='yes'/><mac address='52:54:00:00:00:01'/>",
                "user"
            ),
            "unsupported configuration: interface 52:54:00:00:00:01 - <port isolated='yes'/> is not \
             supported for network interfaces with type='user'"
        );
    }
}
