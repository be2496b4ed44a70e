//! Network interfaces of containers: what they are inside, what they are on the host, what is left of
//! them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::host::{Host, eventually, send};
use virt_tests::target::{Target, has_stock, skipped};

/// The host with a bridge.
struct Bridged(Containers);

impl Bridged {
    fn start() -> Option<Self> {
        Containers::start().map(Self::of)
    }

    /// See [`Containers::beyond_stock`].
    fn beyond_stock(why: &str) -> Option<Self> {
        Containers::beyond_stock(why).map(Self::of)
    }

    fn of(containers: Containers) -> Self {
        let this = Self(containers);
        this.ip(&["link", "add", "br7", "type", "bridge"]);
        this.ip(&["link", "set", "br7", "up"]);
        this.ip(&["addr", "add", "10.7.0.254/24", "dev", "br7"]);
        this
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
    let Some(host) = Bridged::beyond_stock("the stock driver counts names of links on") else {
        return;
    };
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
    let Some(host) = Bridged::beyond_stock("the stock driver counts names of links on") else {
        return;
    };
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
    let Some(host) = Bridged::beyond_stock("the stock driver leaves links of a start that failed")
    else {
        return;
    };
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
    let Some(mut host) =
        Bridged::beyond_stock("the stock driver counts names of links on, and leaves links")
    else {
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

/// A pair of links of the host's own, of which containers are given one.
fn cable(host: &Bridged) {
    host.ip(&["link", "add", "near", "type", "veth", "peer", "name", "far"]);
    host.ip(&["link", "set", "far", "up"]);
    host.ip(&["link", "set", "near", "up"]);
    host.ip(&["addr", "add", "10.8.0.254/24", "dev", "far"]);
}

#[test]
fn an_interface_can_share_a_link_of_the_host() {
    let Some(host) = Bridged::beyond_stock("the stock driver has no statistics of such a link")
    else {
        return;
    };
    cable(&host);
    for mode in ["bridge", "vepa", "private", "passthrough"] {
        host.begin(
            "box",
            &format!(
                "<interface type='direct'><source dev='near' mode='{mode}'/>\
                 <mac address='52:54:00:00:08:01'/><guest dev='lan0'/>\
                 <ip address='10.8.0.1' prefix='24'/></interface>"
            ),
        );
        let link = host.within("box", &["ip", "-d", "link", "show", "lan0"]);
        let mode = match mode {
            "passthrough" => "passthru",
            other => other,
        };
        assert!(
            link.contains(&format!("macvlan mode {mode}")) && link.contains("52:54:00:00:08:01"),
            "{link}"
        );
        let said = host.within(
            "box",
            &["busybox", "ping", "-c", "1", "-W", "5", "10.8.0.254"],
        );
        assert!(said.contains("1 packets received"), "{said}");
        let counted = host
            .0
            .virsh(&["domifstat", "box", "52:54:00:00:08:01"])
            .ok();
        assert!(counted.contains("rx_packets"), "{counted}");
        host.0.virsh(&["destroy", "box"]).ok();
        eventually("the macvlan to be gone", || host.links() == ["far", "near"]);
        host.0.virsh(&["undefine", "box"]).ok();
    }
}

const LENT: &str = "<hostdev mode='capabilities' type='net'><source><interface>near</interface></source>\
                    <ip address='10.8.0.1' family='ipv4' prefix='24'/>\
                    <route address='10.30.0.0' prefix='16' gateway='10.8.0.254'/></hostdev>";

#[test]
fn a_link_of_the_host_is_lent_and_comes_back() {
    let Some(mut host) =
        Bridged::beyond_stock("the stock driver sets no address on a link that is lent")
    else {
        return;
    };
    cable(&host);
    host.begin("box", LENT);
    assert_eq!(host.links(), ["far"]);
    let said = host.within(
        "box",
        &["busybox", "ping", "-c", "1", "-W", "5", "10.8.0.254"],
    );
    assert!(said.contains("1 packets received"), "{said}");
    let routes = host.within("box", &["ip", "route"]);
    assert!(
        routes.contains("10.30.0.0/16 via 10.8.0.254 dev near"),
        "{routes}"
    );
    host.0.virsh(&["destroy", "box"]).ok();
    assert_eq!(host.links(), ["far", "near"]);
    assert_eq!(host.0.left(), Vec::<String>::new());

    // A container that calls it otherwise, and whose controller is killed.
    host.0.virsh(&["start", "box"]).ok();
    host.within("box", &["ip", "link", "set", "near", "down"]);
    host.within("box", &["ip", "link", "set", "near", "name", "mine"]);
    send(host.0.controller("box"), Signal::SIGKILL);
    eventually("the end", || host.0.state("box") == "shut off");
    assert_eq!(host.links(), ["far", "near"]);

    // Everyone is killed: the next daemon brings it back.
    host.0.virsh(&["start", "box"]).ok();
    let controller = host.0.controller("box");
    host.within("box", &["ip", "link", "set", "near", "down"]);
    host.within("box", &["ip", "link", "set", "near", "name", "mine"]);
    host.0.end(Signal::SIGKILL);
    send(controller, Signal::SIGKILL);
    host.0.again();
    eventually("the end", || host.0.state("box") == "shut off");
    eventually("the link to be back", || host.links() == ["far", "near"]);
    assert_eq!(host.0.left(), Vec::<String>::new());

    // A start that fails gives it back, too; one that is not there is named.
    let fails = format!("{LENT}{}", on_bridge(1).replace("br7", "nobridge"));
    host.define("bad", &fails);
    host.0.virsh(&["start", "bad"]).failed();
    assert_eq!(host.links(), ["far", "near"]);
    host.0.virsh(&["undefine", "bad"]).ok();
    host.define("bad", &LENT.replace("near", "absent"));
    let said = host.0.virsh(&["start", "bad"]).failed();
    assert!(said.contains("'absent'"), "{said}");
    assert_eq!(host.0.left(), Vec::<String>::new());
}

#[test]
fn an_interface_comes_changes_and_goes_while_a_container_runs() {
    let Some(mut host) =
        Bridged::beyond_stock("the stock driver tells no events of devices of containers")
    else {
        return;
    };
    host.begin("box", &on_bridge(1));
    let nic = "<interface type='bridge'><source bridge='br7'/><mac address='52:54:00:00:07:09'/>\
               <ip address='10.77.0.9' prefix='24'/></interface>";
    let file = host.0.host.write("nic.xml", nic);
    let told = host.0.python(&format!(
        "libvirt.virEventRegisterDefaultImpl()\nconn.close()\nconn = libvirt.open(None)\nseen = []\n\
         def on(kind): return lambda c, d, alias, o: seen.append((kind, d.name(), alias))\n\
         conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, on('added'), None)\n\
         conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, on('removed'), None)\n\
         dom = conn.lookupByName('box')\nxml = open({file:?}).read()\nboth = 3\n\
         dom.attachDeviceFlags(xml, both)\ndom.detachDeviceFlags(xml, both)\n\
         while len(seen) < 2: libvirt.virEventRunDefaultImpl()\nprint(seen)"
    ));
    assert_eq!(
        told.ok(),
        "[('added', 'box', 'net1'), ('removed', 'box', 'net1')]\n"
    );
    assert_eq!(host.links(), ["vnet0"]);
    host.0
        .virsh(&["attach-device", "box", &file, "--live", "--config"])
        .ok();
    assert_eq!(host.links(), ["vnet0", "vnet1"]);
    let inside = host.within("box", &["ip", "addr", "show", "eth1"]);
    assert!(inside.contains("inet 10.77.0.9/24"), "{inside}");
    for inactive in [&[][..], &["--inactive"][..]] {
        let words = [&["domiflist", "box"], inactive].concat();
        let rows = host.0.virsh(&words).ok();
        assert_eq!(rows.matches("br7").count(), 2, "{rows}");
    }
    // The cable is taken out and put in.
    for (state, carrier) in [("down", "0\n"), ("up", "1\n")] {
        host.0.virsh(&["domif-setlink", "box", "vnet1", state]).ok();
        let seen = host.0.virsh(&["domif-getlink", "box", "vnet1"]).ok();
        assert!(seen.contains(state), "{seen}");
        let init = host.init("box").to_string();
        eventually("the carrier to follow", || {
            let words = [
                "nsenter", "-t", &init, "-n", "ip", "-o", "link", "show", "eth1",
            ];
            let link = host.0.host.inside(&words).ok();
            link.contains("NO-CARRIER") == (carrier == "0\n")
        });
    }
    let said = host.within(
        "box",
        &["busybox", "ping", "-c", "3", "-W", "5", "10.7.0.254"],
    );
    assert!(said.contains("3 packets received"), "{said}");
    let counted = host.0.virsh(&["domifstat", "box", "vnet0"]).ok();
    let sent = counted
        .lines()
        .find(|line| line.contains("tx_packets"))
        .unwrap();
    let sent: u64 = sent.split(' ').next_back().unwrap().parse().unwrap();
    assert!(sent >= 3, "{counted}");
    // Another daemon knows it as well.
    host.0.end(Signal::SIGKILL);
    host.0.again();
    let words = [
        "detach-interface",
        "box",
        "bridge",
        "--mac",
        "52:54:00:00:07:09",
        "--persistent",
    ];
    host.0.virsh(&words).ok();
    assert_eq!(host.links(), ["vnet0"]);
    let missing = host.0.virsh(&["detach-device", "box", &file]).failed();
    assert!(missing.contains("52:54:00:00:07:09"), "{missing}");
    let nowhere = host
        .0
        .host
        .write("nic.xml", &nic.replace("br7", "nobridge"));
    let refused = host.0.virsh(&["attach-device", "box", &nowhere]).failed();
    assert!(refused.contains("nobridge"), "{refused}");
    let words = [
        "attach-interface",
        "box",
        "bridge",
        "br7",
        "--target",
        "own7",
        "--live",
    ];
    host.0.virsh(&words).ok();
    assert_eq!(host.links(), ["own7", "vnet0"]);
    host.0.virsh(&["destroy", "box"]).ok();
    host.nothing_is_left();
}

#[test]
fn limits_of_an_interface_are_kept_in_its_definition() {
    let Some(host) =
        Bridged::beyond_stock("the stock driver has no virDomainSetInterfaceParameters")
    else {
        return;
    };
    host.define("box", &on_bridge(1));
    let mac = "52:54:00:00:07:01";
    let words = [
        "domiftune",
        "box",
        mac,
        "--config",
        "--inbound",
        "1000,2000,64",
        "--outbound",
        "500",
    ];
    host.0.virsh(&words).ok();
    let told = host.0.virsh(&["domiftune", "box", mac]).ok();
    for line in [
        "inbound.average: 1000",
        "inbound.peak   : 2000",
        "outbound.average: 500",
    ] {
        assert!(told.contains(line), "{line} is not in {told}");
    }
    host.0
        .virsh(&["domiftune", "box", mac, "--config", "--inbound", "0"])
        .ok();
    let xml = host.xml("box");
    assert!(
        xml.contains("<outbound average='500'/>") && !xml.contains("<inbound"),
        "{xml}"
    );
    let unknown = host.0.virsh(&["domiftune", "box", "nolink"]).failed();
    assert!(unknown.contains("nolink"), "{unknown}");
}

#[test]
fn namespaces_are_shared_with_whom_the_definition_names() {
    let Some(host) = Bridged::beyond_stock("the stock driver shares no name of the host") else {
        return;
    };
    host.begin("one", &on_bridge(1));
    let sharing = |share: &str| {
        let xml = host.0.service("two");
        let xml = xml.replace(
            "<domain type='lxc'>",
            "<domain type='lxc' xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'>",
        );
        xml.replace(
            "</domain>",
            &format!("<lxc:namespace>{share}</lxc:namespace></domain>"),
        )
    };
    let namespace = |name: &str, kind: &str| {
        fs::read_link(format!("/proc/{}/ns/{kind}", host.init(name))).unwrap()
    };
    let init = host.init("one");
    for (share, shared) in [
        (
            "<lxc:sharenet type='name' value='one'/>".to_owned(),
            &["net"][..],
        ),
        (
            format!(
                "<lxc:sharenet type='pid' value='{init}'/><lxc:shareipc type='name' value='one'/>"
            ),
            &["net", "ipc"][..],
        ),
        (
            format!(
                "<lxc:shareipc type='pid' value='{init}'/><lxc:shareuts type='name' value='one'/>"
            ),
            &["ipc", "uts"][..],
        ),
    ] {
        host.0.define(&sharing(&share));
        host.0.virsh(&["start", "two"]).ok();
        for kind in ["net", "ipc", "uts"] {
            let same = namespace("one", kind) == namespace("two", kind);
            let host_net = kind == "net" && !shared.contains(&"net");
            assert!(
                same == shared.contains(&kind) || host_net,
                "{share}: {kind}"
            );
        }
        host.0.virsh(&["destroy", "two"]).ok();
        host.0.virsh(&["undefine", "two"]).ok();
    }
    // Its own name stays that of whom it shares it with.
    let name = host
        .0
        .host
        .inside(&["nsenter", "-t", &init.to_string(), "-u", "hostname"])
        .ok();
    assert_eq!(name, "one\n");
    // One that shares goes on with the links of one that ends, but for the host's ends.
    host.0
        .define(&sharing("<lxc:sharenet type='name' value='one'/>"));
    host.0.virsh(&["start", "two"]).ok();
    host.0.virsh(&["destroy", "one"]).ok();
    assert_eq!(host.links(), Vec::<String>::new());
    host.0.virsh(&["destroy", "two"]).ok();
    let said = host.0.virsh(&["start", "two"]).failed();
    assert!(said.contains("'one' does not run"), "{said}");
    assert_eq!(host.0.left(), Vec::<String>::new());
}

#[test]
fn a_network_with_a_name_is_shared() {
    let Some(host) = Bridged::start() else { return };
    // The folder is the machine's.
    let name = format!("vt-{}", std::process::id());
    host.ip(&["netns", "add", &name]);
    host.ip(&["-n", &name, "link", "set", "lo", "up"]);
    let xml = host.0.service("box");
    let space = "xmlns:lxc='http://libvirt.org/schemas/domain/lxc/1.0'";
    let share = format!(
        "<lxc:namespace><lxc:sharenet type='netns' value='{name}'/></lxc:namespace></domain>"
    );
    let xml = xml.replace("<domain ", &format!("<domain {space} "));
    host.0.define(&xml.replace("</domain>", &share));
    let started = host.0.virsh(&["start", "box"]);
    let same = started.code == 0 && {
        let path = format!("/proc/{}/ns/net", host.init("box"));
        let own = host.0.host.inside(&["stat", "-L", "-c", "%i", &path]).ok();
        let named = format!("/run/netns/{name}");
        own == host.0.host.inside(&["stat", "-L", "-c", "%i", &named]).ok()
    };
    let _ = host.0.virsh(&["destroy", "box"]);
    host.ip(&["netns", "del", &name]);
    assert!(same, "{started:?}");
    let gone = host.0.virsh(&["start", "box"]).failed();
    assert!(gone.contains(&name), "{gone}");
}

#[test]
fn a_container_with_users_of_its_own_has_its_interfaces_again_when_it_boots_again() {
    let Some(host) =
        Bridged::beyond_stock("the stock driver makes a folder in the root before it maps users")
    else {
        return;
    };
    let root = host.0.root();
    for folder in ["proc", "sys", "dev"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let open = std::process::Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(&root)
        .status();
    assert!(open.unwrap().success());
    let idmap = "<idmap><uid start='0' target='100000' count='65536'/>\
                 <gid start='0' target='100000' count='65536'/></idmap><devices>";
    let xml = host
        .0
        .xml("box", "<init>/bin/service</init>", &on_bridge(1));
    host.0.define(&xml.replace("<devices>", idmap));
    host.0.virsh(&["start", "box"]).ok();
    let before = host.init("box");
    let ping = &["busybox", "ping", "-c", "1", "-W", "5", "10.7.0.254"];
    let said = host.within("box", ping);
    assert!(said.contains("1 packets received"), "{said}");
    // As its root reboot(2)s.
    let init = before.to_string();
    let words = [
        "nsenter", "-t", &init, "-U", "-p", "-m", "-S", "0", "-G", "0",
    ];
    let words = [&words[..], &["/bin/busybox", "reboot", "-f"]].concat();
    let _ = host.0.host.inside(&words);
    eventually("another init", || {
        let domid = host.0.virsh(&["domid", "box"]);
        let controller = domid.out.trim().parse().unwrap_or(0);
        let inits = Containers::children(controller);
        inits.first().is_some_and(|init| *init != before)
    });
    eventually("its link to be there", || host.links() == ["vnet0"]);
    let said = host.within("box", ping);
    assert!(said.contains("1 packets received"), "{said}");
    host.0.virsh(&["destroy", "box"]).ok();
    host.nothing_is_left();
}

#[test]
fn networks_of_another_daemon_lend_ports() {
    if !has_stock() {
        return;
    }
    let Some(mut containers) = Containers::start() else {
        return;
    };
    if containers.host.target == Target::Stock {
        return skipped("the stock daemon has the networks itself");
    }
    let mut networks = Host::of(Target::Stock);
    networks.start_daemon();
    containers.end(Signal::SIGTERM);
    let socket = containers.host.path("run/libvirt/libvirt-sock");
    symlink(networks.socket(), socket).unwrap();
    let keeper = networks.keeper().pid().to_string();
    containers.by = ["nsenter", "-t", &keeper, "-n", "--"]
        .map(str::to_owned)
        .into();
    containers.again();
    let network = "<network><name>own</name><bridge name='vqown'/></network>";
    let file = networks.write("net.xml", network);
    networks.virsh(&["net-define", &file]).ok();
    networks.virsh(&["net-start", "own"]).ok();
    let ports = || {
        let listed = networks.virsh(&["net-port-list", "own"]).ok();
        let ports = listed
            .lines()
            .skip(2)
            .filter(|line| !line.trim().is_empty());
        ports.count()
    };
    let taps = || {
        let all = networks
            .inside(&["ip", "-o", "link", "show", "master", "vqown"])
            .ok();
        all.matches("vnet").count()
    };
    let interface = "<interface type='network'><source network='own'/></interface>";
    containers.define(&containers.xml("box", "<init>/bin/service</init>", interface));
    containers.virsh(&["start", "box"]).ok();
    assert_eq!((ports(), taps()), (1, 1));
    let xml = containers.virsh(&["dumpxml", "box"]).ok();
    assert!(
        xml.contains("<source network='own' portid='") && xml.contains("bridge='vqown'/>"),
        "{xml}"
    );
    // With a filter, which is tied to its link.
    let filter = networks.write("filter.xml", "<filter name='none' chain='root'/>");
    networks.virsh(&["nwfilter-define", &filter]).ok();
    let filtered = interface.replace("</interface>", "<filterref filter='none'/></interface>");
    let file = containers.host.write("nic.xml", &filtered);
    containers.virsh(&["attach-device", "box", &file]).ok();
    assert_eq!((ports(), taps()), (2, 2));
    let bindings = networks.virsh(&["nwfilter-binding-list"]).ok();
    assert!(bindings.contains("vnet1"), "{bindings}");
    containers.virsh(&["destroy", "box"]).ok();
    assert_eq!((ports(), taps()), (0, 0));
    let bindings = networks.virsh(&["nwfilter-binding-list"]).ok();
    assert!(!bindings.contains("vnet"), "{bindings}");

    containers.virsh(&["start", "box"]).ok();
    let controller = containers.controller("box");
    containers.end(Signal::SIGKILL);
    send(controller, Signal::SIGKILL);
    containers.again();
    eventually("the ports to be given back", || (ports(), taps()) == (0, 0));

    let bad = format!("{interface}{}", interface.replace("'own'", "'nosuch'"));
    containers.define(&containers.xml("bad", "<init>/bin/service</init>", &bad));
    let said = containers.virsh(&["start", "bad"]).failed();
    assert!(
        said.contains("no network with matching name 'nosuch'"),
        "{said}"
    );
    assert_eq!((ports(), taps()), (0, 0));
    assert_eq!(containers.left(), Vec::<String>::new());
}
