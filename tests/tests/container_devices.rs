//! What of the host a container gets: block and character devices, images, file systems on them; in its
//! definition and while it runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::ran::run;
use virt_tests::target::have;

const MKFS: &str = "/sbin/mkfs.ext4";

/// Runs a command in a container.
fn inside(containers: &Containers, name: &str, script: &str) -> String {
    let enter = [
        "lxc-enter-namespace",
        name,
        "--noseclabel",
        "/bin/sh",
        "-c",
        script,
    ];
    containers.virsh(&enter).ok()
}

/// An image of the host.
fn image(containers: &Containers, name: &str) -> String {
    let path = containers.host.work().join(name);
    File::create(&path).unwrap().set_len(16 << 20).unwrap();
    path.to_string_lossy().into_owned()
}

/// The same with a file system, in which there is a file.
fn file_system(containers: &Containers, name: &str) -> String {
    let folder = containers.host.work().join("content");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("greeting"), "hello").unwrap();
    let image = image(containers, name);
    run(Command::new(MKFS)
        .args(["-q", "-d"])
        .arg(&folder)
        .arg(&image))
    .ok();
    image
}

/// Loop devices whose image is below that folder.
fn loops(folder: &Path) -> Vec<String> {
    let devices = fs::read_dir("/sys/block").unwrap().flatten();
    let files = devices.map(|device| device.path().join("loop/backing_file"));
    let images = files.filter_map(|file| fs::read_to_string(file).ok());
    let folder = folder.to_string_lossy().into_owned();
    images
        .map(|image| image.trim().to_owned())
        .filter(|image| image.starts_with(&folder))
        .collect()
}

#[test]
fn a_container_has_disks_and_host_devices() {
    let Some(containers) = Containers::start() else {
        return;
    };
    let image = image(&containers, "disk.img");
    let devices = format!(
        "<disk type='file'><source file='{image}'/><target dev='vda'/></disk>\
         <hostdev mode='capabilities' type='misc'><source><char>/dev/kmsg</char></source></hostdev>"
    );
    containers.define(&containers.xml("box", "<init>/bin/service</init>", &devices));
    containers.virsh(&["start", "box"]).ok();
    assert_eq!(loops(&containers.host.work()), std::slice::from_ref(&image));
    let said = inside(
        &containers,
        "box",
        "ls -l /dev/vda /dev/kmsg; echo written >/dev/vda; cat /dev/vda | grep -c written",
    );
    let lines: Vec<_> = said.lines().collect();
    assert!(
        lines[0].starts_with('c') && lines[1].starts_with('b'),
        "{said}"
    );
    assert_eq!(lines[2], "1", "{said}");
    containers.virsh(&["destroy", "box"]).ok();
    assert_eq!(loops(&containers.host.work()), Vec::<String>::new());
    assert!(fs::read(&image).unwrap().starts_with(b"written\n"));
}

#[test]
fn file_systems_on_images_are_mounted_for_those_who_map_users_too() {
    let Some(containers) = Containers::beyond_stock(
        "the stock driver starts none with users of its own and the network of the host",
    ) else {
        return;
    };
    if !have(&[MKFS]) {
        return;
    }
    let image = file_system(&containers, "fs.img");
    let devices = format!(
        "<filesystem type='file'><driver type='loop' format='raw'/><source file='{image}'/>\
         <target dir='/srv'/><readonly/></filesystem>"
    );
    let map = "<idmap><uid start='0' target='100000' count='65536'/>\
               <gid start='0' target='100000' count='65536'/></idmap>";
    for map in ["", map] {
        let xml = containers.xml("box", "<init>/bin/service</init>", &devices);
        containers.define(&xml.replace("<devices>", &format!("{map}<devices>")));
        containers.virsh(&["start", "box"]).ok();
        let script = "cat /srv/greeting; touch /srv/new 2>/dev/null || echo ' readonly'";
        assert_eq!(inside(&containers, "box", script), "hello readonly\n");
        // Whoever kills daemon and controller: the next daemon finds the loop device.
        let controller = containers.controller("box");
        virt_tests::host::send(controller, Signal::SIGKILL);
        virt_tests::host::eventually("the end", || containers.state("box") == "shut off");
        assert_eq!(loops(&containers.host.work()), Vec::<String>::new());
        containers.virsh(&["undefine", "box"]).ok();
    }
}

