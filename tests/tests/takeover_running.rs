//! Guests of many shapes that run go from one daemon to the other and back, and are used by each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use nix::sys::signal::Signal;
use virt_tests::host::{Host, eventually};
use virt_tests::target::{Target, have, is_root};

/// A shape of guest: its name, what `<domain>` has besides name, memory and `<os>`, the machine,
/// and its devices. `{W}` is the work folder.
struct Shape {
    name: &'static str,
    machine: &'static str,
    top: &'static str,
    devices: &'static str,
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "raw",
        machine: "pc",
        top: "",
        devices: "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>
            <source file='{W}/raw.raw'/><target dev='vda' bus='virtio'/></disk>",
    },
    Shape {
        name: "chain",
        machine: "q35",
        top: "",
        devices: "<disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>
            <source file='{W}/top.qcow2'/><target dev='vda' bus='virtio'/></disk>
            <disk type='file' device='disk'><driver name='qemu' type='raw' copy_on_read='on'/>
            <source file='{W}/chain.raw'/><target dev='vdb' bus='virtio'/></disk>",
    },
    Shape {
        name: "drives",
        machine: "q35",
        top: "",
        devices: "<disk type='file' device='cdrom'><source file='{W}/cd.iso'/>
            <target dev='sda' bus='sata'/><readonly/></disk>
            <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>",
    },
    Shape {
        name: "scsi",
        machine: "pc",
        top: "<iothreads>1</iothreads>",
        devices: "<controller type='scsi' model='virtio-scsi'/>
            <disk type='file' device='disk'><driver name='qemu' type='raw'/>
            <source file='{W}/scsi.raw'/><target dev='sda' bus='scsi'/>
            <iotune><total_iops_sec>1000</total_iops_sec></iotune><serial>S1</serial></disk>
            <disk type='file' device='disk'><driver name='qemu' type='raw' iothread='1'/>
            <source file='{W}/scsi2.raw'/><target dev='vda' bus='virtio'/></disk>",
    },
    Shape {
        name: "old",
        machine: "pc",
        top: "",
        devices: "<disk type='file' device='disk'><driver name='qemu' type='raw'/>
            <source file='{W}/old.raw'/><target dev='hda' bus='ide'/></disk>
            <disk type='file' device='floppy'><driver name='qemu' type='raw'/>
            <source file='{W}/floppy.img'/><target dev='fda' bus='fdc'/></disk>
            <interface type='user'><mac address='52:54:00:11:22:33'/><model type='rtl8139'/></interface>",
    },
    Shape {
        name: "usb",
        machine: "pc",
        top: "",
        devices: "<controller type='usb' model='qemu-xhci'/><input type='tablet' bus='usb'/>
            <disk type='file' device='disk'><driver name='qemu' type='raw'/>
            <source file='{W}/usb.raw'/><target dev='sda' bus='usb'/></disk>",
    },
    Shape {
        name: "screen",
        machine: "pc",
        top: "",
        devices: "<graphics type='vnc' port='-1' autoport='yes' websocket='-1' passwd='secret'/>
            <video><model type='vga'/></video><input type='keyboard' bus='virtio'/>
            <sound model='ich6'/>",
    },
    Shape {
        name: "lines",
        machine: "q35",
        top: "",
        devices: "<serial type='pty'/><console type='pty'><target type='virtio'/></console>
            <serial type='file'><source path='{W}/serial.log'/><target port='1'/></serial>
            <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
            <channel type='unix'><target type='virtio' name='org.example.0'/></channel>",
    },
    Shape {
        name: "many",
        machine: "q35",
        top: "<vcpu current='2'>4</vcpu>
            <cpu mode='custom' match='exact'><model>Nehalem</model>
            <topology sockets='2' cores='2' threads='1'/>
            <feature policy='disable' name='sse4.2'/>
            <numa><cell id='0' cpus='0-1' memory='16384'/><cell id='1' cpus='2-3' memory='16384'/></numa>
            </cpu>",
        devices: "<interface type='user'><mac address='52:54:00:11:22:34'/><model type='virtio'/></interface>",
    },
    Shape {
        name: "cards",
        machine: "pc",
        top: "<features><acpi/><apic/></features>",
        devices: "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
            <watchdog model='i6300esb' action='pause'/><panic model='isa'/>
            <memballoon model='virtio'><stats period='10'/></memballoon>
            <interface type='user'><mac address='52:54:00:11:22:35'/><model type='e1000'/></interface>",
    },
];

