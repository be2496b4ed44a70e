//! A guest's story, as an operator asks for it afterwards: every daemon, clients of two users, one guest
//! that is started, changed, denied to somebody and stopped, while each daemon is restarted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use nix::sys::signal::Signal;
use virt_tests::acld::Acld;
use virt_tests::host::{Host, eventually, send};
use virt_tests::keeper::sibling;
use virt_tests::log_client::answers;
use virt_tests::logd;
use virt_tests::supervisor::Supervisor;

/// Root may do everything, `games` may look at "apache".
const POLICIES: &str = r#"
permit(principal == User::"root", action, resource);
permit(
    principal == User::"games",
    action in [Action::"connect.getattr", Action::"connect.read", Action::"connect.search_domains",
        Action::"domain.getattr", Action::"domain.read"],
    resource
);
"#;

/// A daemon beside the driver and virtacld, which answers when it has made its socket.
fn spawn(host: &Host, words: &[&str], name: &str) -> u32 {
    let socket = host.path(&format!("run/libvirt/{name}-sock"));
    let log = host.path(&format!("{name}.log"));
    let pid = host.keeper().spawn(words, &[], &log);
    eventually(&format!("{name}'s socket"), || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    pid
}

fn kill(host: &Host, pid: u32) {
    send(pid, Signal::SIGKILL);
    host.keeper().wait(pid);
}

/// The guest: its firmware writes to the serial port, which is logged.
fn apache(host: &Host) -> String {
    let disk = |name: &str, target: &str, bus: &str| {
        let image = host.work().join(name);
        let file = fs::File::create(&image).unwrap();
        file.set_len(1 << 20).unwrap();
        format!(
            "<disk type='file'><driver name='qemu' type='raw'/><source file='{}'/>\
             <target dev='{target}' bus='{bus}'/></disk>",
            image.display()
        )
    };
    format!(
        "<domain type='qemu'><name>apache</name><memory unit='MiB'>20</memory>\
         <os><type arch='x86_64' machine='pc'>hvm</type><bios useserial='yes'/></os><devices>\
         <emulator>/usr/bin/qemu-system-x86_64</emulator>{}{}\
         <controller type='usb' model='qemu-xhci'/>\
         <serial type='pty'><log file='{}'/></serial></devices></domain>",
        disk("system", "vda", "virtio"),
        disk("data", "sda", "usb"),
        host.path("var/log/libvirt/console.log").display(),
    )
}

/// Whether the parts are in the text, each behind the one before it.
fn in_order(text: &str, parts: &[&str]) -> Result<(), String> {
    let mut rest = text;
    for part in parts {
        let at = rest
            .find(part)
            .ok_or_else(|| format!("no '{part}' in:\n{rest}"))?;
        rest = &rest[at + part.len()..];
    }
    Ok(())
}

#[test]
fn the_story_is_told_in_order_though_every_daemon_was_restarted() {
    let Some(mut acld) = Acld::start(POLICIES) else {
        return;
    };
    let root = acld.host.root().to_string_lossy().into_owned();
    let log_words = logd::ours(&root);
    let log_words: Vec<_> = log_words.iter().map(String::as_str).collect();
    let lockd = sibling("virtlockd").to_string_lossy().into_owned();
    let lock_words = [&*lockd, "--root", &root, "--verbose"];
    let conf =
        "lock_manager = \"lockd\"\nsecurity_driver = \"none\"\nuser = \"root\"\ngroup = \"root\"\n";
    fs::write(acld.host.path("etc/libvirt/qemu.conf"), conf).unwrap();
    // As systemd does, it keeps the guests' pipes while there is no virtlogd.
    let mut logd = Supervisor::new(&log_words, &acld.host.work());
    logd.start();
    let log_socket = acld.host.path("run/libvirt/virtlogd-sock");
    eventually("virtlogd's socket", || answers(&log_socket));
    let lockd = spawn(&acld.host, &lock_words, "virtlockd");
    acld.host.start_daemon();
    let xml = apache(&acld.host);
    acld.host.define(&xml);
    acld.host.virsh(&["start", "apache"]).ok();
    let console = acld.host.path("var/log/libvirt/console.log");
    let booted = |times: usize| {
        eventually("the firmware's first words", || {
            let text = fs::read(&console).unwrap_or_default();
            String::from_utf8_lossy(&text).matches("SeaBIOS").count() >= times
        });
    };
    booted(1);
    acld.host.virsh(&["detach-disk", "apache", "sda"]).ok();
    acld.virsh_as("games", &["destroy", "apache"]).failed();

    logd.kill();
    logd.start();
    eventually("virtlogd's socket", || answers(&log_socket));
    kill(&acld.host, lockd);
    spawn(&acld.host, &lock_words, "virtlockd");
    acld.kill();
    acld.spawn();
    acld.host.end_daemon(Signal::SIGKILL);
    acld.host.start_daemon();
    eventually("the driver to ask virtacld again", || {
        acld.host.virsh(&["list"]).code == 0
    });
    assert_eq!(acld.host.state("apache"), "running");

    acld.host.virsh(&["reset", "apache"]).ok();
    booted(2);
    acld.host.virsh(&["destroy", "apache"]).ok();
    let tail = || {
        let (program, root) = (sibling("virtlogd"), acld.host.root());
        let (program, root) = (program.to_string_lossy(), root.to_string_lossy());
        let words = [
            &*program, "tail", "--root", &*root, "apache", "--lines", "1000",
        ];
        acld.host.inside(&words).ok()
    };
    eventually("the end of the story", || {
        tail().contains("stopped (destroyed)")
    });
    let told = tail();
    println!("{told}");
    // The record of an event names the client and the call, also where the guest's end is heard of later.
    let parts = [
        "defined (added)",
        "procedure=REMOTE_PROC_DOMAIN_DEFINE_XML",
        "apache.log: /usr/bin/qemu-system-x86_64",
        "started (booted)",
        "procedure=REMOTE_PROC_DOMAIN_CREATE",
        "op=start reason=booted vm=\"apache\"",
        "console.log: ",
        "SeaBIOS",
        "resrc=disk reason=detach",
        "device-detached usb-disk0",
        "permission 'stop' is missing",
        "procedure=REMOTE_PROC_DOMAIN_DESTROY",
        "SeaBIOS",
        "apache.log: ",
        "shutting down, reason=destroyed",
        "op=stop reason=destroyed vm=\"apache\"",
        "stopped (destroyed) guest=apache connection=",
        "procedure=REMOTE_PROC_DOMAIN_DESTROY",
    ];
    in_order(&told, &parts).unwrap();
}
