//! Guests' output through virtlogd, as our driver has it written: with our virtlogd and with the stock
//! one, while it is replaced, and when it is not there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;
use virt_tests::host::{Host, eventually, send};
use virt_tests::logd::{Logd, whole};
use virt_tests::target::{Target, has_stock, is_root, skipped};

/// A host with our driver, which is started, and a virtlogd.
fn start(logd: Target, qemu_conf: &str, logd_conf: &str) -> Option<Logd> {
    if Target::chosen() == Target::Stock {
        skipped("is about our driver");
        return None;
    }
    let host = match logd {
        Target::Ours => Host::of(Target::Ours),
        Target::Stock if is_root() && has_stock() => Host::with_stock_folders(Target::Ours),
        Target::Stock => {
            skipped("takes root and the stock virtlogd");
            return None;
        }
    };
    Some(start_on(host, logd, qemu_conf, logd_conf))
}

fn start_on(host: Host, logd: Target, qemu_conf: &str, logd_conf: &str) -> Logd {
    configure(&host, qemu_conf);
    let mut this = Logd::start_of(logd, host, logd_conf);
    this.host.start_daemon();
    this
}

/// `qemu.conf` as tests have it, with these lines in place of the one that has files written.
fn configure(host: &Host, lines: &str) {
    let path = host.path("etc/libvirt/qemu.conf");
    let conf = fs::read_to_string(&path).unwrap();
    fs::write(&path, conf.replace("stdio_handler = \"file\"\n", lines)).unwrap();
}

/// A guest whose firmware writes to its serial port; `{W}` in the devices is the work folder.
fn guest(host: &Host, name: &str, devices: &str) -> String {
    let devices = devices.replace("{W}", &host.work().to_string_lossy());
    format!(
        "<domain type='qemu'><name>{name}</name><memory>20480</memory>
         <os><type arch='x86_64' machine='pc'>hvm</type><bios useserial='yes'/></os><devices>
         <emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}</devices></domain>"
    )
}

fn text(path: &PathBuf) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn main_log(host: &Host, name: &str) -> PathBuf {
    host.path(&format!("var/log/libvirt/qemu/{name}.log"))
}

fn status(host: &Host, name: &str) -> String {
    text(&host.path(&format!("run/libvirt/qemu/{name}.xml")))
}

const FILED: &str = "<serial type='file'><source path='{W}/new.log'/><target port='0'/></serial>
    <serial type='file'><source path='{W}/kept.log' append='on'/><target port='1'/></serial>";
const LOGGED: &str = "<serial type='pty'><log file='{W}/console.log' append='on'/></serial>";