const IMAGES: &str = "set -e
for image in raw chain scsi scsi2 old usb; do truncate -s 1M $image.raw; done
truncate -s 1M cd.iso other.iso
truncate -s 1440K floppy.img
qemu-img create -q -f qcow2 base.qcow2 4M
qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 middle.qcow2
qemu-img create -q -f qcow2 -b $PWD/middle.qcow2 -F qcow2 top.qcow2";

impl Shape {
    fn xml(&self, host: &Host) -> String {
        let devices = self.devices.replace("{W}", &host.work().to_string_lossy());
        let quiet = |what: &str, word: &str| match devices.contains(word) {
            true => String::new(),
            false => what.to_owned(),
        };
        format!(
            "<domain type='qemu'><name>{}</name><memory unit='KiB'>32768</memory>{}
             <os><type arch='x86_64' machine='{}'>hvm</type></os>
             <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{}{}{devices}</devices></domain>",
            self.name,
            self.top,
            self.machine,
            quiet("<controller type='usb' model='none'/>", "'usb'"),
            quiet("<memballoon model='none'/>", "<memballoon"),
        )
    }
}

fn host(first: Target) -> Option<Host> {
    if !is_root() || !have(&["/usr/sbin/libvirtd"]) {
        println!("SKIPPED: needs root and the stock daemon");
        return None;
    }
    if Target::chosen() == Target::Stock {
        println!("SKIPPED: takes both daemons; run it without VIRT_TEST_TARGET");
        return None;
    }
    let mut host = Host::of(Target::Stock);
    host.target = first;
    Some(host)
}

fn switch(host: &mut Host) {
    let end = host.end_daemon(Signal::SIGTERM);
    // The stock daemon, ended while its threads still look at the host's devices, was seen to wait
    // 30 seconds for them, to log "Make forcefull daemon shutdown" and to exit with 1.
    let forced = host.target == Target::Stock && host.log().contains("Make forcefull");
    assert!(end == "exit 0" || forced, "{end}: {}", host.log());
    host.target = match host.target {
        Target::Stock => Target::Ours,
        Target::Ours => Target::Stock,
    };
    host.start_daemon();
}

/// All that must look the same under both daemons.
fn look(host: &Host, shape: &Shape) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    for words in [
        &["dumpxml"][..],
        &["dumpxml", "--security-info"],
        &["dumpxml", "--inactive"],
        &["dumpxml", "--migratable"],
        &["domblklist", "--details"],
        &["domiflist"],
        &["domid"],
        &["domstate", "--reason"],
        &["vcpucount"],
        &["domdisplay"],
        &["ttyconsole"],
        &["iothreadinfo"],
    ] {
        let mut words = words.to_vec();
        words.push(shape.name);
        let ran = host.virsh(&words);
        // A stock daemon that was started anew forgets this name, of its own guests, too.
        let text = format!("{}{}", ran.out, ran.err).replace(
            "model='none'>\n      <alias name='usb'/>\n    </controller>",
            "model='none'/>",
        );
        seen.push((words.join(" "), text));
    }
    // Numbers go on; what is counted stays.
    let stats = host
        .virsh(&["domstats", "--block", "--vcpu", shape.name])
        .ok();
    let keys = stats.lines().map(|line| match line.split_once('=') {
        Some((key, value)) if key.ends_with("name") || key.ends_with("path") => {
            format!("{key}={value}")
        }
        Some((key, _)) => key.to_owned(),
        None => line.to_owned(),
    });
    let keys: Vec<_> = keys.collect();
    seen.push(("domstats".to_owned(), keys.join("\n")));
    seen
}

/// What looks otherwise than before. A stock daemon that was started anew tells other hosts of
/// chains and labels that it left out before, of its own guests, too.
fn differences(before: &[(String, String)], after: &[(String, String)], by: Target) -> String {
    let mut told = String::new();
    for ((what, before), (_, after)) in before.iter().zip(after) {
        if before == after || by == Target::Stock && what.contains("--migratable") {
            continue;
        }
        told.push_str(&format!("{what}\n"));
        let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
        for (sign, lines, others) in [("-", &old, &new), ("+", &new, &old)] {
            for line in lines.iter().filter(|line| !others.contains(line)) {
                told.push_str(&format!("  {sign} {line}\n"));
            }
        }
    }
    told
}

