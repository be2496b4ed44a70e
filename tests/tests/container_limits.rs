//! Containers are kept by control groups of their own: limits that are set when they start and changed
//! while they run, what they use, their pause, and what of it the next daemon finds again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::groups::folder;
use virt_tests::host::{eventually, process_runs};
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
    let Some(containers) = Containers::beyond_stock(
        "the stock driver starts a container without limits that it cannot keep",
    ) else {
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
        containers.virsh(&["undefine", "box"]).ok();
    }
    // Neither is there anything in the way of the next start.
    containers.define(&containers.service("box"));
    containers.virsh(&["start", "box"]).ok();
    containers.virsh(&["destroy", "box"]).ok();
}

#[test]
fn memory_is_limited_while_a_container_runs() {
    let Some(mut containers) =
        Containers::beyond_stock("the stock driver forgets a hard limit over a new size")
    else {
        return;
    };
    containers.define(&containers.service("box"));
    let off = containers.virsh(&["memtune", "box"]).ok();
    assert!(off.contains("hard_limit     : unlimited"), "{off}");
    containers.virsh(&["start", "box"]).ok();
    let Some(memory) = group(&containers, "box", "memory") else {
        return;
    };
    let told = containers.virsh(&["memtune", "box"]).ok();
    assert!(told.contains("hard_limit     : 65536"), "{told}");
    // What it uses is what it has, and a shell and a half need little of its 64 MiB.
    let info = containers.virsh(&["dominfo", "box"]).ok();
    assert!(info.contains("Max memory:     65536 KiB"), "{info}");
    assert!(info.contains("Managed save:   no"), "{info}");
    let used = info.lines().find_map(|line| {
        let used = line.strip_prefix("Used memory:")?.trim();
        used.strip_suffix(" KiB")?.parse::<u64>().ok()
    });
    assert!((1..30 << 10).contains(&used.unwrap()), "{info}");

    containers
        .virsh(&["setmem", "box", "48M", "--live", "--config"])
        .ok();
    assert_eq!(read(&memory, HARD), mib(48));
    let too_much = containers.virsh(&["setmem", "box", "65M"]).failed();
    assert!(too_much.contains("Cannot set memory higher than max memory"));
    let fixed = containers.virsh(&["setmaxmem", "box", "128M", "--live"]);
    assert!(
        fixed
            .failed()
            .contains("Cannot resize the max memory on an active domain")
    );
    containers
        .virsh(&["setmaxmem", "box", "128M", "--config"])
        .ok();

    let limits = [
        "memtune",
        "box",
        "--hard-limit",
        "40M",
        "--soft-limit",
        "20M",
        "--live",
        "--config",
    ];
    containers.virsh(&limits).ok();
    assert_eq!(
        (read(&memory, HARD), read(&memory, SOFT)),
        (mib(40), mib(20))
    );
    // More than that limit it does not get by its size.
    containers.virsh(&["setmem", "box", "60M"]).ok();
    assert_eq!(read(&memory, HARD), mib(40));

    // The next daemon finds the groups again.
    containers.end(Signal::SIGKILL);
    containers.again();
    let told = containers.virsh(&["memtune", "box"]).ok();
    assert!(told.contains("hard_limit     : 40960"), "{told}");
    let xml = containers.virsh(&["dumpxml", "box"]).ok();
    assert!(
        xml.contains("<currentMemory unit='KiB'>61440</currentMemory>"),
        "{xml}"
    );
    containers.virsh(&["destroy", "box"]).ok();
    assert!(!memory.exists());
    let kept = containers.virsh(&["dumpxml", "box"]).ok();
    assert!(
        kept.contains("<memory unit='KiB'>131072</memory>"),
        "{kept}"
    );
    assert!(
        kept.contains("<hard_limit unit='KiB'>40960</hard_limit>"),
        "{kept}"
    );
}

