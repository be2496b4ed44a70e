//! Network interfaces that come to a guest that runs, change and go.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use virt_tests::guest::firmware_only;
use virt_tests::host::{Host, eventually};
use virt_tests::target::{Target, is_root, skipped};

const MAC: &str = "52:54:00:00:00:07";

/// A guest with an own number of links of the host's.
struct Web(Host);

impl Web {
    fn start() -> Self {
        let host = Host::start();
        // What it takes to plug in PCI devices, and USB ones, which go without the guest's help.
        let xml = firmware_only("web", "<controller type='usb' model='qemu-xhci'/>")
            .replace("<controller type='usb' model='none'/>", "")
            .replace("<devices>", "<features><acpi/></features><devices>");
        host.define(&xml);
        host.virsh(&["start", "web", "--paused"]).ok();
        Self(host)
    }

    fn nic(&self, kind: &str, more: &str) -> String {
        let text = format!("<interface type='{kind}'><mac address='{MAC}'/>{more}</interface>");
        self.0.write("nic.xml", &text)
    }

    /// The interfaces as `domiflist` shows them: kind, source, model, address.
    fn list(&self, more: &[&str]) -> Vec<String> {
        let words = [&["domiflist", "web"], more].concat();
        let text = self.0.virsh(&words).ok();
        let lines = text.lines().skip(2).filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let words = line.split_whitespace().skip(1);
                words.collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    fn links(&self) -> usize {
        let links = self.0.inside(&["ip", "-o", "link"]).ok();
        links.lines().filter(|line| line.contains("vnet")).count()
    }
}

#[test]
fn an_interface_comes_changes_and_goes_while_the_guest_runs() {
    let web = Web::start();
    let host = &web.0;
    let nic = web.nic("user", "<model type='virtio'/>");
    host.virsh(&["attach-device", "web", &nic, "--live", "--config"])
        .ok();
    let expected = [format!("user - virtio {MAC}")];
    assert_eq!(web.list(&[]), expected);
    assert_eq!(web.list(&["--inactive"]), expected);
    let xml = host.virsh(&["dumpxml", "web"]).ok();
    assert!(xml.contains("<alias name='net0'/>"), "{xml}");
    // A cable is taken out and put in.
    host.virsh(&["domif-setlink", "web", MAC, "down"]).ok();
    let link = host.virsh(&["domif-getlink", "web", MAC]).ok();
    assert!(link.contains(&format!("{MAC} down")), "{link}");
    host.virsh(&["domif-setlink", "web", MAC, "up"]).ok();
    // One of the same address: which of them is meant is not clear.
    host.virsh(&["attach-device", "web", &nic]).ok();
    let unclear = host.virsh(&["detach-device", "web", &nic]).failed();
    assert!(
        unclear.contains("multiple devices matching MAC address"),
        "{unclear}"
    );
    let other = "<interface type='user'><mac address='52:54:00:00:00:08'/></interface>";
    let other = host.write("other.xml", other);
    let missing = host.virsh(&["detach-device", "web", &other]).failed();
    assert!(missing.contains("52:54:00:00:00:08"), "{missing}");
    host.virsh(&["destroy", "web"]).ok();
    assert_eq!(web.list(&[]), expected);
    let words = ["detach-interface", "web", "user", "--mac", MAC, "--config"];
    host.virsh(&words).ok();
    assert!(web.list(&[]).is_empty());
}

#[test]
fn a_bridges_port_comes_and_goes_with_the_interface() {
    if !is_root() {
        return skipped("makes a bridge: root");
    }
    let web = Web::start();
    let host = &web.0;
    host.inside(&["ip", "link", "add", "br7", "type", "bridge"])
        .ok();
    let words = [
        "attach-interface",
        "web",
        "bridge",
        "br7",
        "--mac",
        MAC,
        "--model",
        "usb-net",
    ];
    host.virsh(&words).ok();
    assert_eq!(web.list(&[]), [format!("bridge br7 usb-net {MAC}")]);
    let links = host
        .inside(&["ip", "-o", "link", "show", "master", "br7"])
        .ok();
    assert_eq!(links.lines().count(), 1, "{links}");
    // A daemon that is restarted knows it.
    let mut web = web;
    if web.0.target == Target::Ours {
        web.0.restart_daemon();
    }
    let host = &web.0;
    assert_eq!(web.list(&[]), [format!("bridge br7 usb-net {MAC}")]);
    host.virsh(&["qemu-monitor-command", "web", "--hmp", "device_del net0"])
        .ok();
    host.virsh(&["resume", "web"]).ok();
    host.virsh(&["destroy", "web"]).ok();
    eventually("the tap to be gone", || web.links() == 0);
    // One that can't be had leaves nothing.
    host.virsh(&["start", "web", "--paused"]).ok();
    let nic = web.nic(
        "bridge",
        "<source bridge='nobridge'/><model type='virtio'/>",
    );
    let refused = host.virsh(&["attach-device", "web", &nic]).failed();
    assert!(refused.contains("nobridge"), "{refused}");
    assert!(web.list(&[]).is_empty());
    assert_eq!(web.links(), 0);
    host.virsh(&["destroy", "web"]).ok();
}