fn use_it(host: &Host, shape: &Shape) {
    host.virsh(&["suspend", shape.name]).ok();
    assert_eq!(host.state(shape.name), "paused");
    host.virsh(&["resume", shape.name]).ok();
    assert_eq!(host.state(shape.name), "running");
    let disks = host.virsh(&["domblklist", shape.name]).ok();
    for disk in disks.lines().skip(2).filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        words.next().filter(|source| *source != "-")?;
        Some(name.to_owned())
    }) {
        host.virsh(&["domblkstat", shape.name, &disk]).ok();
        host.virsh(&["domblkinfo", shape.name, &disk]).ok();
    }
}

/// Ends a guest; the daemon has to tell of it.
fn end(host: &Host, shape: &Shape) {
    let ended = host.python(&format!(
        "
libvirt.virEventRegisterDefaultImpl()
seen = []
conn.close(); conn = libvirt.open(None)
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
    lambda c, d, event, detail, o: seen.append((d.name(), event, detail)), None)
conn.lookupByName('{}').destroy()
while not any(event == libvirt.VIR_DOMAIN_EVENT_STOPPED for _, event, _ in seen):
    libvirt.virEventRunDefaultImpl()
print(seen[-1])",
        shape.name
    ));
    let expected = format!("('{}', 5, 1)", shape.name);
    assert_eq!(ended.ok().trim(), expected);
}

fn there_and_back(first: Target) {
    let Some(mut host) = host(first) else { return };
    host.start_daemon();
    host.shell(IMAGES).ok();
    for shape in SHAPES {
        host.define(&shape.xml(&host));
        host.virsh(&["start", shape.name]).ok();
    }
    let pids = |host: &Host| {
        SHAPES
            .iter()
            .map(|s| host.qemu_pid(s.name))
            .collect::<Vec<_>>()
    };
    let before: Vec<_> = SHAPES.iter().map(|shape| look(&host, shape)).collect();
    let qemus = pids(&host);

    switch(&mut host);
    let mut told = String::new();
    for (shape, before) in SHAPES.iter().zip(&before) {
        told.push_str(&differences(before, &look(&host, shape), host.target));
        use_it(&host, shape);
    }
    assert!(
        told.is_empty(),
        "after {:?} took over:\n{told}",
        host.target
    );

    switch(&mut host);
    assert_eq!(pids(&host), qemus);
    for (shape, before) in SHAPES.iter().zip(&before) {
        // It was paused and let run again.
        let state = |seen: &(String, String)| seen.0.starts_with("domstate");
        let part = |seen: &[(String, String)]| {
            seen.iter()
                .filter(|s| !state(s))
                .cloned()
                .collect::<Vec<_>>()
        };
        told.push_str(&differences(
            &part(before),
            &part(&look(&host, shape)),
            host.target,
        ));
        use_it(&host, shape);
    }
    assert!(told.is_empty(), "back under {:?}:\n{told}", host.target);
    for shape in &SHAPES[..5] {
        end(&host, shape);
    }

    switch(&mut host);
    for shape in &SHAPES[..5] {
        assert_eq!(host.state(shape.name), "shut off");
    }
    for shape in &SHAPES[5..] {
        end(&host, shape);
    }
    eventually("all QEMUs' ends", || host.qemus().is_empty());
}

#[test]
fn guests_of_the_stock_daemon_go_to_ours_and_back() {
    there_and_back(Target::Stock);
}

#[test]
fn guests_of_ours_go_to_the_stock_daemon_and_back() {
    there_and_back(Target::Ours);
}

/// A guest with disks is saved by one daemon and goes on under the other.
fn saved_and_restored(first: Target) {
    let Some(mut host) = host(first) else { return };
    host.start_daemon();
    host.shell(IMAGES).ok();
    let chosen = ["chain", "drives", "many"];
    let shapes: Vec<_> = SHAPES.iter().filter(|s| chosen.contains(&s.name)).collect();
    let image = |shape: &Shape| format!("{}.save", shape.name);
    for shape in &shapes {
        host.define(&shape.xml(&host));
        host.virsh(&["start", shape.name]).ok();
        host.virsh(&["save", shape.name, &image(shape)]).ok();
    }
    switch(&mut host);
    for shape in &shapes {
        host.virsh(&["restore", &image(shape)]).ok();
        let reason = host.virsh(&["domstate", shape.name, "--reason"]).ok();
        assert_eq!(reason.trim(), "running (restored)");
        use_it(&host, shape);
        end(&host, shape);
    }
}

#[test]
fn guests_saved_by_the_stock_daemon_are_restored_by_ours() {
    saved_and_restored(Target::Stock);
}

#[test]
fn guests_saved_by_ours_are_restored_by_the_stock_daemon() {
    saved_and_restored(Target::Ours);
}
