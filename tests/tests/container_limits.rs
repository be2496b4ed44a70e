//! Containers are kept by control groups of their own: limits that are set when they start and changed
//! while they run, what they use, their pause, and what of it the next daemon finds again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::{Path, PathBuf};

use virt_tests::containers::Containers;
use virt_tests::groups::folder;
use virt_tests::target::skipped;

/// A container that runs until it is asked to end, with limits.
fn limited(containers: &Containers, name: &str, limits: &str) -> String {
    let xml = containers.service(name);
    xml.replace("<os>", &format!("{limits}<os>"))
}

/// The folder of a container's group, if there can be one here.
fn group(containers: &Containers, name: &str, controller: &str) -> Option<PathBuf> {
    let folder = folder(containers.controller(name), controller);
    if folder.is_none() {
        skipped(&format!("no control group has '{controller}' here"));
    }
    folder
}

fn read(folder: &Path, names: &[&str]) -> String {
    let mut there = names.iter().map(|name| folder.join(name));
    let path = there.find(|path| path.exists());
    let path = path.unwrap_or_else(|| panic!("none of {names:?} in {}", folder.display()));
    fs::read_to_string(path).unwrap().trim().to_owned()
}

const HARD: &[&str] = &["memory.limit_in_bytes", "memory.max"];
const SOFT: &[&str] = &["memory.soft_limit_in_bytes", "memory.high"];
const SHARES: &[&str] = &["cpu.shares", "cpu.weight"];
const QUOTA: &[&str] = &["cpu.cfs_quota_us", "cpu.max"];

fn mib(count: u64) -> String {
    (count << 20).to_string()
}

#[test]
fn a_container_starts_within_its_limits() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let limits = "<vcpu cpuset='0'>2</vcpu><numatune><memory mode='strict' nodeset='0'/></numatune>\
                  <memtune><soft_limit unit='MiB'>30</soft_limit></memtune>\
                  <cputune><shares>500</shares><period>100000</period><quota>50000</quota>\
                  <global_quota>90000</global_quota></cputune>";
    containers.define(&limited(&containers, "box", limits));
    containers.virsh(&["start", "box"]).ok();
    let Some(memory) = group(&containers, "box", "memory") else {
        return;
    };
    // Its size is its limit.
    assert_eq!(read(&memory, HARD), mib(64));
    assert_eq!(read(&memory, SOFT), mib(30));
    let cpu = group(&containers, "box", "cpu").unwrap();
    assert_eq!(read(&cpu, SHARES), "500");
    assert!(read(&cpu, QUOTA).starts_with("50000"));
    let cpuset = group(&containers, "box", "cpuset").unwrap();
    assert_eq!(read(&cpuset, &["cpuset.cpus"]), "0");
    assert_eq!(read(&cpuset, &["cpuset.mems"]), "0");
    // Its first process is in them, not its controller alone.
    let [init] = Containers::children(containers.controller("box"))[..] else {
        panic!("a controller has one child, the init");
    };
    assert_eq!(folder(init, "memory").as_ref(), Some(&memory));
    containers.virsh(&["destroy", "box"]).ok();
    assert!(!memory.exists() && !cpu.exists());

    let own = "<memtune><hard_limit unit='MiB'>40</hard_limit>\
               <swap_hard_limit unit='MiB'>48</swap_hard_limit></memtune>\
               <resource><partition>/machine</partition></resource>";
    containers.define(&limited(&containers, "other", own));
    containers.virsh(&["start", "other"]).ok();
    let memory = group(&containers, "other", "memory").unwrap();
    assert_eq!(read(&memory, HARD), mib(40));
    containers.virsh(&["destroy", "other"]).ok();
}

#[test]
fn limits_that_cannot_be_kept_are_refused_and_leave_nothing() {
    let Some(containers) = Containers::start() else {
        return;
    };
    for (limits, named) in [
        (
            "<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>",
            "<vcpupin>",
        ),
        (
            "<memtune><swap_hard_limit unit='MiB'>1</swap_hard_limit></memtune>",
            "swap_hard_limit",
        ),
        ("<vcpu cpuset='900'>1</vcpu>", "cpuset.cpus"),
        (
            "<blkiotune><device><path>/nowhere</path><read_bytes_sec>9</read_bytes_sec></device>\
             </blkiotune>",
            "/nowhere",
        ),
        (
            "<resource><partition>/nowhere</partition></resource>",
            "nowhere",
        ),
    ] {
        containers.define(&limited(&containers, "box", limits));
        let refused = containers.virsh(&["start", "box"]).failed();
        assert!(refused.contains(named), "{named}: {refused}");
        assert_eq!(containers.left(), Vec::<String>::new());
    }
    // Neither is there anything in the way of the next start.
    containers.define(&containers.service("box"));
    containers.virsh(&["start", "box"]).ok();
    containers.virsh(&["destroy", "box"]).ok();
}
