//! Guests whose disks need more than a file: secrets and volumes, which are other daemons', overlays
//! that go with the guest, media that may be missing, servers. The distribution's libvirtd has the
//! secrets and pools here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use virt_tests::guest;
use virt_tests::host::{Host, eventually};
use virt_tests::target::{Target, have, is_root, skipped};

/// The host whose daemon clients talk to, and the one whose daemon has secrets and pools. The stock
/// daemon is both itself.
struct Pair {
    host: Host,
    _keeps: Option<Host>,
}

impl Pair {
    fn new() -> Option<Self> {
        if !is_root() || !have(&["/usr/sbin/libvirtd", "/usr/bin/qemu-img"]) {
            skipped("needs root, the stock daemon and qemu-img");
            return None;
        }
        let mut host = Host::without_daemon();
        let keeps = (host.target == Target::Ours).then(|| {
            let mut keeps = Host::of(Target::Stock);
            keeps.start_daemon();
            let run = host.path("run/libvirt");
            symlink(keeps.socket(), run.join("libvirt-sock")).unwrap();
            // By its token the daemons of a host know each other.
            symlink(keeps.path("run/libvirt/common"), run.join("common")).unwrap();
            keeps
        });
        host.start_daemon();
        Some(Self {
            host,
            _keeps: keeps,
        })
    }
}

fn command_line(host: &Host, guest: &str) -> String {
    let pid = host.qemu_pid(guest);
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

#[test]
fn an_encrypted_image_is_opened_with_a_secret_that_nobody_sees() {
    let Some(pair) = Pair::new() else { return };
    let host = &pair.host;
    let word = "open-sesame-4711";
    let image = host.work().join("luks.img");
    host.shell(&format!(
        "qemu-img create -q --object secret,id=s,data={word} -f luks -o key-secret=s,iter-time=10 \
         luks.img 4M && printf %s {word} > word && printf %s other > other"
    ))
    .ok();
    let uuid = "6dd3e4a5-1d76-44ce-961f-f119f5aad935";
    let secret = host.write(
        "secret.xml",
        &format!("<secret ephemeral='no' private='yes'><uuid>{uuid}</uuid></secret>"),
    );
    host.virsh(&["secret-define", &secret]).ok();
    host.define(&guest::firmware_only(
        "safe",
        &format!(
            "<disk type='file'><driver name='qemu' type='raw'/><source file='{}'>\
             <encryption format='luks'><secret type='passphrase' uuid='{uuid}'/></encryption>\
             </source><target dev='vda'/></disk>",
            image.display()
        ),
    ));
    let missing = host.virsh(&["start", "safe"]).failed();
    assert!(missing.contains(uuid), "{missing}");
    let set = |file: &str| {
        let file = host.work().join(file);
        let words = ["secret-set-value", uuid, "--plain", "--file"];
        host.virsh(&[&words[..], &[file.to_str().unwrap()]].concat())
            .ok();
    };
    set("other");
    let wrong = host.virsh(&["start", "safe"]).failed();
    assert!(wrong.contains("Invalid password"), "{wrong}");
    set("word");
    host.virsh(&["start", "safe"]).ok();
    let line = command_line(host, "safe");
    assert!(line.contains("\"driver\":\"luks\""), "{line}");
    assert!(!line.contains(word), "{line}");
    host.virsh(&["destroy", "safe"]).ok();
}

#[test]
fn a_volume_is_found_in_its_pool() {
    let Some(pair) = Pair::new() else { return };
    let host = &pair.host;
    let folder = host.work().join("pool");
    fs::create_dir(&folder).unwrap();
    let path = folder.to_str().unwrap();
    host.virsh(&["pool-define-as", "p", "dir", "--target", path])
        .ok();
    let disk = |name: &str, more: &str| {
        format!(
            "<disk type='volume'><driver name='qemu' type='qcow2'/>\
             <source pool='p' volume='{name}'{more}/><target dev='vda'/></disk>"
        )
    };
    host.define(&guest::firmware_only("vol", &disk("v", "")));
    let inactive = host.virsh(&["start", "vol"]).failed();
    assert!(
        inactive.contains("storage pool 'p' containing volume 'v' is not active"),
        "{inactive}"
    );
    host.virsh(&["pool-start", "p"]).ok();
    let missing = host.virsh(&["start", "vol"]).failed();
    assert!(
        missing.contains("no storage vol with matching name 'v'"),
        "{missing}"
    );
    host.virsh(&["vol-create-as", "p", "v", "1M", "--format", "qcow2"])
        .ok();
    host.virsh(&["start", "vol"]).ok();
    let line = command_line(host, "vol");
    assert!(line.contains(&format!("{path}/v\"")), "{line}");
    let live = host.virsh(&["dumpxml", "vol"]).ok();
    assert!(
        live.contains("<source pool='p' volume='v' index='"),
        "{live}"
    );
    host.virsh(&["destroy", "vol"]).ok();
    host.define(&guest::firmware_only(
        "maybe",
        &disk("gone", " startupPolicy='optional'"),
    ));
    host.virsh(&["start", "maybe"]).ok();
    let live = host.virsh(&["dumpxml", "maybe"]).ok();
    assert!(!live.contains("<disk"), "{live}");
    host.virsh(&["destroy", "maybe"]).ok();
}

#[test]
fn what_a_guest_writes_to_a_transient_disk_goes_with_it() {
    if !have(&["/usr/bin/qemu-img"]) {
        skipped("needs qemu-img");
        return;
    }
    let host = Host::start();
    let base = host.work().join("base.raw");
    fs::write(&base, vec![0; 1 << 20]).unwrap();
    let overlay = host.work().join("base.raw.TRANSIENT-tr");
    host.define(&guest::firmware_only(
        "tr",
        &format!(
            "<disk type='file'><driver name='qemu' type='raw'/><source file='{}'/>\
             <target dev='hda' bus='ide'/><transient/></disk>",
            base.display()
        ),
    ));
    host.virsh(&["start", "tr"]).ok();
    assert!(overlay.exists());
    let live = host.virsh(&["dumpxml", "tr"]).ok();
    assert!(
        live.contains("base.raw.TRANSIENT-tr' index='2'/>"),
        "{live}"
    );
    let empty = fs::metadata(&overlay).unwrap().len();
    host.virsh(&[
        "qemu-monitor-command",
        "tr",
        "--hmp",
        "qemu-io -d ide0-0-0 \"write -P 0xab 0 512\"",
    ])
    .ok();
    assert!(fs::metadata(&overlay).unwrap().len() > empty);
    let saved = host.virsh(&["save", "tr", "tr.save"]).failed();
    assert!(saved.contains("transient disk"), "{saved}");
    host.virsh(&["destroy", "tr"]).ok();
    assert!(!overlay.exists());
    assert!(fs::read(&base).unwrap().iter().all(|byte| *byte == 0));
    let defined = host.virsh(&["dumpxml", "tr"]).ok();
    assert!(!defined.contains("TRANSIENT"), "{defined}");
}

#[test]
fn a_medium_that_may_be_missing_is_left_out_and_told() {
    let host = Host::start();
    let xml = host.write(
        "cd.xml",
        &guest::firmware_only(
            "cd",
            "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>\
             <source file='/nowhere/cd.iso' startupPolicy='optional'/>\
             <target dev='hdc' bus='ide'/><readonly/></disk>",
        ),
    );
    let said = host
        .python(&format!(
            r#"
libvirt.virEventRegisterDefaultImpl()
conn = libvirt.open(None)
heard = []
def changed(conn, dom, old, new, alias, reason, opaque):
    heard.append((old, new, alias, reason))
conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE, changed, None)
dom = conn.createXML(open({xml:?}).read())
while not heard:
    libvirt.virEventRunDefaultImpl()
print(heard[0], "cd.iso" in dom.XMLDesc())
dom.destroy()
"#
        ))
        .ok();
    assert_eq!(
        said.trim(),
        "('/nowhere/cd.iso', None, 'ide0-1-0', 0) False"
    );
}

