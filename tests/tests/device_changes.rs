//! Devices that come to a guest and go, beside disks, interfaces and leases, which have tests of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use virt_tests::guest::firmware_only;
use virt_tests::host::{Host, eventually};

/// Devices with what shows that they are there.
const KEPT: [(&str, &str); 7] = [
    (
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "<rng ",
    ),
    (
        "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='77'/></source></hostdev>",
        "<address bus='1' device='77'/>",
    ),
    (
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
        "org.qemu.guest_agent.0",
    ),
    ("<sound model='ich6'/>", "<sound "),
    ("<watchdog model='i6300esb' action='reset'/>", "<watchdog "),
    (
        "<redirdev bus='usb' type='tcp'><source mode='bind' host='127.0.0.1' service='4000'/></redirdev>",
        "service='4000'",
    ),
    (
        "<controller type='scsi' index='3' model='virtio-scsi'/>",
        "index='3'",
    ),
];

fn host() -> Host {
    let host = Host::start();
    let xml = firmware_only("web", "<controller type='usb' model='qemu-xhci'/>")
        .replace("<controller type='usb' model='none'/>", "")
        .replace("<devices>", "<features><acpi/></features><devices>");
    host.define(&xml);
    host
}

#[test]
fn a_definition_gains_and_loses_devices_of_most_kinds() {
    let host = host();
    let shown = || host.virsh(&["dumpxml", "web", "--inactive"]).ok();
    for (device, sign) in KEPT {
        let file = host.write("device.xml", device);
        host.virsh(&["attach-device", "web", &file, "--config"])
            .ok();
        assert!(shown().contains(sign), "{sign} is not in {}", shown());
    }
    for (device, sign) in KEPT {
        let file = host.write("device.xml", device);
        host.virsh(&["detach-device", "web", &file, "--config"])
            .ok();
        assert!(!shown().contains(sign), "{sign} is in {}", shown());
        host.virsh(&["detach-device", "web", &file, "--config"])
            .failed();
    }
    let hub = host.write("device.xml", "<hub type='usb'/>");
    let refused = host
        .virsh(&["attach-device", "web", &hub, "--config"])
        .failed();
    assert!(refused.contains("'hub'"), "{refused}");
}

#[test]
fn a_guest_that_runs_gains_and_loses_what_is_qemus_alone() {
    let host = host();
    host.virsh(&["start", "web", "--paused"]).ok();
    let live = || host.virsh(&["dumpxml", "web"]).ok();
    let tablet = host.write("tablet.xml", "<input type='tablet' bus='usb'/>");
    // It goes without the guest's help.
    for _ in 0..2 {
        host.virsh(&["attach-device", "web", &tablet]).ok();
        assert!(
            live().contains("<input type='tablet' bus='usb'>"),
            "{}",
            live()
        );
        host.virsh(&["detach-device", "web", &tablet]).ok();
        eventually("the tablet to be gone", || {
            !live().contains("type='tablet'")
        });
    }
    let rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";
    let rng = host.write("rng.xml", rng);
    host.virsh(&["attach-device", "web", &rng]).ok();
    assert!(live().contains("<alias name='rng0'/>"), "{}", live());
    let ps2 = host.write("ps2.xml", "<input type='keyboard' bus='ps2'/>");
    let refused = host.virsh(&["attach-device", "web", &ps2]).failed();
    assert!(
        refused.contains("input device on bus 'ps2' cannot be hot plugged"),
        "{refused}"
    );
    host.virsh(&["destroy", "web"]).ok();
}
