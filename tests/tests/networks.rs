//! Guests on networks, which are another daemon's: it is asked for a port at their start, which goes
//! at their end. The distribution's libvirtd has the networks here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;
use virt_tests::guest;
use virt_tests::host::{Host, eventually, send};
use virt_tests::target::{Target, has_stock, skipped};

/// The host whose daemon clients talk to, and the one whose daemon has the networks; both in the
/// latter's network. The stock daemon is both itself.
struct Pair {
    host: Host,
    networks: Option<Host>,
}

impl Pair {
    fn new() -> Option<Self> {
        if !has_stock() {
            return None;
        }
        let mut host = Host::without_daemon();
        let networks = (host.target == Target::Ours).then(|| {
            let mut networks = Host::of(Target::Stock);
            networks.start_daemon();
            symlink(networks.socket(), host.path("run/libvirt/libvirt-sock")).unwrap();
            networks
        });
        if networks.is_none() {
            host.start_daemon();
        }
        let mut pair = Self { host, networks };
        if pair.networks.is_some() {
            pair.start_daemon();
        }
        for (name, forward, bridge) in [
            ("own", "", "vqown"),
            ("shared", "<forward mode='bridge'/>", "vqshared"),
        ] {
            if !forward.is_empty() {
                pair.inside(&["ip", "link", "add", bridge, "type", "bridge"]);
            }
            let xml = pair.host.write(
                "net.xml",
                &format!(
                    "<network><name>{name}</name>{forward}<bridge name='{bridge}'/></network>"
                ),
            );
            pair.host.virsh(&["net-define", &xml]).ok();
            pair.host.virsh(&["net-start", name]).ok();
        }
        Some(pair)
    }

    /// Starts the daemon that clients talk to in the network of the other.
    fn start_daemon(&mut self) {
        match &self.networks {
            None => self.host.start_daemon(),
            Some(networks) => {
                let keeper = networks.keeper().pid().to_string();
                self.host
                    .spawn_daemon_by(&["nsenter", "-t", &keeper, "-n", "--"], &[]);
                self.host.await_socket();
            }
        }
    }

    fn inside(&self, words: &[&str]) -> String {
        let host = self.networks.as_ref().unwrap_or(&self.host);
        host.inside(words).ok()
    }

    /// The taps on a bridge.
    fn taps(&self, bridge: &str) -> usize {
        let ports = self.inside(&["ip", "-o", "link", "show", "master", bridge]);
        ports.matches("vnet").count()
    }

    /// The ports of a network.
    fn ports(&self, network: &str) -> Vec<String> {
        let listed = self.host.virsh(&["net-port-list", network]).ok();
        let ports = listed.lines().skip(2).map(|line| line.trim().to_owned());
        ports.filter(|port| !port.is_empty()).collect()
    }
}

const DEVICES: &str = "<interface type='network'><source network='own'/><model type='virtio'/>\
    </interface><interface type='network'><source network='shared'/></interface>";

#[test]
fn a_guest_has_ports_as_long_as_it_runs() {
    let Some(mut pair) = Pair::new() else { return };
    pair.host.define(&guest::firmware_only("on", DEVICES));
    pair.host.virsh(&["start", "on"]).ok();
    let (own, shared) = (pair.ports("own"), pair.ports("shared"));
    assert_eq!((own.len(), shared.len()), (1, 1), "{own:?} {shared:?}");
    assert_eq!((pair.taps("vqown"), pair.taps("vqshared")), (1, 1));

    let port = pair.host.virsh(&["net-port-dumpxml", "own", &own[0]]).ok();
    let uuid = pair.host.virsh(&["domuuid", "on"]).ok();
    assert!(
        port.contains("<name>on</name>") && port.contains(uuid.trim()),
        "{port}"
    );
    let live = pair.host.virsh(&["dumpxml", "on"]).ok();
    for wanted in [
        format!("<source network='own' portid='{}' bridge='vqown'/>", own[0]),
        format!(
            "<source network='shared' portid='{}' bridge='vqshared'/>",
            shared[0]
        ),
    ] {
        assert!(live.contains(&wanted), "{wanted} is not in {live}");
    }
    assert!(live.contains("<target dev='vnet"), "{live}");
    let defined = pair.host.virsh(&["dumpxml", "--inactive", "on"]).ok();
    assert!(
        defined.contains("<source network='own'/>")
            && defined.contains("<source network='shared'/>"),
        "{defined}"
    );
    let rows = pair.host.virsh(&["domiflist", "on"]).ok();
    let words =
        |row: &str| -> Vec<String> { row.split_whitespace().skip(1).map(str::to_owned).collect() };
    let rows: Vec<_> = rows.lines().skip(2).map(words).collect();
    assert_eq!(rows[0][..2], ["network", "own"]);
    assert_eq!(rows[1][..2], ["bridge", "shared"]);

    pair.host.end_daemon(Signal::SIGKILL);
    pair.start_daemon();
    assert_eq!(pair.host.virsh(&["dumpxml", "on"]).ok(), live);
    pair.host.virsh(&["destroy", "on"]).ok();
    assert_eq!((pair.taps("vqown"), pair.taps("vqshared")), (0, 0));
    assert_eq!(pair.ports("own"), pair.ports("shared"));
    assert!(pair.ports("own").is_empty());
}