#[test]
fn a_killed_daemon_leaves_no_loop_device_to_the_next() {
    let Some(mut containers) = Containers::beyond_stock(
        "the stock driver asks no second time for a loop device that another took",
    ) else {
        return;
    };
    let image = image(&containers, "disk.img");
    let disk = format!("<disk type='file'><source file='{image}'/><target dev='vda'/></disk>");
    containers.define(&containers.xml("box", "<init>/bin/service</init>", &disk));
    containers.virsh(&["start", "box"]).ok();
    let controller = containers.controller("box");
    containers.end(Signal::SIGKILL);
    assert_eq!(loops(&containers.host.work()), [image]);
    virt_tests::host::send(controller, Signal::SIGKILL);
    containers.again();
    assert_eq!(containers.state("box"), "shut off");
    assert_eq!(loops(&containers.host.work()), Vec::<String>::new());
}

#[test]
fn what_a_container_can_not_have_is_refused_by_name() {
    let Some(containers) =
        Containers::beyond_stock("the stock driver starts a container without what it cannot have")
    else {
        return;
    };
    let text = image(&containers, "text");
    for (devices, expected) in [
        (
            "<disk type='file'><source file='/nowhere.img'/><target dev='vda'/></disk>",
            "/nowhere.img",
        ),
        (
            "<disk type='block'><source dev='/dev/null'/><target dev='vda'/></disk>",
            "'/dev/null' is no block device",
        ),
        (
            "<disk type='file'><driver type='qcow2'/><source file='/a'/><target dev='vda'/></disk>",
            "convert it to raw",
        ),
        (
            "<hostdev mode='capabilities' type='misc'><source><char>/etc/passwd</char></source></hostdev>",
            "below /dev",
        ),
        (
            &format!(
                "<filesystem type='file'><source file='{text}'/><target dir='/srv'/></filesystem>"
            ),
            "there is no file system on",
        ),
    ] {
        containers.define(&containers.xml("box", "<init>/bin/service</init>", devices));
        let refused = containers.virsh(&["start", "box"]).failed();
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(containers.left(), Vec::<String>::new());
        assert_eq!(loops(&containers.host.work()), Vec::<String>::new());
        containers.virsh(&["undefine", "box"]).ok();
    }
}

#[test]
fn a_running_container_gets_devices_and_loses_them() {
    let Some(mut containers) = Containers::beyond_stock("the stock driver attaches no images")
    else {
        return;
    };
    let image = image(&containers, "disk.img");
    containers.define(&containers.service("box"));
    containers.virsh(&["start", "box"]).ok();
    let both = ["--live", "--config"];
    let attach = ["attach-disk", "box", &image, "vda", "--sourcetype", "file"];
    containers.virsh(&[&attach[..], &both].concat()).ok();
    let again = containers.virsh(&attach).failed();
    assert!(again.contains("target vda already exists"), "{again}");
    let hostdev = containers.host.write(
        "hostdev.xml",
        "<hostdev mode='capabilities' type='misc'><source><char>/dev/kmsg</char></source></hostdev>",
    );
    containers.virsh(&["attach-device", "box", &hostdev]).ok();
    // The next daemon knows of them.
    containers.end(Signal::SIGKILL);
    containers.again();
    assert_eq!(loops(&containers.host.work()), std::slice::from_ref(&image));
    let script = "echo written >/dev/vda; ls /dev | grep -c -e vda -e kmsg";
    assert_eq!(inside(&containers, "box", script), "2\n");
    let live = containers.virsh(&["dumpxml", "box"]).ok();
    assert!(
        live.contains("<alias name='disk0'/>") && live.contains("/dev/kmsg"),
        "{live}"
    );
    let kept = containers.virsh(&["dumpxml", "box", "--inactive"]).ok();
    assert!(
        kept.contains("dev='vda'") && !kept.contains("/dev/kmsg"),
        "{kept}"
    );
    containers.virsh(&["detach-device", "box", &hostdev]).ok();
    containers
        .virsh(&[&["detach-disk", "box", "vda"], &both[..]].concat())
        .ok();
    assert_eq!(
        inside(
            &containers,
            "box",
            "ls /dev | grep -c -e vda -e kmsg || true"
        ),
        "0\n"
    );
    assert_eq!(loops(&containers.host.work()), Vec::<String>::new());
    assert!(fs::read(&image).unwrap().starts_with(b"written\n"));
    let disk = "<disk type='file'><source file='/a'/><target dev='vda'/></disk>";
    let disk = containers.host.write("disk.xml", disk);
    let gone = containers.virsh(&["detach-device", "box", &disk]).failed();
    assert!(gone.contains("disk vda not found"), "{gone}");
    // Who mounts something else over its /dev gets nothing more.
    inside(&containers, "box", "mount -t proc proc /dev");
    let refused = containers.virsh(&attach).failed();
    assert!(
        refused.contains("mounted something else over its /dev"),
        "{refused}"
    );
    assert_eq!(loops(&containers.host.work()), Vec::<String>::new());
    containers.virsh(&["destroy", "box"]).ok();
}

