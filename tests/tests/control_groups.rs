//! Guests are kept by control groups of their own: set when they start, changed while they run, found
//! again by the next daemon, and gone with the guest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use virt_tests::groups::folder;
use virt_tests::guest;
use virt_tests::host::{Host, eventually, send};
use virt_tests::target::{is_root, skipped};

/// A guest with limits.
fn limited(name: &str, limits: &str) -> String {
    let xml = guest::firmware_only(name, "");
    xml.replace("<os>", &format!("{limits}<iothreads>1</iothreads><os>"))
}

/// The folder of a guest's group, if there can be one here.
fn group(host: &Host, guest: &str, controller: &str) -> Option<PathBuf> {
    let folder = folder(host.qemu_pid(guest), controller);
    if folder.is_none() {
        skipped(&format!("no control group has '{controller}' here"));
    }
    folder
}

fn can_run() -> bool {
    if !is_root() {
        skipped("only the system's daemon puts guests into control groups");
    }
    is_root()
}

fn read(folder: &Path, names: &[&str]) -> String {
    let mut there = names.iter().map(|name| folder.join(name));
    let path = there.find(|path| path.exists());
    let path = path.unwrap_or_else(|| panic!("none of {names:?} in {}", folder.display()));
    fs::read_to_string(path).unwrap().trim().to_owned()
}

const SHARES: &[&str] = &["cpu.shares", "cpu.weight"];

#[test]
fn shares_are_kept_and_changed_and_go_with_the_guest() {
    if !can_run() {
        return;
    }
    let mut host = Host::start();
    let limits = "<cputune><shares>2048</shares><period>100000</period><quota>60000</quota>\
                  <emulator_period>100000</emulator_period><emulator_quota>70000</emulator_quota>\
                  <emulatorpin cpuset='0'/></cputune>";
    host.define(&limited("shared", limits));
    host.virsh(&["start", "shared"]).ok();
    let Some(cpu) = group(&host, "shared", "cpu") else {
        return;
    };
    assert_eq!(read(&cpu, SHARES), "2048");
    let quota = &["cpu.cfs_quota_us", "cpu.max"];
    assert!(read(&cpu.join("vcpu0"), quota).starts_with("60000"));
    assert!(read(&cpu.join("emulator"), quota).starts_with("70000"));
    assert!(cpu.join("iothread1").is_dir());
    // Every thread is in a group of threads: none runs free of their limits.
    let own = &["tasks", "cgroup.threads"];
    if cpu.join("tasks").exists() {
        assert_eq!(read(&cpu, own), "");
    }
    assert!(!read(&cpu.join("vcpu0"), own).is_empty());
    if let Some(cpuset) = folder(host.qemu_pid("shared"), "cpuset") {
        assert_eq!(read(&cpuset.join("emulator"), &["cpuset.cpus"]), "0");
    }

    host.virsh(&[
        "schedinfo",
        "shared",
        "--live",
        "--config",
        "--set",
        "cpu_shares=3000",
    ])
    .ok();
    assert_eq!(read(&cpu, SHARES), "3000");
    // The next daemon finds the groups again.
    assert_eq!(host.end_daemon(Signal::SIGKILL), "signal 9");
    host.start_daemon();
    let said = host.virsh(&["schedinfo", "shared", "--live"]).ok();
    assert!(said.contains("cpu_shares     : 3000"), "{said}");
    assert!(said.contains("vcpu_quota     : 60000"), "{said}");
    host.virsh(&["schedinfo", "shared", "--live", "--set", "vcpu_quota=-1"])
        .ok();
    let unlimited = read(&cpu.join("vcpu0"), quota);
    assert!(
        unlimited.starts_with("-1") || unlimited.starts_with("max"),
        "{unlimited}"
    );

    host.virsh(&["destroy", "shared"]).ok();
    assert!(!cpu.exists(), "{} is left", cpu.display());
    let kept = host.virsh(&["dumpxml", "shared"]).ok();
    assert!(kept.contains("<shares>3000</shares>"), "{kept}");
    assert!(kept.contains("<quota>60000</quota>"), "{kept}");
}

#[test]
fn memory_is_limited_in_the_order_the_kernel_takes() {
    if !can_run() {
        return;
    }
    let host = Host::start();
    host.create(&limited(
        "small",
        "<memtune><soft_limit unit='MiB'>600</soft_limit></memtune>",
    ));
    let Some(memory) = group(&host, "small", "memory") else {
        return;
    };
    let soft = &["memory.soft_limit_in_bytes", "memory.high"];
    assert_eq!(read(&memory, soft), "629145600");
    let hard = &["memory.limit_in_bytes", "memory.max"];
    for mib in ["900", "800", "1000"] {
        let kib = (mib.parse::<u64>().unwrap() << 10).to_string();
        host.virsh(&["memtune", "small", &kib, "--swap-hard-limit", &kib])
            .ok();
        assert_eq!(
            read(&memory, hard),
            (mib.parse::<u64>().unwrap() << 20).to_string()
        );
    }
    let refused = host.virsh(&["memtune", "small", "--hard-limit", "2000000"]);
    assert!(
        refused
            .err
            .contains("must be lower than or equal to swap_hard_limit")
    );
}

#[test]
fn nothing_is_left_of_a_guest_that_died_unseen_or_did_not_start() {
    if !can_run() {
        return;
    }
    let mut host = Host::start();
    host.create(&limited("gone", "<cputune><shares>500</shares></cputune>"));
    let Some(cpu) = group(&host, "gone", "cpu") else {
        return;
    };
    let qemu = host.qemu_pid("gone");
    assert_eq!(host.end_daemon(Signal::SIGKILL), "signal 9");
    send(qemu, Signal::SIGKILL);
    host.start_daemon();
    eventually("the group of the guest is removed", || !cpu.exists());

    // A partition of its own has to be there.
    let lost = limited(
        "lost",
        "<resource><partition>/nowhere/x</partition></resource>",
    );
    let file = host.write("lost.xml", &lost);
    let refused = host.virsh(&["create", &file]);
    assert!(refused.err.contains("Failed to create"), "{refused:?}");
    // The threads may have no more than the guest.
    let wrong = limited(
        "wrong",
        "<cputune><global_period>100000</global_period><global_quota>5000</global_quota>\
         <emulator_period>100000</emulator_period><emulator_quota>50000</emulator_quota></cputune>",
    );
    let file = host.write("wrong.xml", &wrong);
    let refused = host.virsh(&["create", &file]);
    match refused.code {
        // Version 2 takes it: the smaller limit counts.
        0 => drop(host.virsh(&["destroy", "wrong"]).ok()),
        _ => {
            let expected = "Invalid value '50000' for 'cpu.cfs_quota_us': Invalid argument";
            assert!(refused.err.contains(expected), "{refused:?}");
        }
    }
    // What is before the guest's number tells this host's groups from other tests'.
    let own = cpu.file_name().unwrap().to_string_lossy().into_owned();
    let own = own.split("-1-").next().unwrap().to_owned();
    let left = fs::read_dir(cpu.parent().unwrap()).unwrap().flatten();
    let mut left = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let names = ["-gone.", "-lost.", "-wrong."];
    let left = left.find(|name| name.starts_with(&own) && names.iter().any(|n| name.contains(n)));
    assert_eq!(left, None);
    assert!(host.qemus().is_empty());
}