#[test]
fn an_interface_that_comes_later_has_a_port_as_long_as_it_is_there() {
    let Some(mut pair) = Pair::new() else { return };
    let xml = guest::firmware_only("on", DEVICES)
        .replace("type='usb' model='none'", "type='usb' model='qemu-xhci'");
    pair.host.define(&xml);
    pair.host.virsh(&["start", "on"]).ok();
    let nic = "<interface type='network'><source network='own'/><mac address='52:54:00:00:00:07'/>\
               <model type='usb-net'/></interface>";
    let nic = pair.host.write("nic.xml", nic);
    for restarted in [false, true] {
        pair.host.virsh(&["attach-device", "on", &nic]).ok();
        assert_eq!((pair.ports("own").len(), pair.taps("vqown")), (2, 2));
        if restarted {
            pair.host.end_daemon(Signal::SIGKILL);
            pair.start_daemon();
        }
        pair.host.virsh(&["detach-device", "on", &nic]).ok();
        eventually("its port and its tap gone", || {
            (pair.ports("own").len(), pair.taps("vqown")) == (1, 1)
        });
    }
    pair.host.virsh(&["attach-device", "on", &nic]).ok();
    let elsewhere = "<interface type='network'><source network='nosuch'/></interface>";
    let elsewhere = pair.host.write("nic.xml", elsewhere);
    let refused = pair
        .host
        .virsh(&["attach-device", "on", &elsewhere])
        .failed();
    assert!(
        refused.contains("no network with matching name 'nosuch'"),
        "{refused}"
    );
    pair.host.virsh(&["destroy", "on"]).ok();
    assert_eq!((pair.taps("vqown"), pair.taps("vqshared")), (0, 0));
    assert!(pair.ports("own").is_empty() && pair.ports("shared").is_empty());
}

#[test]
fn a_guest_that_ended_unseen_leaves_no_port() {
    let Some(mut pair) = Pair::new() else { return };
    pair.host.define(&guest::firmware_only("on", DEVICES));
    pair.host.virsh(&["start", "on"]).ok();
    let qemu = pair.host.qemu_pid("on");
    pair.host.end_daemon(Signal::SIGKILL);
    send(qemu, Signal::SIGKILL);
    eventually("QEMU's end", || pair.host.qemus().is_empty());
    pair.start_daemon();
    eventually("its ports gone", || {
        pair.ports("own").is_empty() && pair.ports("shared").is_empty()
    });
    assert_eq!(pair.host.state("on"), "shut off");
}

#[test]
fn a_failed_start_leaves_no_port() {
    let Some(pair) = Pair::new() else { return };
    let stopped = pair.host.write(
        "net.xml",
        "<network><name>stopped</name><bridge name='vqstop'/></network>",
    );
    pair.host.virsh(&["net-define", &stopped]).ok();
    for (last, named) in [
        ("nosuch", "no network with matching name 'nosuch'"),
        ("stopped", "network 'stopped' is not active"),
    ] {
        let devices =
            format!("{DEVICES}<interface type='network'><source network='{last}'/></interface>");
        pair.host.define(&guest::firmware_only("on", &devices));
        let error = pair.host.virsh(&["start", "on"]).failed();
        assert!(error.contains(named), "{error}");
        assert!(pair.ports("own").is_empty() && pair.ports("shared").is_empty());
        pair.host.virsh(&["undefine", "on"]).ok();
    }
    let bad =
        "<serial type='unix'><source mode='bind' path='/nonexistent/folder/serial'/></serial>";
    let xml = guest::firmware_only("on", &format!("{DEVICES}{bad}"));
    pair.host.define(&xml);
    pair.host.virsh(&["start", "on"]).failed();
    assert!(pair.ports("own").is_empty() && pair.ports("shared").is_empty());
    assert_eq!((pair.taps("vqown"), pair.taps("vqshared")), (0, 0));
}

#[test]
fn a_daemon_of_networks_that_hangs_or_went_holds_up_nobody_else() {
    let Some(mut pair) = Pair::new() else { return };
    let Some(networks) = &mut pair.networks else {
        skipped("the stock daemon has the networks itself");
        return;
    };
    let host = &pair.host;
    host.define(&guest::firmware_only("on", DEVICES));
    host.define(&guest::firmware_only("other", ""));
    host.virsh(&["start", "on"]).ok();
    host.virsh(&["destroy", "on"]).ok();

    send(networks.daemon_pid(), Signal::SIGSTOP);
    let said = host.shell(
        "virsh start on >said 2>&1 & start=$!
         virsh -q start other && virsh -q destroy other && kill -0 $start && echo meanwhile
         wait $start; cat said",
    );
    send(networks.daemon_pid(), Signal::SIGCONT);
    assert!(
        said.out.contains("meanwhile")
            && said.out.contains("Timed out during operation")
            && said.out.contains("network 'own'"),
        "{said:?}"
    );

    host.virsh(&["start", "on"]).ok();
    networks.end_daemon(Signal::SIGTERM);
    fs::remove_file(host.path("run/libvirt/libvirt-sock")).unwrap();
    host.virsh(&["destroy", "on"]).ok();
    let error = host.virsh(&["start", "on"]).failed();
    assert!(
        error.contains("Failed to connect socket to") && error.contains("virtnetworkd-sock"),
        "{error}"
    );
    assert!(host.log().contains("ports of networks may be left"));
}