#[test]
fn devices_are_those_of_the_containers_own_root() {
    let Some(containers) = Containers::beyond_stock(
        "the stock driver makes a folder in the root before it maps users",
    ) else {
        return;
    };
    let map = "<idmap><uid start='0' target='100000' count='65536'/>\
               <gid start='0' target='100000' count='65536'/></idmap>";
    let xml = containers.xml("box", "<init>/bin/service</init>", "");
    containers.define(&xml.replace("<devices>", &format!("{map}<devices>")));
    let refused = containers.virsh(&["start", "box"]).failed();
    assert!(refused.contains("chown"), "{refused}");
    // Its root is its own from here on.
    let mut give = Command::new("chown");
    give.args(["-hR", "100000:100000"]).arg(containers.root());
    run(&mut give).ok();
    containers.virsh(&["start", "box"]).ok();
    let image = image(&containers, "disk.img");
    containers
        .virsh(&["attach-disk", "box", &image, "vda"])
        .ok();
    for device in ["vda", "null"] {
        let said = inside(&containers, "box", &format!("ls -ln /dev/{device}"));
        let owner: Vec<_> = said.split_whitespace().skip(2).take(2).collect();
        assert_eq!(owner, ["0", "0"], "{said}");
    }
    containers.virsh(&["destroy", "box"]).ok();
    assert_eq!(loops(&containers.host.work()), Vec::<String>::new());
}

#[test]
fn a_container_uses_no_device_that_it_was_not_given() {
    let Some(containers) = Containers::beyond_stock(
        "whoever enters a container of the stock driver uses any device of the host",
    ) else {
        return;
    };
    let hostdev = "<hostdev mode='capabilities' type='misc'><source><char>/dev/kmsg</char></source></hostdev>";
    let xml = containers.xml("box", "<init>/bin/service</init>", "");
    containers.define(&xml);
    containers.virsh(&["start", "box"]).ok();
    // Whoever enters it has all capabilities, and makes the node at least where the kernel lets them.
    let tried = "/bin/busybox mknod /kmsg c 1 11 2>/dev/null; (: </kmsg) 2>/dev/null && echo read || echo refused; \
                 : </dev/null && : </dev/zero && echo usual; rm -f /kmsg";
    let tried = tried.replace("rm", "/bin/busybox rm");
    assert_eq!(inside(&containers, "box", &tried), "refused\nusual\n");
    let file = containers.host.write("hostdev.xml", hostdev);
    containers.virsh(&["attach-device", "box", &file]).ok();
    let open = "(: </dev/kmsg) 2>/dev/null && echo read || echo refused";
    assert_eq!(inside(&containers, "box", open), "read\n");
    containers.virsh(&["detach-device", "box", &file]).ok();
    assert_eq!(inside(&containers, "box", &tried), "refused\nusual\n");
    containers.virsh(&["destroy", "box"]).ok();
}

#[test]
fn what_a_container_may_use_is_told_to_the_audit_trail() {
    let Some(mut containers) = Containers::start() else {
        return;
    };
    if containers.host.target == virt_tests::target::Target::Stock {
        return virt_tests::target::skipped("reads our daemon's own log");
    }
    containers.end(Signal::SIGTERM);
    let conf = "audit_level = 0\naudit_logging = 1\nlog_level = 2\n";
    fs::write(containers.host.path("etc/libvirt/virtlxcd.conf"), conf).unwrap();
    containers.again();
    let image = image(&containers, "disk.img");
    containers.define(&containers.service("box"));
    containers.virsh(&["start", "box"]).ok();
    containers
        .virsh(&["attach-disk", "box", &image, "vda"])
        .ok();
    containers.virsh(&["detach-disk", "box", "vda"]).ok();
    containers.virsh(&["destroy", "box"]).ok();
    let log = fs::read_to_string(containers.host.path("virtlxcd.log")).unwrap();
    let log: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("virt=lxc"))
        .collect();
    let mut rest = log.iter();
    for record in [
        "op=init vm=\"box\"",
        "op=start reason=booted vm=\"box\"",
        "resrc=disk reason=attach",
        "resrc=cgroup reason=allow",
        "resrc=disk reason=detach",
        "resrc=cgroup reason=deny",
        "op=stop reason=destroyed",
    ] {
        assert!(
            rest.any(|line| line.contains(record)),
            "{record} is not told in its turn: {log:#?}"
        );
    }
    let all = ["reason=deny", "class=all"];
    assert!(
        log.iter()
            .any(|line| all.iter().all(|part| line.contains(part))),
        "{log:#?}"
    );
    assert!(
        log.iter()
            .any(|line| line.contains("class=path path=\"/dev/vda\" rdev=07:")),
        "{log:#?}"
    );
    assert!(
        log.iter()
            .any(|line| line.contains("class=major category=pty maj=88")),
        "{log:#?}"
    );
}
