//! Ports of Open vSwitch: the commands of ovs-vsctl(8). Pure.
//!
//! Facts: ovs-vsctl(8), ovs-vswitchd.conf.db(5); the commands of the stock daemon.

use uuid::Uuid;
use virt_domain::devices::interface::{Bandwidth, NativeMode, PortParameters, Rate, Vlan};

/// Seconds that the switch's database may take.
const PATIENCE: &str = "--timeout=5";

/// A port to make.
#[derive(Debug, Clone)]
pub struct Port<'a> {
    /// The bridge.
    pub bridge: &'a str,
    /// The link.
    pub link: &'a str,
    /// The guest's hardware address.
    pub mac: &'a str,
    /// The guest.
    pub guest: Uuid,
    /// What the switch is told.
    pub parameters: &'a PortParameters,
    /// VLAN tags.
    pub vlan: Option<&'a Vlan>,
    /// Limits.
    pub limits: Option<&'a Bandwidth>,
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// The arguments that make the port.
pub fn add(port: &Port) -> Vec<String> {
    let link = port.link;
    let mut all = words(&[PATIENCE, "--", "--may-exist", "add-port", port.bridge, link]);
    all.extend(words(&[
        "--",
        "set",
        "Port",
        link,
        "other_config:transient=true",
    ]));
    if let Some(vlan) = port.vlan {
        all.extend(tags(vlan));
    }
    let mut external = |name: &str, value: String| {
        all.extend(words(&["--", "set", "Interface", link]));
        all.push(format!("external-ids:{name}={value}"));
    };
    external("attached-mac", quoted(port.mac));
    if let Some(id) = port.parameters.interfaceid {
        external("iface-id", quoted(&id.to_string()));
    }
    external("vm-id", quoted(&port.guest.to_string()));
    if let Some(profile) = &port.parameters.profileid {
        external("port-profile", quoted(profile));
    }
    if port.limits.is_some() {
        external("ifname", quoted(link));
    }
    external("iface-status", "active".to_owned());
    all
}

/// The columns of a port's VLANs.
fn tags(vlan: &Vlan) -> Vec<String> {
    let mut all = Vec::new();
    let native = vlan
        .tags
        .iter()
        .find_map(|tag| Some((tag.native_mode?, tag.id)));
    if let Some((mode, id)) = native {
        let word = match mode {
            NativeMode::Tagged => "native-tagged",
            NativeMode::Untagged => "native-untagged",
        };
        all.push(format!("vlan_mode={word}"));
        all.push(format!("tag={id}"));
    }
    if vlan.trunk {
        let ids: Vec<String> = vlan.tags.iter().map(|tag| tag.id.to_string()).collect();
        all.push(format!("trunk={}", ids.join(",")));
    } else if let (Some(tag), None) = (vlan.tags.first(), native) {
        all.push(format!("tag={}", tag.id));
    }
    all
}

/// As the switch's database takes a text.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The commands that limit the port.
pub fn limits(port: &Port) -> Vec<Vec<String>> {
    let Some(limits) = port.limits else {
        return Vec::new();
    };
    let link = port.link;
    let mut commands = Vec::new();
    if let Some(rate) = limits
        .inbound
        .as_ref()
        .filter(|rate| rate.average.is_some())
    {
        let owner = [
            format!("external-ids:vm-id={}", quoted(&port.guest.to_string())),
            format!("external-ids:ifname={}", quoted(link)),
        ];
        let shape = shape(rate);
        let mut all = words(&[PATIENCE, "set", "port", link, "qos=@qos1"]);
        all.extend(owner.clone());
        all.extend(words(&[
            "--",
            "--id=@qos1",
            "create",
            "qos",
            "type=linux-htb",
        ]));
        all.extend(shape.clone());
        all.push("queues:0=@queue0".to_owned());
        all.extend(owner.clone());
        all.extend(words(&["--", "--id=@queue0", "create", "queue"]));
        all.extend(shape);
        all.extend(owner);
        commands.push(all);
    }
    if let Some(rate) = limits.outbound.as_ref() {
        // Kilobits.
        let kilobits = |kib: Option<u64>| kib.unwrap_or(0).saturating_mul(8);
        let mut all = words(&[PATIENCE, "set", "Interface", link]);
        all.push(format!("ingress_policing_rate={}", kilobits(rate.average)));
        all.push(format!("ingress_policing_burst={}", kilobits(rate.burst)));
        commands.push(all);
    }
    commands
}

/// Bits and bits per second.
fn shape(rate: &Rate) -> Vec<String> {
    let per_second = |kilobytes: u64| kilobytes.saturating_mul(8000);
    let mut all = Vec::new();
    if let Some(average) = rate.average {
        all.push(format!("other_config:min-rate={}", per_second(average)));
    }
    if let Some(burst) = rate.burst {
        all.push(format!(
            "other_config:burst={}",
            burst.saturating_mul(8 * 1024)
        ));
    }
    if let Some(peak) = rate.peak {
        all.push(format!("other_config:max-rate={}", per_second(peak)));
    }
    all
}

/// The arguments that take the port away.
pub fn remove(link: &str) -> Vec<String> {
    words(&[PATIENCE, "--", "--if-exists", "del-port", link])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_made_as_the_stock_daemon_makes_it() {
        let text = "<vlan trunk='yes'><tag id='3' nativeMode='tagged'/><tag id='5'/></vlan>";
        let vlan: Vlan = virt_xml::read_named("vlan", text).unwrap().0;
        let text = "<bandwidth><inbound average='1000' peak='5000' burst='64'/>
            <outbound average='300' peak='400' burst='16'/></bandwidth>";
        let bandwidth: Bandwidth = virt_xml::read_named("bandwidth", text).unwrap().0;
        let parameters = PortParameters {
            interfaceid: Some(Uuid::from_u128(7)),
            profileid: Some("pp".into()),
            ..PortParameters::default()
        };
        let port = Port {
            bridge: "br0",
            link: "vnet3",
            mac: "52:54:00:00:00:01",
            guest: Uuid::from_u128(9),
            parameters: &parameters,
            vlan: Some(&vlan),
            limits: Some(&bandwidth),
        };
        assert_eq!(
            add(&port).join(" "),
            "--timeout=5 -- --may-exist add-port br0 vnet3 -- set Port vnet3 \
             other_config:transient=true vlan_mode=native-tagged tag=3 trunk=3,5 -- set Interface \
             vnet3 external-ids:attached-mac=\"52:54:00:00:00:01\" -- set Interface vnet3 \
             external-ids:iface-id=\"00000000-0000-0000-0000-000000000007\" -- set Interface vnet3 \
             external-ids:vm-id=\"00000000-0000-0000-0000-000000000009\" -- set Interface vnet3 \
             external-ids:port-profile=\"pp\" -- set Interface vnet3 external-ids:ifname=\"vnet3\" \
             -- set Interface vnet3 external-ids:iface-status=active"
        );
        let commands = limits(&port);
        assert_eq!(
            commands[1].join(" "),
            "--timeout=5 set Interface vnet3 ingress_policing_rate=2400 ingress_policing_burst=128"
        );
        assert!(commands[0].join(" ").contains(
            "type=linux-htb other_config:min-rate=8000000 other_config:burst=524288 \
             other_config:max-rate=40000000 queues:0=@queue0"
        ));
    }
}