fn everything_goes_through(logd: Target) {
    let Some(logd) = start(logd, "", "") else {
        return;
    };
    let host = &logd.host;
    let (new, kept, console) = (
        host.path("work/new.log"),
        host.path("work/kept.log"),
        host.path("work/console.log"),
    );
    for old in [&new, &kept, &console] {
        fs::write(old, "old\n").unwrap();
    }
    host.define(&guest(host, "filed", FILED));
    host.virsh(&["start", "filed"]).ok();
    host.create(&guest(host, "logged", LOGGED));
    for name in ["filed", "logged"] {
        assert!(status(host, name).contains("<chardevStdioLogd/>"));
        let fd = format!("/proc/{}/fd/2", host.qemu_pid(name));
        let output = fs::read_link(fd).unwrap();
        assert!(output.to_string_lossy().starts_with("pipe:"), "{output:?}");
    }
    for log in [&new, &console] {
        eventually("the firmware's words", || text(log).contains("SeaBIOS"));
    }
    assert!(!text(&new).contains("old"));
    assert!(text(&console).starts_with("old\n"));
    assert_eq!(text(&kept), "old\n");
    let mode = fs::metadata(&new).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Replacing virtlogd and starting the driver again change nothing.
    logd.replace();
    host.virsh(&["reset", "filed"]).ok();
    eventually("the firmware's words once more", || {
        text(&new).matches("SeaBIOS").count() > 1
    });
    host.virsh(&["qemu-monitor-command", "--hmp", "logged", "info version"])
        .ok();
    host.virsh(&["destroy", "filed"]).ok();
    host.virsh(&["destroy", "logged"]).ok();
    let log = text(&main_log(host, "filed"));
    for words in [
        ": starting up libvirt version: 11.3.0",
        "\nLC_ALL=C \\\n",
        "-chardev file,id=charserial0,path=/dev/fdset/",
        "terminating on signal 15",
        ": shutting down, reason=destroyed\n",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    let log = text(&main_log(host, "logged"));
    assert!(log.contains("is tainted: custom-monitor\n"), "{log}");
    // Once more, after what is there.
    host.virsh(&["start", "filed"]).ok();
    assert!(host.virsh(&["start", "filed"]).code != 0);
    host.virsh(&["destroy", "filed"]).ok();
    let log = text(&main_log(host, "filed"));
    assert_eq!(log.matches(": starting up ").count(), 2, "{log}");
    assert_eq!(log.matches("reason=destroyed\n").count(), 2, "{log}");
}

#[test]
fn everything_goes_through_ours() {
    everything_goes_through(Target::Ours);
}

#[test]
fn everything_goes_through_the_stock_one() {
    everything_goes_through(Target::Stock);
}

fn a_start_that_fails_says_why(logd: Target) {
    let Some(logd) = start(logd, "stdio_handler = \"logd\"\n", "") else {
        return;
    };
    let host = &logd.host;
    let bad = guest(host, "bad", FILED).replace(
        "<domain type='qemu'>",
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
         <qemu:commandline><qemu:arg value='-nonsense'/></qemu:commandline>",
    );
    let file = host.write("bad.xml", &bad);
    for times in 1..3 {
        let refused = host.virsh(&["create", &file]);
        assert!(
            refused.err.contains("-nonsense: invalid option"),
            "{refused:?}"
        );
        let log = text(&main_log(host, "bad"));
        assert!(log.contains("is tainted: custom-argv\n"), "{log}");
        assert!(log.ends_with(": shutting down, reason=failed\n"), "{log}");
        assert_eq!(log.matches("-nonsense: invalid option").count(), times);
    }
    // What stops a start before there is a process.
    let twice = guest(host, "twice", &FILED.replace("kept", "new"));
    let file = host.write("twice.xml", &twice);
    let refused = host.virsh(&["create", &file]);
    let busy = format!(
        "Cannot open log file: '{}': Device or resource busy",
        host.path("work/new.log").display()
    );
    assert!(refused.err.contains(&busy), "{refused:?}");
    let log = text(&main_log(host, "twice"));
    assert!(log.ends_with(": shutting down, reason=failed\n"), "{log}");
    let nowhere = guest(host, "nowhere", &FILED.replace("{W}", "/no/such/folder"));
    let file = host.write("nowhere.xml", &nowhere);
    let refused = host.virsh(&["create", &file]);
    assert!(
        refused.err.contains("/no/such/folder/new.log"),
        "{refused:?}"
    );
    assert!(host.qemus().is_empty());
}

#[test]
fn a_start_that_fails_says_why_with_ours() {
    a_start_that_fails_says_why(Target::Ours);
}

#[test]
fn a_start_that_fails_says_why_with_the_stock_one() {
    a_start_that_fails_says_why(Target::Stock);
}

#[test]
fn without_virtlogd_the_configuration_decides() {
    let Some(mut logd) = start(Target::Ours, "stdio_handler = \"logd\"\n", "") else {
        return;
    };
    logd.stop();
    let host = &mut logd.host;
    host.define(&guest(host, "web", FILED));
    let refused = host.virsh(&["start", "web"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    for words in [
        "virtlogd-sock",
        "systemctl start virtlogd.socket",
        "stdio_handler = \"file\"",
    ] {
        assert!(refused.err.contains(words), "{refused:?}");
    }
    assert!(host.qemus().is_empty());
    let conf = host.path("etc/libvirt/qemu.conf");
    let silent = text(&conf).replace("stdio_handler = \"logd\"\n", "");
    fs::write(&conf, silent).unwrap();
    host.restart_daemon();
    host.virsh(&["start", "web"]).ok();
    let new = host.path("work/new.log");
    eventually("the firmware's words", || text(&new).contains("SeaBIOS"));
    assert!(!status(host, "web").contains("chardevStdioLogd"));
    let told = host.log();
    assert!(
        told.contains("output goes into files") && told.contains("virtlogd-sock"),
        "{told}"
    );
    // A guest that is running when virtlogd comes back stays as it is.
    logd.spawn();
    let host = &logd.host;
    host.virsh(&["destroy", "web"]).ok();
    assert!(text(&main_log(host, "web")).ends_with(": shutting down, reason=destroyed\n"));
    host.virsh(&["start", "web"]).ok();
    assert!(status(host, "web").contains("<chardevStdioLogd/>"));
    // One that is running when it goes tells its end all the same.
    logd.stop();
    let host = &logd.host;
    host.virsh(&["destroy", "web"]).ok();
    let log = text(&main_log(host, "web"));
    assert_eq!(log.matches("reason=destroyed\n").count(), 2, "{log}");
}

#[test]
fn a_virtlogd_that_hangs_holds_no_guest() {
    let Some(logd) = start(Target::Ours, "", "") else {
        return;
    };
    let host = &logd.host;
    host.create(&guest(host, "web", FILED));
    host.define(&guest(host, "other", LOGGED));
    send(logd.pid, Signal::SIGSTOP);
    host.virsh(&["destroy", "web"]).ok();
    host.virsh(&["start", "other"]).ok();
    assert!(!status(host, "other").contains("chardevStdioLogd"));
    send(logd.pid, Signal::SIGCONT);
    // What the daemon has to say of that waited for virtlogd, too.
    let records = host.path("var/log/libvirt/records.jsonl");
    eventually("word of the trouble", || {
        text(&records).contains("did not answer")
    });
    host.virsh(&["destroy", "other"]).ok();
}

/// A boot sector that writes `0000`, `0001`, … `FFFF`, `0000`, a line each, to the serial port, as fast as
/// it takes them.
const COUNTS: &[u8] = &[
    0x31, 0xdb, // xor bx, bx
    0xb9, 0x04, 0x00, // next: mov cx, 4
    0xc1, 0xc3, 0x04, // digit: rol bx, 4
    0x88, 0xd8, 0x24, 0x0f, // mov al, bl; and al, 15
    0x04, 0x30, 0x3c, 0x39, 0x76, 0x02, // add al, '0'; cmp al, '9'; jbe put it
    0x04, 0x07, // add al, 7
    0xe8, 0x0a, 0x00, // call put
    0xe2, 0xec, // loop digit
    0xb0, 0x0a, 0xe8, 0x03, 0x00, // mov al, '\n'; call put
    0x43, 0xeb, 0xe1, // inc bx; jmp next
    0x88, 0xc4, 0xba, 0xfd, 0x03, // put: mov ah, al; mov dx, 0x3fd
    0xec, 0xa8, 0x20, 0x74, 0xfb, // wait: in al, dx; test al, 0x20; jz wait
    0x88, 0xe0, 0xba, 0xf8, 0x03, 0xee, 0xc3, // mov al, ah; mov dx, 0x3f8; out dx, al; ret
];

#[test]
fn nothing_a_guest_writes_is_lost_or_doubled_while_virtlogd_is_replaced() {
    let conf = "max_size = 30000\nmax_backups = 32\n";
    let Some(logd) = start(Target::Ours, "", conf) else {
        return;
    };
    let host = &logd.host;
    let mut disk = vec![0; 1 << 20];
    disk[..COUNTS.len()].copy_from_slice(COUNTS);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(host.path("work/disk.raw"), disk).unwrap();
    let devices = "<disk type='file' device='disk'><driver name='qemu' type='raw'/>
        <source file='{W}/disk.raw'/><target dev='hda' bus='ide'/></disk>
        <serial type='file'><source path='{W}/count.log'/></serial>";
    host.create(&guest(host, "counts", devices));
    let count = host.path("work/count.log");
    let mut replaced = 0;
    eventually("many lines", || {
        if replaced < 30 || replaced % 50 == 0 {
            logd.replace();
        }
        replaced += 1;
        sleep(Duration::from_millis(50));
        replaced > 30 && whole(&count).len() > 200_000
    });
    host.virsh(&["destroy", "counts"]).ok();
    let client = logd.client();
    eventually("the end of the log", || client.position(&count).is_err());
    let found = String::from_utf8_lossy(&whole(&count)).into_owned();
    let begin = found.find("\n0000\n").expect("the first line") + 1;
    let mut lines: Vec<&str> = found[begin..].split('\n').collect();
    // Cut off by the guest's end.
    lines.pop();
    assert!(lines.len() > 30_000, "{}", lines.len());
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("{:04X}", number & 0xffff), "line {number}");
    }
    assert!(host.path("work/count.log.3").exists());
}

#[test]
fn a_guests_log_has_its_name_and_goes_when_it_is_told_to() {
    let Some(logd) = start(Target::Ours, "", "max_size = 2000\n") else {
        return;
    };
    let host = &logd.host;
    host.define(&guest(host, "one", LOGGED));
    host.virsh(&["start", "one"]).ok();
    host.virsh(&["destroy", "one"]).ok();
    let before = whole(&main_log(host, "one"));
    assert!(host.path("var/log/libvirt/qemu/one.log.0").exists());
    host.virsh(&["domrename", "one", "two"]).ok();
    host.virsh(&["start", "two"]).ok();
    assert_eq!(whole(&main_log(host, "one")), before);
    host.virsh(&["destroy", "two"]).ok();
    host.virsh(&["start", "two"]).ok();
    host.virsh(&["destroy", "two", "--remove-logs"]).ok();
    assert_eq!(whole(&main_log(host, "two")), b"");
    host.virsh(&["undefine", "two"]).ok();
    assert_eq!(whole(&main_log(host, "one")), before);
}

#[test]
fn tail_tells_what_happened_in_order() {
    let Some(logd) = start(Target::Ours, "", "") else {
        return;
    };
    let host = &logd.host;
    let program = virt_tests::keeper::sibling("virtlogd");
    let program = program.to_string_lossy().into_owned();
    let root = host.root().to_string_lossy().into_owned();
    let tail = |further: &[&'static str]| -> Vec<String> {
        let mut words = vec![program.clone(), "tail".to_owned()];
        words.extend(["--root".to_owned(), root.clone()]);
        if !is_root() {
            words.push("--session".to_owned());
        }
        words.extend(further.iter().map(|word| (*word).to_owned()));
        words
    };
    let ask = |further: &[&'static str]| {
        let words = tail(further);
        virt_tests::ran::run(host.command(&words[0]).args(&words[1..]))
    };
    let unknown = ask(&["web"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.err.contains("nothing is known of a guest 'web'"));
    host.define(&guest(host, "web", FILED));
    host.define(&guest(host, "other", LOGGED));
    host.virsh(&["start", "web"]).ok();
    host.virsh(&["start", "other"]).ok();
    let console = host.path("work/new.log");
    eventually("the firmware's words", || {
        text(&console).contains("SeaBIOS")
    });
    host.virsh(&["destroy", "web"]).ok();
    let mut story = String::new();
    // Times and records come a moment later than what they are about.
    eventually("the records", || {
        story = ask(&["web", "-n", "all"]).ok();
        story.contains("guest=web")
    });
    let places = [
        ": starting up libvirt version",
        "new.log: ",
        "SeaBIOS (version",
        "terminating on signal 15",
        "shutting down, reason=destroyed",
    ]
    .map(|words| {
        let place = story.find(words);
        place.unwrap_or_else(|| panic!("{words}: {story}"))
    });
    assert!(places.is_sorted(), "{places:?} {story}");
    let times: Vec<_> = story
        .lines()
        .map(|line| line.split(' ').next().unwrap_or_default())
        .collect();
    assert!(times.is_sorted(), "{story}");
    assert!(!story.contains("other"), "{story}");
    let unescaped = |c: char| c.is_control() && c != '\n';
    assert!(!story.contains(unescaped), "{story:?}");
    assert_eq!(ask(&["web", "-n", "2"]).ok().lines().count(), 2);
    // It goes on with what comes.
    let words = tail(&["web", "--follow", "-n", "1"]);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let seen = host.path("tail.out");
    let pid = host.keeper().spawn(&words, &[], &seen);
    let other = host.path("work/console.log");
    fs::write(&other, "not this one\n").unwrap();
    eventually("the last line", || !text(&seen).is_empty());
    host.virsh(&["start", "web"]).ok();
    eventually("the firmware's words in what is followed", || {
        text(&seen).contains("SeaBIOS (version") && text(&seen).contains(": starting up ")
    });
    assert!(!text(&seen).contains("not this one"));
    send(pid, Signal::SIGTERM);
    host.keeper().wait(pid);
}

/// From one driver to the other while virtlogd has the guest's output.
fn goes_on(first: Target, logd: Target) {
    if !is_root() || !has_stock() {
        return skipped("takes root and the stock daemon");
    }
    if Target::chosen() == Target::Stock {
        return skipped("takes both daemons; run it without VIRT_TEST_TARGET");
    }
    let mut logd = start_on(Host::with_stock_folders(first), logd, "", "");
    let host = &mut logd.host;
    host.create(&guest(host, "web", LOGGED));
    assert!(status(host, "web").contains("<chardevStdioLogd/>"));
    let console = host.path("work/console.log");
    eventually("the firmware's words", || {
        text(&console).contains("SeaBIOS")
    });
    host.stop_daemon(Signal::SIGTERM);
    host.target = match first {
        Target::Ours => Target::Stock,
        Target::Stock => Target::Ours,
    };
    host.start_daemon();
    assert!(status(host, "web").contains("<chardevStdioLogd/>"));
    host.virsh(&["reset", "web"]).ok();
    eventually("the firmware's words once more", || {
        text(&console).matches("SeaBIOS").count() > 1
    });
    host.virsh(&["destroy", "web"]).ok();
    let log = main_log(host, "web");
    eventually("the reason of the end", || {
        text(&log).ends_with(": shutting down, reason=destroyed\n")
    });
    assert_eq!(
        text(&log).matches(": starting up libvirt version").count(),
        1
    );
}

#[test]
fn a_guest_of_ours_goes_on_under_libvirt() {
    goes_on(Target::Ours, Target::Stock);
}

#[test]
fn a_guest_of_libvirts_goes_on_under_ours() {
    goes_on(Target::Stock, Target::Stock);
}

#[test]
fn a_guest_of_libvirts_goes_on_under_ours_with_our_virtlogd() {
    goes_on(Target::Stock, Target::Ours);
}
