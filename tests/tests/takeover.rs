//! The same folders and file formats as libvirt's: one daemon stops, the other starts, and
//! everything is there. Both directions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use nix::sys::signal::Signal;
use virt_tests::guest;
use virt_tests::host::Host;
use virt_tests::target::{Target, has_stock, skipped};

/// The two daemons on one host, whatever `VIRT_TEST_TARGET` says; the stock one sees the folders
/// where it expects them.
fn host() -> Option<Host> {
    if !has_stock() {
        return None;
    }
    if Target::chosen() == Target::Stock {
        skipped("takes both daemons; run it without VIRT_TEST_TARGET");
        return None;
    }
    Some(Host::of(Target::Stock))
}

fn switch(host: &mut Host, to: Target) {
    host.stop_daemon(Signal::SIGTERM);
    host.target = to;
    host.start_daemon();
}

fn rich(host: &Host, name: &str) -> String {
    let disk = host.path(&format!("{name}.qcow2"));
    host.shell(&format!(
        "qemu-img create -q -f qcow2 {} 8M",
        disk.display()
    ))
    .ok();
    guest::firmware_only(
        name,
        &format!(
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' discard='unmap'/>\
             <source file='{}'/><target dev='vda' bus='virtio'/></disk>\
             <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>\
             <interface type='user'><model type='virtio'/></interface>\
             <serial type='pty'/>\
             <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
             <graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>\
             <watchdog model='i6300esb' action='reset'/>\
             <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
            disk.display()
        ),
    )
}

/// What both must show alike.
fn look(host: &Host, names: &[&str]) -> Vec<String> {
    let mut seen = vec![host.virsh(&["list", "--all"]).ok()];
    for name in names {
        for words in [
            &["dumpxml", "--inactive", name][..],
            &["dominfo", name],
            &["desc", name],
            &["domblklist", name],
        ] {
            seen.push(host.virsh(words).ok());
        }
    }
    seen
}

#[track_caller]
fn same(before: &[String], after: &[String]) {
    for (before, after) in before.iter().zip(after) {
        for (before, after) in before.lines().zip(after.lines()) {
            // The security drivers of the host are not this test's.
            if !before.starts_with("Security") && !before.starts_with("CPU time") {
                assert_eq!(before, after);
            }
        }
        assert_eq!(
            before.lines().count(),
            after.lines().count(),
            "{before}\n---\n{after}"
        );
    }
}

fn furnish(host: &Host) -> [&'static str; 2] {
    host.define(&rich(host, "rich"));
    host.virsh(&["autostart", "rich"]).ok();
    host.virsh(&["desc", "rich", "--config", "described by the first daemon"])
        .ok();
    host.define(&guest::firmware_only("plain", ""));
    ["plain", "rich"]
}

#[test]
fn definitions_of_the_stock_daemon_appear_in_ours() {
    let Some(mut host) = host() else { return };
    host.start_daemon();
    let names = furnish(&host);
    let before = look(&host, &names);
    let file = fs::read_to_string(host.path("etc/libvirt/qemu/rich.xml")).unwrap();
    switch(&mut host, Target::Ours);
    same(&before, &look(&host, &names));
    assert_eq!(
        fs::read_to_string(host.path("etc/libvirt/qemu/rich.xml")).unwrap(),
        file,
        "looking changes nothing"
    );
    host.virsh(&["start", "rich"]).ok();
    host.virsh(&["destroy", "rich"]).ok();
}

#[test]
fn definitions_of_ours_appear_in_the_stock_daemon() {
    let Some(mut host) = host() else { return };
    host.target = Target::Ours;
    host.start_daemon();
    let names = furnish(&host);
    let before = look(&host, &names);
    switch(&mut host, Target::Stock);
    same(&before, &look(&host, &names));
    host.virsh(&["start", "rich"]).ok();
    host.virsh(&["destroy", "rich"]).ok();
}

#[test]
fn managed_save_of_the_stock_daemon_is_resumed_by_ours() {
    let Some(mut host) = host() else { return };
    host.start_daemon();
    host.define(&guest::firmware_only("asleep", ""));
    host.virsh(&["start", "asleep"]).ok();
    host.virsh(&["managedsave", "asleep"]).ok();
    switch(&mut host, Target::Ours);
    let info = host.virsh(&["dominfo", "asleep"]).ok();
    assert!(info.contains("Managed save:   yes"), "{info}");
    host.virsh(&["start", "asleep"]).ok();
    let reason = host.virsh(&["domstate", "asleep", "--reason"]).ok();
    assert_eq!(reason.trim(), "running (restored)");
}

#[test]
fn an_image_saved_by_ours_is_restored_by_the_stock_daemon() {
    let Some(mut host) = host() else { return };
    host.target = Target::Ours;
    host.start_daemon();
    host.create(&guest::firmware_only("asleep", ""));
    let image = host.path("image");
    let image = image.to_string_lossy().into_owned();
    host.virsh(&["save", "asleep", &image]).ok();
    let xml = host.virsh(&["save-image-dumpxml", &image]).ok();
    switch(&mut host, Target::Stock);
    same(&[xml], &[host.virsh(&["save-image-dumpxml", &image]).ok()]);
    host.virsh(&["restore", &image]).ok();
    assert_eq!(host.state("asleep"), "running");
}

#[test]
fn running_guests_of_the_stock_daemon_go_on_under_ours() {
    let Some(mut host) = host() else { return };
    host.start_daemon();
    host.define(&rich(&host, "running"));
    host.virsh(&["start", "running"]).ok();
    host.create(&guest::firmware_only("paused", ""));
    host.virsh(&["suspend", "paused"]).ok();
    let qemu = host.qemu_pid("running");
    switch(&mut host, Target::Ours);
    assert_eq!(host.state("running"), "running");
    assert_eq!(host.state("paused"), "paused");
    assert_eq!(host.qemu_pid("running"), qemu);
    host.virsh(&[
        "qemu-monitor-command",
        "running",
        r#"{"execute":"query-status"}"#,
    ])
    .ok();
    host.virsh(&["resume", "paused"]).ok();
    for name in ["running", "paused"] {
        host.virsh(&["destroy", name]).ok();
    }
    virt_tests::host::eventually("their ends", || host.qemus().is_empty());
}

#[test]
fn running_guests_of_ours_go_on_under_the_stock_daemon() {
    let Some(mut host) = host() else { return };
    host.target = Target::Ours;
    host.start_daemon();
    host.define(&rich(&host, "running"));
    host.virsh(&["start", "running"]).ok();
    let qemu = host.qemu_pid("running");
    switch(&mut host, Target::Stock);
    assert_eq!(host.state("running"), "running");
    assert_eq!(host.qemu_pid("running"), qemu);
    host.virsh(&["suspend", "running"]).ok();
    host.virsh(&["destroy", "running"]).ok();
    virt_tests::host::eventually("its end", || host.qemus().is_empty());
}
