//! What the audit trail hears of a guest's life, as the daemon logs it with `audit_logging`; the kernel's
//! own trail is tried by `tests/machine/units`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use virt_tests::host::{Host, eventually};
use virt_tests::target::{Target, has_stock, is_root, skipped};

const UUID: &str = "c7a5fdbd-cdaf-9455-926a-d65c16db1809";

/// Devices of most kinds that need nothing of this machine, and some that are nobody's.
fn devices(host: &Host) -> String {
    let work = host.work();
    let at = |name: &str| work.join(name).display().to_string();
    for name in ["one", "two", "three"] {
        let image = fs::File::create(at(name)).unwrap();
        image.set_len(1 << 20).unwrap();
    }
    format!(
        "<disk type='file'><driver name='qemu' type='raw'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>\
         <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>\
         <controller type='usb' model='piix3-uhci'/>\
         <interface type='user'><mac address='52:54:00:00:00:01'/></interface>\
         <interface type='ethernet'><mac address='52:54:00:00:00:02'/></interface>\
         <serial type='file'><source path='{}'/></serial>\
         <console type='pty'/>\
         <console type='pty'><target type='virtio'/></console>\
         <channel type='unix'><source mode='bind' path='{}'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
         <redirdev bus='usb' type='tcp'><source mode='bind' host='127.0.0.1' service='0'/></redirdev>\
         <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\
         <rng model='virtio'><backend model='builtin'/></rng>",
        at("one"),
        at("serial.log"),
        at("agent"),
    )
}

fn guest(name: &str, uuid: &str, devices: &str, more: &str) -> String {
    format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\
         <name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory>\
         <vcpu current='1'>2</vcpu><iothreads>1</iothreads>\
         <os><type arch='x86_64' machine='pc'>hvm</type></os>\
         <devices>{devices}</devices>{more}</domain>"
    )
}

/// The records of a guest's life with the daemon, without what differs from run to run.
fn life(target: Target) -> Vec<String> {
    let mut host = Host::of(target);
    let log = host.path("var/log/libvirt/audit.log");
    let conf = format!(
        "audit_level = 1\naudit_logging = 1\nlog_filters = \"2:audit 4:*\"\nlog_outputs = \"2:file:{}\"\n",
        match target {
            Target::Ours => log.display().to_string(),
            Target::Stock => "/var/log/libvirt/audit.log".to_owned(),
        }
    );
    let name = match target {
        Target::Ours => "virtqemud.conf",
        Target::Stock => "libvirtd.conf",
    };
    fs::write(host.path("etc/libvirt").join(name), conf).unwrap();
    host.start_daemon();
    host.define(&guest("a guest", UUID, &devices(&host), ""));
    let other = UUID.replace("1809", "1810");
    let nonsense = "<qemu:commandline><qemu:arg value='-nonsense'/></qemu:commandline>";
    host.define(&guest("broken", &other, "", nonsense));
    let at = |name: &str| host.work().join(name).display().to_string();
    let g = "a guest";
    // Firmware that starts resets the drives, which closes their trays: the stock daemon then fails.
    host.virsh(&["start", g, "--paused"]).ok();
    let two = at("two");
    host.virsh(&[
        "attach-disk",
        g,
        &two,
        "sda",
        "--targetbus",
        "usb",
        "--subdriver",
        "raw",
    ])
    .ok();
    let gone = host.virsh(&["attach-disk", g, "/nowhere", "sdb", "--targetbus", "usb"]);
    assert_ne!(gone.code, 0);
    host.virsh(&["change-media", g, "hdc", &at("three"), "--insert"])
        .ok();
    host.virsh(&["change-media", g, "hdc", "--eject"]).ok();
    host.virsh(&["detach-disk", g, "sda"]).ok();
    host.virsh(&["setmem", g, "16M", "--live"]).ok();
    let nic = "<interface type='ethernet'><mac address='52:54:00:00:00:03'/>\
               <model type='usb-net'/></interface>";
    let nic = host.write("nic.xml", nic);
    host.virsh(&["attach-device", g, &nic]).ok();
    host.virsh(&["detach-device", g, &nic]).ok();
    eventually("the interface to be gone", || {
        !host.virsh(&["domiflist", g]).ok().contains("00:00:03")
    });
    host.virsh(&["iothreadadd", g, "7", "--live"]).ok();
    host.virsh(&["iothreaddel", g, "7", "--live"]).ok();
    host.virsh(&["resume", g]).ok();
    host.virsh(&["suspend", g]).ok();
    let image = at("saved");
    host.virsh(&["save", g, &image]).ok();
    host.virsh(&["restore", &image]).ok();
    host.virsh(&["destroy", g]).ok();
    assert_ne!(host.virsh(&["start", "broken"]).code, 0);
    let records = || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let records = text.lines().filter_map(|line| {
            let at = line
                .find("success=yes virt=")
                .or(line.find("success=no virt="))?;
            Some(plain(&line[at..], &host.work().display().to_string()))
        });
        records.collect::<Vec<_>>()
    };
    eventually("the last record", || {
        records()
            .iter()
            .any(|one| one.contains("op=start") && one.contains("broken"))
    });
    records()
}

/// The record without the process's number, the test's folder, and what our lines say of the call.
fn plain(record: &str, work: &str) -> String {
    let end = [" guest=", " connection="];
    let end = end.iter().filter_map(|what| record.find(what)).min();
    let record = &record[..end.unwrap_or(record.len())];
    let words = record
        .split(' ')
        .map(|word| match word.split_once("vm-pid=") {
            Some((_, pid)) if pid.parse::<i32>().is_ok_and(|pid| pid > 0) => "vm-pid=N".to_owned(),
            _ => word.replace(work, ""),
        });
    words.collect::<Vec<_>>().join(" ")
}

/// What only one side tells: the stock daemon's device filter, which ours does not have (ARCHITECTURE.md),
/// and a balloon that is asked to change, of which the stock one was seen to say nothing.
fn is_common(record: &str) -> bool {
    !record.contains(" resrc=cgroup ") && !record.contains(" resrc=mem reason=update ")
}

#[test]
fn a_guests_life_is_told_as_libvirt_tells_it() {
    if !is_root() {
        return skipped("needs root: a session's guests are not audited");
    }
    let ours = life(Target::Ours);
    let memory = "resrc=mem reason=update vm=61206775657374";
    let memory = ours.iter().find(|record| record.contains(memory));
    let memory = memory.expect("the balloon's record");
    assert!(memory.ends_with("old-mem=32768 new-mem=16384"), "{memory}");
    let count = |word: &str| ours.iter().filter(|record| record.contains(word)).count();
    assert_eq!((count("op=start"), count("op=stop")), (3, 2), "{ours:#?}");
    assert_eq!(count("success=no"), 1, "{ours:#?}");
    if !has_stock() {
        return skipped("needs libvirt's own daemon to compare with");
    }
    let ours: Vec<_> = ours.into_iter().filter(|one| is_common(one)).collect();
    let stock: Vec<_> = life(Target::Stock)
        .into_iter()
        .filter(|one| is_common(one))
        .collect();
    assert_eq!(ours, stock);
}
