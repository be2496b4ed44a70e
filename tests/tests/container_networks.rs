//! Network interfaces of containers: what they are inside, what they are on the host, what is left of
//! them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::host::{eventually, send};
use virt_tests::target::Target;

/// The host with a bridge.
struct Bridged(Containers);

impl Bridged {
    fn start() -> Option<Self> {
        let this = Self(Containers::start()?);
        this.ip(&["link", "add", "br7", "type", "bridge"]);
        this.ip(&["link", "set", "br7", "up"]);
        this.ip(&["addr", "add", "10.7.0.254/24", "dev", "br7"]);
        Some(this)
    }

    fn ip(&self, words: &[&str]) -> String {
        let words = [&["ip"], words].concat();
        self.0.host.inside(&words).ok()
    }

    /// A container that runs until it is asked to end, with these devices.
    fn define(&self, name: &str, devices: &str) {
        let xml = self.0.xml(name, "<init>/bin/service</init>", devices);
        self.0.define(&xml);
    }

    fn begin(&self, name: &str, devices: &str) {
        self.define(name, devices);
        self.0.virsh(&["start", name]).ok();
    }

    fn init(&self, name: &str) -> u32 {
        Containers::children(self.0.controller(name))[0]
    }

    /// What a program in the container's network says.
    fn within(&self, name: &str, words: &[&str]) -> String {
        let init = self.init(name).to_string();
        let words = [&["nsenter", "-t", &init, "-n", "--"], words].concat();
        self.0.host.inside(&words).ok()
    }

    /// The host's ends of pairs, by name.
    fn links(&self) -> Vec<String> {
        let all = self.ip(&["-o", "link"]);
        let names = all.lines().filter_map(|line| line.split(": ").nth(1));
        let names = names.map(|name| name.split('@').next().unwrap().to_owned());
        let own = |name: &String| !matches!(name.as_str(), "lo" | "br7");
        let mut names: Vec<String> = names.filter(own).collect();
        names.sort();
        names
    }

    fn xml(&self, name: &str) -> String {
        self.0.virsh(&["dumpxml", name]).ok()
    }

    fn nothing_is_left(&self) {
        eventually("no link to be left", || self.links().is_empty());
        assert_eq!(self.0.left(), Vec::<String>::new());
    }
}

fn on_bridge(address: u8) -> String {
    format!(
        "<interface type='bridge'><source bridge='br7'/><mac address='52:54:00:00:07:{address:02x}'/>\
         <ip address='10.7.0.{address}' family='ipv4' prefix='24'/></interface>"
    )
}

#[test]
fn two_containers_reach_each_other_over_a_bridge() {
    let Some(host) = Bridged::start() else { return };
    host.begin("one", &on_bridge(1));
    host.begin("two", &on_bridge(2));
    assert_eq!(host.links(), ["vnet0", "vnet1"]);
    let ports = host.ip(&["-o", "link", "show", "master", "br7"]);
    assert_eq!(ports.lines().count(), 2, "{ports}");
    for (from, to) in [
        ("one", "10.7.0.2"),
        ("two", "10.7.0.1"),
        ("one", "127.0.0.1"),
    ] {
        let said = host.within(from, &["busybox", "ping", "-c", "1", "-W", "5", to]);
        assert!(said.contains("1 packets received"), "{said}");
    }
    let inside = host.within("one", &["ip", "addr", "show", "eth0"]);
    assert!(
        inside.contains("link/ether 52:54:00:00:07:01") && inside.contains("inet 10.7.0.1/24"),
        "{inside}"
    );
    let xml = host.xml("one");
    for part in ["<target dev='vnet0'/>", "<alias name='net0'/>"] {
        assert!(xml.contains(part), "{part} is not in {xml}");
    }
    let rows = host.0.virsh(&["domiflist", "one"]).ok();
    assert!(rows.contains("vnet0") && rows.contains("br7"), "{rows}");
    for name in ["one", "two"] {
        host.0.virsh(&["destroy", name]).ok();
    }
    host.nothing_is_left();
    let kept = host.xml("one");
    assert!(!kept.contains("vnet") && !kept.contains("<guest"), "{kept}");
}