#[test]
fn a_server_is_read_by_qemu_itself_within_limits() {
    if !have(&["/usr/bin/qemu-nbd"]) {
        skipped("needs qemu-nbd");
        return;
    }
    let host = Host::start();
    fs::write(host.work().join("served.raw"), vec![0; 1 << 20]).unwrap();
    let socket = host.work().join("nbd.sock");
    let mut server = host.command("/usr/bin/qemu-nbd");
    let mut server = server
        .args(["-t", "-f", "raw", "-x", "e", "-k"])
        .args([socket.as_path(), Path::new("served.raw")])
        .spawn()
        .unwrap();
    eventually("the server's socket", || Path::new(&socket).exists());
    host.shell("chmod 777 nbd.sock").ok();
    host.define(
        &guest::firmware_only(
            "nbd",
            &format!(
                "<disk type='network'><driver name='qemu' type='raw' iothread='1'/>\
             <source protocol='nbd' name='e'><host transport='unix' socket='{}'/></source>\
             <target dev='vda'/><iotune><total_iops_sec>50</total_iops_sec></iotune></disk>",
                socket.display()
            ),
        )
        .replace("<vcpu>", "<iothreads>1</iothreads><vcpu>"),
    );
    host.virsh(&["start", "nbd"]).ok();
    let blocks = host
        .virsh(&["qemu-monitor-command", "nbd", "--hmp", "info block"])
        .ok();
    assert!(blocks.contains("nbd.sock"), "{blocks}");
    assert!(blocks.contains("iops=50"), "{blocks}");
    host.virsh(&["destroy", "nbd"]).ok();
    server.kill().unwrap();
    server.wait().unwrap();
}