#[test]
fn processor_time_is_shared_out_and_counted() {
    let Some(containers) = Containers::beyond_stock("the stock driver has no virDomainGetVcpus")
    else {
        return;
    };
    let busy = "<init>/bin/sh</init><initarg>-c</initarg><initarg>while :; do :; done</initarg>";
    let xml = containers.xml("box", busy, "");
    let cpuset = "<vcpu cpuset='0'>1</vcpu><os>";
    containers.define(&xml.replace("<os>", cpuset));
    containers.virsh(&["start", "box"]).ok();
    let Some(cpu) = group(&containers, "box", "cpu") else {
        return;
    };
    let set =
        |word: &str| containers.virsh(&["schedinfo", "box", "--live", "--config", "--set", word]);
    let told = set("vcpu_quota=30000").ok();
    assert!(told.contains("Scheduler      : posix"), "{told}");
    assert!(told.contains("vcpu_quota     : 30000"), "{told}");
    assert!(read(&cpu, QUOTA).starts_with("30000"));
    set("cpu_shares=700").ok();
    assert_eq!(read(&cpu, SHARES), "700");
    assert!(
        !containers
            .virsh(&["schedinfo", "box"])
            .ok()
            .contains("global")
    );
    let refused = set("global_quota=30000").failed();
    assert!(
        refused.contains("invalid scheduler option: global_quota"),
        "{refused}"
    );

    // Version 2 does not count by processor of the host.
    let stats = containers.virsh(&["cpu-stats", "box"]);
    match stats.code {
        0 => assert!(stats.out.contains("CPU0:") && !stats.out.contains("vcpu_time")),
        _ => assert!(stats.err.contains("getCpuacctPercpuUsage"), "{}", stats.err),
    }
    let total = containers.virsh(&["cpu-stats", "box", "--total"]).ok();
    assert!(
        !total.contains("cpu_time             0.000000000"),
        "{total}"
    );

    let info = containers.virsh(&["vcpuinfo", "box"]).ok();
    for line in [
        "VCPU:           0",
        "CPU:            0",
        "State:          running",
        "CPU time:",
    ] {
        assert!(info.contains(line), "{line}: {info}");
    }
    assert_eq!(
        containers
            .virsh(&["vcpucount", "box", "--live", "--active"])
            .ok()
            .trim(),
        "1"
    );
    let pins = containers.virsh(&["vcpupin", "box"]).ok();
    assert_eq!(pins.split_whitespace().collect::<Vec<_>>(), ["0", "0"]);
    containers.virsh(&["destroy", "box"]).ok();
    let kept = containers.virsh(&["schedinfo", "box"]).ok();
    assert!(kept.contains("cpu_shares     : 700"), "{kept}");
}

#[test]
fn block_devices_are_limited() {
    let Some(containers) = Containers::start() else {
        return;
    };
    // Any block device of the host will do.
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let mut devices = devices.map(|one| Path::new("/dev").join(one.file_name()));
    let Some(device) = devices.find(|path| path.exists()) else {
        return skipped("the host has no block device");
    };
    let device = device.to_string_lossy();
    let limits = format!(
        "<blkiotune><device><path>{device}</path><read_bytes_sec>1000000</read_bytes_sec></device>\
         </blkiotune>"
    );
    containers.define(&limited(&containers, "box", &limits));
    containers.virsh(&["start", "box"]).ok();
    let Some(blkio) = group(&containers, "box", "blkio") else {
        return;
    };
    let file = &["blkio.throttle.read_bps_device", "io.max"];
    assert!(read(&blkio, file).contains("1000000"));
    let pair = format!("{device},2000000");
    containers
        .virsh(&["blkiotune", "box", "--device-read-bytes-sec", &pair])
        .ok();
    assert!(read(&blkio, file).contains("2000000"));
    let told = containers.virsh(&["blkiotune", "box"]).ok();
    assert!(
        told.contains(&format!("device_read_bytes_sec: {pair}")),
        "{told}"
    );
    containers.virsh(&["destroy", "box"]).ok();
}

/// Whether a container's shell counts on.
fn counts(containers: &Containers) -> bool {
    let file = containers.root().join("count");
    let length = || fs::metadata(&file).map_or(0, |data| data.len());
    let before = length();
    std::thread::sleep(Duration::from_millis(300));
    length() > before
}

#[test]
fn a_container_stands_still_and_goes_on() {
    let Some(mut containers) = Containers::beyond_stock(
        "the next stock daemon takes a container that stands for one that runs",
    ) else {
        return;
    };
    let count = "<init>/bin/sh</init><initarg>-c</initarg>\
                 <initarg>while :; do echo x >>/count; sleep 0.05; done</initarg>";
    containers.define(&containers.xml("box", count, ""));
    containers.define(&containers.service("other"));
    containers.virsh(&["start", "box"]).ok();
    eventually("it counts", || counts(&containers));
    let heard = containers.python(
        "libvirt.virEventRegisterDefaultImpl()\n\
         watcher = libvirt.open(None)\n\
         def told(conn, dom, event, detail, _): print(dom.name(), event, detail)\n\
         watcher.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, told, None)\n\
         dom = conn.lookupByName('box')\n\
         dom.suspend()\ndom.suspend()\ndom.resume()\ndom.suspend()\n\
         end = time.time() + 1\n\
         libvirt.virEventAddTimeout(100, lambda *_: None, None)\n\
         while time.time() < end: libvirt.virEventRunDefaultImpl()",
    );
    // Standing still already is no news.
    assert_eq!(heard.ok(), "box 3 0\nbox 4 0\nbox 3 0\n");
    let state = |containers: &Containers| {
        let told = containers.virsh(&["domstate", "--reason", "box"]).ok();
        told.trim().to_owned()
    };
    assert_eq!(state(&containers), "paused (user)");
    assert!(!counts(&containers));
    let listed = containers.virsh(&["list", "--state-paused", "--name"]).ok();
    assert_eq!(listed.trim(), "box");
    // It holds nobody up: neither who looks at it nor who starts another.
    let before = Instant::now();
    containers.virsh(&["dominfo", "box"]).ok();
    containers.virsh(&["start", "other"]).ok();
    containers.virsh(&["destroy", "other"]).ok();
    assert!(before.elapsed() < Duration::from_secs(5));

    // The next daemon finds it as it is, whatever the last one had said of it by then.
    containers.end(Signal::SIGKILL);
    let file = containers.host.path("run/libvirt/lxc/box.xml");
    let status = fs::read_to_string(&file).unwrap();
    assert!(status.contains("state='paused' reason='user'"), "{status}");
    let outdated = status.replace(
        "state='paused' reason='user'",
        "state='running' reason='booted'",
    );
    fs::write(&file, outdated).unwrap();
    containers.again();
    assert_eq!(state(&containers), "paused (user)");
    containers.virsh(&["resume", "box"]).ok();
    assert_eq!(state(&containers), "running (unpaused)");
    eventually("it counts again", || counts(&containers));
    let running = containers.virsh(&["resume", "box"]).failed();
    assert!(running.contains("domain is already running"), "{running}");

    // What stands ends as well.
    containers.virsh(&["suspend", "box"]).ok();
    let controller = containers.controller("box");
    let before = Instant::now();
    containers.virsh(&["destroy", "box"]).ok();
    assert!(before.elapsed() < Duration::from_secs(5));
    assert!(!process_runs(controller));
    assert_eq!(state(&containers), "shut off (destroyed)");
    assert_eq!(containers.left(), Vec::<String>::new());
    let off = containers.virsh(&["suspend", "box"]).failed();
    assert!(off.contains("domain is not running"), "{off}");
}

