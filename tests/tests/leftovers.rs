//! A start that fails leaves nothing behind: no process, no tap, no socket, no cgroup, no file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use virt_tests::guest;
use virt_tests::host::{Host, PATIENCE, eventually};
use virt_tests::target::{is_root, skipped};

/// Everything of the host that a guest of that name could leave.
fn inventory(host: &Host, guest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for below in ["etc", "run", "var/lib"] {
        collect(&host.path(below), &mut found);
    }
    for line in host.inside(&["ip", "-o", "link"]).ok().lines() {
        let name = line.split(": ").nth(1).unwrap_or(line);
        found.insert(format!("link {name}"));
    }
    for pid in host.processes() {
        // Threads and workers of the daemon itself come and go; guests and their helpers are others.
        if pid != host.daemon_pid() {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            found.insert(format!("process {} {pid}", name.trim()));
        }
    }
    found.extend(guest_cgroups(Path::new("/sys/fs/cgroup"), guest, 0));
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.insert(entry.path().to_string_lossy().into_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
}

/// Control groups of guests of that name; those of other tests' guests come and go.
fn guest_cgroups(folder: &Path, guest: &str, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    if depth > 4 {
        return found;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        // Their names have `-` escaped.
        if name.replace("\\x2d", "-").contains(guest) {
            found.push(format!("cgroup {}", entry.path().display()));
        }
        found.extend(guest_cgroups(&entry.path(), guest, depth + 1));
    }
    found
}

/// Starts a guest with these devices, which must fail with all of `words` in the error, and then
/// looks around.
#[track_caller]
fn fails_without_a_trace(host: &Host, guest: &str, xml: &str, words: &[&str]) {
    let file = host.write("fails.xml", xml);
    let before = inventory(host, guest);
    let error = host.virsh(&["create", &file]).failed();
    for word in words {
        assert!(error.contains(word), "{error}\nlacks {word}");
    }
    nothing_more(host, guest, &before, &error);
    assert_eq!(host.virsh(&["list", "--all", "--name"]).ok().trim(), "");
}

/// Waits until there is nothing that was not there before.
#[track_caller]
fn nothing_more(host: &Host, guest: &str, before: &BTreeSet<String>, after: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let more: Vec<String> = inventory(host, guest).difference(before).cloned().collect();
        if more.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "left behind: {more:#?}\nafter: {after}"
        );
        sleep(Duration::from_millis(50));
    }
}

/// What a guest with devices of many kinds sets up before the device that fails.
fn much(host: &Host, bridge: &str) -> String {
    let disk = host.path("good.img");
    fs::File::create(&disk).unwrap().set_len(1 << 20).unwrap();
    let link = if is_root() {
        format!(
            "<interface type='bridge'><source bridge='{bridge}'/><model type='virtio'/></interface>"
        )
    } else {
        "<interface type='user'/>".to_owned()
    };
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vda' bus='virtio'/></disk>{link}\
         <serial type='unix'><source mode='bind' path='{}'/></serial>\
         <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>\
         <graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>",
        disk.display(),
        host.path("work/serial.sock").display(),
    )
}

fn bridged(name: &str) -> Host {
    let host = Host::start();
    if is_root() {
        host.inside(&["ip", "link", "add", name, "type", "bridge"])
            .ok();
    }
    // What the first guest of all creates stays, and is not a guest's.
    host.create(&guest::firmware_only("first", &much(&host, name)));
    host.virsh(&["destroy", "first"]).ok();
    eventually("the first guest gone", || host.qemus().is_empty());
    host
}

#[test]
fn a_missing_disk() {
    let host = bridged("left0");
    let missing = host.path("missing.img");
    let devices = format!(
        "{}<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vdb' bus='virtio'/></disk>",
        much(&host, "left0"),
        missing.display()
    );
    let xml = guest::firmware_only("leftover-disk", &devices);
    fails_without_a_trace(
        &host,
        "leftover-disk",
        &xml,
        &["missing.img", "No such file or directory"],
    );
}

#[test]
fn a_missing_bridge() {
    if !is_root() {
        skipped("only root has bridges");
        return;
    }
    let host = bridged("left1");
    let devices = much(&host, "left1")
        + "<interface type='bridge'><source bridge='nobridge0'/><model type='virtio'/></interface>";
    let xml = guest::firmware_only("leftover-bridge", &devices);
    fails_without_a_trace(&host, "leftover-bridge", &xml, &["nobridge0"]);
}

#[test]
fn a_missing_kernel() {
    let host = bridged("left2");
    let kernel = format!(
        "</type><kernel>{}/no-kernel</kernel>",
        host.root().display()
    );
    let xml = guest::firmware_only("leftover-kernel", &much(&host, "left2"));
    let xml = xml.replace("</type>", &kernel);
    fails_without_a_trace(&host, "leftover-kernel", &xml, &["no-kernel"]);
}

#[test]
fn a_missing_emulator() {
    let host = bridged("left3");
    let xml = guest::firmware_only("leftover-binary", &much(&host, "left3"))
        .replace("/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-none");
    fails_without_a_trace(
        &host,
        "leftover-binary",
        &xml,
        &["/usr/bin/qemu-system-none"],
    );
}

#[test]
fn an_emulator_that_ends_during_its_start() {
    let host = bridged("left4");
    // A wrapper that is QEMU to every question and fails as a guest, with its last words.
    let wrapper = host.path("qemu-wrapper");
    fs::write(
        &wrapper,
        "#!/bin/sh\ncase \"$*\" in *leftover-*) echo 'these are my last words' >&2; exit 3;; esac\n\
         exec /usr/bin/qemu-system-x86_64 \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let xml = guest::firmware_only("leftover-words", &much(&host, "left4"))
        .replace("/usr/bin/qemu-system-x86_64", &wrapper.to_string_lossy());
    fails_without_a_trace(&host, "leftover-words", &xml, &["these are my last words"]);
}

#[test]
fn a_device_that_qemu_refuses() {
    let host = bridged("left5");
    // The port is taken by this test: QEMU itself finds out. Inside the host's own network.
    let taken =
        "<serial type='unix'><source mode='bind' path='/nonexistent/folder/serial'/></serial>";
    let xml = guest::firmware_only("leftover-device", &(much(&host, "left5") + taken));
    fails_without_a_trace(
        &host,
        "leftover-device",
        &xml,
        &["/nonexistent/folder/serial"],
    );
}

#[test]
fn a_guest_that_ran_leaves_no_more() {
    let host = bridged("left6");
    let before = inventory(&host, "leftover-ran");
    for _ in 0..3 {
        host.create(&guest::firmware_only("leftover-ran", &much(&host, "left6")));
        host.virsh(&["destroy", "leftover-ran"]).ok();
    }
    // One more that ends by itself.
    host.create(&guest::firmware_only("leftover-ran", &much(&host, "left6")));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(host.qemu_pid("leftover-ran")).unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    nothing_more(&host, "leftover-ran", &before, "it ended by itself");
}
