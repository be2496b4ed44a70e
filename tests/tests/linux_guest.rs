//! A guest with a real Linux kernel, from its boot to its end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use nix::pty::openpty;
use virt_tests::guest::{self, READY};
use virt_tests::host::{Host, PATIENCE, eventually};

/// `virsh console` on a terminal of its own, as a person uses it.
struct Console {
    virsh: Child,
    keyboard: File,
    screen: Arc<(Mutex<String>, Condvar)>,
}

impl Console {
    fn open(host: &Host, words: &[&str]) -> Self {
        let terminal = openpty(None, None).expect("a terminal");
        let slave = || Stdio::from(terminal.slave.try_clone().unwrap());
        let virsh = host
            .command("setsid")
            .args(["--ctty", "virsh"])
            .args(words)
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .expect("virsh console");
        let master: OwnedFd = terminal.master;
        let mut from = File::from(master.try_clone().unwrap());
        let screen = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            // Ends with an error once nothing has the terminal open.
            while let Ok(read @ 1..) = from.read(&mut chunk) {
                shown
                    .0
                    .lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&chunk[..read]));
                shown.1.notify_all();
            }
        });
        Console {
            virsh,
            keyboard: File::from(master),
            screen,
        }
    }

    /// Waits until the text is on the screen and takes what is up to its end away.
    #[track_caller]
    fn expect(&self, text: &str) {
        if !self.appears(text, PATIENCE) {
            let screen = self.screen.0.lock().unwrap().clone();
            panic!("waited in vain for {text:?} on:\n{screen}");
        }
    }

    fn appears(&self, text: &str, patience: Duration) -> bool {
        let screen = self.screen.0.lock().unwrap();
        let (mut screen, _) = self
            .screen
            .1
            .wait_timeout_while(screen, patience, |screen| !screen.contains(text))
            .unwrap();
        let Some(at) = screen.find(text) else {
            return false;
        };
        screen.drain(..at + text.len());
        true
    }

    /// Gets the guest's prompt. Keys pressed before virsh has the terminal to itself are lost.
    #[track_caller]
    fn prompt(&mut self) {
        self.expect("Escape character is ^] (Ctrl + ])");
        for _ in 0..100 {
            self.press("\n");
            if self.appears("# ", Duration::from_millis(500)) {
                return;
            }
        }
        panic!("no prompt");
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a command at the guest's prompt.
    fn enter(&mut self, command: &str) {
        self.press(&format!("{command}\n"));
    }

    /// Leaves by the escape character; virsh's exit code.
    fn leave(mut self) -> Option<i32> {
        self.press("\u{1d}");
        self.virsh.wait().unwrap().code()
    }
}

#[test]
fn it_boots_talks_and_stops_at_the_power_button() {
    let host = Host::start();
    host.define(&guest::linux("tux", ""));
    let mut console = Console::open(&host, &["start", "tux", "--console"]);
    console.expect("Domain 'tux' started");
    console.expect("Connected to domain 'tux'");
    console.expect("Escape character is ^] (Ctrl + ])");
    console.expect(READY);
    console.enter("echo sum=$((40 + 2))");
    console.expect("sum=42");
    assert_eq!(console.leave(), Some(0));

    let mut again = Console::open(&host, &["console", "tux"]);
    again.prompt();
    again.enter("echo still=$((40 + 3))");
    again.expect("still=43");

    host.virsh(&["shutdown", "tux", "--mode", "acpi"]).ok();
    again.expect("GUEST STOPS: power button");
    eventually("the guest off", || host.state("tux") == "shut off");
    // Its end is the end of the console.
    assert_eq!(again.virsh.wait().unwrap().code(), Some(0));
    let reason = host.virsh(&["domstate", "tux", "--reason"]).ok();
    assert_eq!(reason.trim(), "shut off (shutdown)");
}

#[test]
fn what_it_remembers_survives_save_and_restore() {
    let host = Host::start();
    host.define(&guest::linux("elephant", ""));
    let mut console = Console::open(&host, &["start", "elephant", "--console"]);
    console.expect(READY);
    console.expect("# ");
    console.enter("memory=$((4000 + 711))");
    console.expect("# ");
    assert_eq!(console.leave(), Some(0));

    let image = host.path("saved");
    let image = image.to_string_lossy();
    host.virsh(&["save", "elephant", &image]).ok();
    assert_eq!(host.state("elephant"), "shut off");
    host.virsh(&["restore", &image]).ok();
    assert_eq!(host.state("elephant"), "running");
    let mut console = Console::open(&host, &["console", "elephant"]);
    console.prompt();
    console.enter("echo remembered=$memory");
    console.expect("remembered=4711");
    assert_eq!(console.leave(), Some(0));

    // The same by managed save: start goes on where it was.
    host.virsh(&["managedsave", "elephant"]).ok();
    assert_eq!(host.state("elephant"), "shut off");
    host.virsh(&["start", "elephant"]).ok();
    let mut console = Console::open(&host, &["console", "elephant"]);
    console.prompt();
    console.enter("echo again=$memory");
    console.expect("again=4711");
    assert_eq!(console.leave(), Some(0));
    host.virsh(&["destroy", "elephant"]).ok();
}

#[test]
fn it_has_the_disk_and_the_nic_that_the_definition_says() {
    let host = Host::start();
    let disk = host.path("disk.qcow2");
    let disk = disk.to_string_lossy();
    let made = host.shell(&format!(
        "qemu-img create -q -f raw ../base.raw 4M && printf 'written by the host' | dd of=../base.raw conv=notrunc status=none \
         && qemu-img create -q -f qcow2 -b {root}/base.raw -F raw {disk} && chmod a+rw {disk} ../base.raw",
        root = host.root().display()
    ));
    made.ok();
    let devices = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
         <source file='{disk}'/><target dev='vda' bus='virtio'/></disk>\
         <interface type='user'><mac address='52:54:00:12:34:56'/><model type='virtio'/></interface>\
         <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    );
    host.define(&guest::linux("whole", &devices));
    let mut console = Console::open(&host, &["start", "whole", "--console"]);
    console.expect(READY);
    console.expect("# ");
    console.enter("head -c 19 /dev/vda; echo; cat /sys/class/net/eth0/address");
    console.expect("written by the host");
    console.expect("52:54:00:12:34:56");
    console.enter("printf 'written by the guest' | dd of=/dev/vda bs=512 seek=1 conv=sync; sync; echo synced=$((1 + 1))");
    console.expect("synced=2");
    assert_eq!(console.leave(), Some(0));

    let stats = host.virsh(&["domblkstat", "whole", "vda"]).ok();
    let written = stats
        .lines()
        .find_map(|line| line.strip_prefix("vda wr_bytes "))
        .and_then(|count| count.parse::<u64>().ok());
    assert!(written.is_some_and(|bytes| bytes >= 512), "{stats}");
    host.virsh(&["destroy", "whole"]).ok();

    // Into the overlay, not into its backing file.
    let base = std::fs::read(host.path("base.raw")).unwrap();
    assert_eq!(&base[512..516], [0; 4]);
    let read = host.shell(&format!(
        "qemu-img convert -f qcow2 -O raw {disk} ../out && tail -c +513 ../out | head -c 20"
    ));
    assert_eq!(read.ok(), "written by the guest");
}