#[test]
fn statistics_tell_what_a_container_uses() {
    let Some(containers) =
        Containers::beyond_stock("the stock driver has no virDomainListGetStats")
    else {
        return;
    };
    let busy = "<init>/bin/sh</init><initarg>-c</initarg>\
                <initarg>while :; do echo x >/file; cat /file >/dev/null; done</initarg>";
    containers.define(&containers.xml("box", busy, ""));
    let off = containers.virsh(&["domstats", "box"]).ok();
    for line in [
        "state.state=5",
        "cpu.time=0",
        "balloon.maximum=65536",
        "vcpu.current=1",
    ] {
        assert!(off.contains(line), "{line}: {off}");
    }
    containers.virsh(&["start", "box"]).ok();
    let figure = |told: &str, name: &str| {
        let line = told.lines().find_map(|line| {
            let (field, value) = line.trim().split_once('=')?;
            (field == name).then(|| value.parse::<f64>().unwrap())
        });
        line.unwrap_or_else(|| panic!("no {name}: {told}"))
    };
    eventually("it is counted", || {
        let told = containers.virsh(&["domstats", "box"]).ok();
        figure(&told, "cpu.time") > 0.0 && figure(&told, "balloon.rss") > 0.0
    });
    let told = containers.virsh(&["domstats", "box"]).ok();
    assert_eq!(figure(&told, "state.state"), 1.0);
    assert_eq!(figure(&told, "vcpu.0.state"), 1.0);
    assert!(figure(&told, "vcpu.0.time") > 0.0);
    assert_eq!(figure(&told, "net.count"), 0.0);
    assert!(figure(&told, "balloon.minor_fault") > 0.0);
    if group(&containers, "box", "blkio").is_some() {
        figure(&told, "block.count");
        let io = containers.virsh(&["domblkstat", "box", ""]).ok();
        assert!(io.contains("wr_bytes"), "{io}");
        let unknown = containers.virsh(&["domblkstat", "box", "vda"]).failed();
        assert!(unknown.contains("invalid path: vda"), "{unknown}");
    }
    // By group it is version 2's to tell, and not every kernel counts it.
    let groups = fs::read_to_string("/proc/mounts").unwrap();
    let v2 = groups.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        (fields[2] == "cgroup2").then(|| PathBuf::from(fields[1]))
    });
    match v2.filter(|mount| mount.join("machine/cpu.pressure").exists()) {
        Some(_) => {
            assert!(figure(&told, "cpu.pressure.some.avg10") >= 0.0);
            figure(&told, "memory.pressure.some.total");
            figure(&told, "block.pressure.full.avg300");
        }
        None => skipped("no pressure is told by group here"),
    }
    // One kind alone, and one that containers don't have.
    let state = containers.virsh(&["domstats", "box", "--state"]).ok();
    assert!(!state.contains("cpu."), "{state}");
    let none = containers.virsh(&["domstats", "box", "--dirtyrate", "--enforce"]);
    let none = none.failed();
    assert!(
        none.contains("bits 0x200 are not supported by this daemon"),
        "{none}"
    );
    let memory = containers.virsh(&["dommemstat", "box"]).ok();
    for tag in ["actual 65536", "rss ", "major_fault "] {
        assert!(memory.contains(tag), "{tag}: {memory}");
    }
    // A container that stands is told of as well.
    containers.virsh(&["suspend", "box"]).ok();
    let told = containers.virsh(&["domstats", "box"]).ok();
    assert_eq!(figure(&told, "state.state"), 3.0);
    containers.virsh(&["destroy", "box"]).ok();
}