#[test]
fn an_interface_is_as_its_definition_says() {
    let Some(host) = Bridged::start() else { return };
    host.begin(
        "box",
        "<interface type='ethernet'><source><ip address='10.9.0.1' peer='10.9.0.2' prefix='32'/></source>\
         <mac address='52:54:00:00:09:01'/><target dev='out9'/><guest dev='in9'/><mtu size='1400'/>\
         <ip address='10.9.0.2' peer='10.9.0.1' prefix='32'/><ip address='fd09::2' prefix='64'/>\
         <route address='10.20.0.0' prefix='16' gateway='10.9.0.1' metric='7'/></interface>\
         <interface type='bridge'><source bridge='br7'/><link state='down'/>\
         </interface>",
    );
    assert_eq!(host.links(), ["out9", "vnet0"]);
    let link = host.within("box", &["ip", "-d", "link", "show", "in9"]);
    assert!(
        link.contains("mtu 1400") && link.contains("52:54:00:00:09:01") && link.contains("veth"),
        "{link}"
    );
    let addresses = host.within("box", &["ip", "addr", "show", "in9"]);
    assert!(
        addresses.contains("inet 10.9.0.2 peer 10.9.0.1/32")
            && addresses.contains("inet6 fd09::2/64"),
        "{addresses}"
    );
    let routes = host.within("box", &["ip", "route"]);
    assert!(
        routes.contains("10.20.0.0/16 via 10.9.0.1 dev in9") && routes.contains("metric 7"),
        "{routes}"
    );
    let said = host.within(
        "box",
        &["busybox", "ping", "-c", "1", "-W", "5", "10.9.0.1"],
    );
    assert!(said.contains("1 packets received"), "{said}");
    // The cable of the second is out.
    let second = host.within("box", &["ip", "link", "show", "eth0"]);
    assert!(second.contains("NO-CARRIER"), "{second}");
    host.0.virsh(&["destroy", "box"]).ok();
    host.nothing_is_left();
}

#[test]
fn an_own_network_has_a_loopback_and_nothing_else() {
    let Some(host) = Bridged::start() else { return };
    let xml = host.0.service("box");
    let xml = xml.replace("<devices>", "<features><privnet/></features><devices>");
    host.0.define(&xml);
    host.0.virsh(&["start", "box"]).ok();
    let links = host.within("box", &["ip", "-o", "link", "show", "up"]);
    assert!(
        links.contains("LOOPBACK,UP") && !links.contains("br7"),
        "{links}"
    );
    host.0.virsh(&["destroy", "box"]).ok();
}

#[test]
fn what_is_missing_is_named_and_nothing_is_left() {
    let Some(host) = Bridged::start() else { return };
    for (interface, named) in [
        (
            "<interface type='bridge'><source bridge='nobridge'/></interface>",
            "nobridge",
        ),
        (
            "<interface type='bridge'><source bridge='br7'/><guest dev='eth0'/></interface>",
            "'eth0' already",
        ),
        (
            "<interface type='direct'><source dev='nolink' mode='bridge'/></interface>",
            "nolink",
        ),
        (
            "<interface type='network'><source network='nonet'/></interface>",
            "virtnetworkd-sock",
        ),
    ] {
        let devices = format!("{}{interface}", on_bridge(1));
        host.define("box", &devices);
        let said = host.0.virsh(&["start", "box"]).failed();
        if host.0.host.target == Target::Ours {
            assert!(said.contains(named), "{said}");
        }
        assert_eq!(host.0.state("box"), "shut off");
        host.nothing_is_left();
        host.0.virsh(&["undefine", "box"]).ok();
    }
    if host.0.host.target == Target::Ours {
        host.define("box", "<interface type='user'/>");
        let said = host.0.virsh(&["start", "box"]).failed();
        assert!(said.contains("<interface type='user'>"), "{said}");
    }
}

#[test]
fn no_link_outlives_its_container_whoever_is_killed() {
    let Some(mut host) = Bridged::start() else {
        return;
    };
    host.begin("box", &on_bridge(1));
    send(host.init("box"), Signal::SIGKILL);
    eventually("the end", || host.0.state("box") == "shut off");
    host.nothing_is_left();

    host.0.virsh(&["start", "box"]).ok();
    send(host.0.controller("box"), Signal::SIGKILL);
    eventually("the end", || host.0.state("box") == "shut off");
    host.nothing_is_left();

    host.0.virsh(&["start", "box"]).ok();
    host.0.end(Signal::SIGKILL);
    host.0.again();
    // The next daemon knows it.
    assert!(host.xml("box").contains("<target dev='vnet0'/>"));
    assert_eq!(host.links(), ["vnet0"]);
    let controller = host.0.controller("box");
    host.0.end(Signal::SIGKILL);
    send(controller, Signal::SIGKILL);
    eventually("no link to be left", || host.links().is_empty());
    host.0.again();
    assert_eq!(host.0.state("box"), "shut off");
    host.nothing_is_left();
}
