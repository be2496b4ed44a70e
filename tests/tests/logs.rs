//! Logs of guests through virtlogd, ours or the stock one.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use virt_error::ErrorCode;
use virt_rpc::protocol::log::open_flag::TRUNCATE;
use virt_tests::host::{Host, eventually};
use virt_tests::log_client::answers;
use virt_tests::logd::{Logd, ours, whole};
use virt_tests::supervisor::Supervisor;
use virt_tests::target::{Target, has_stock, is_root, skipped};

/// A host with virtlogd and the paths of logs on it, as the daemon sees them.
fn start(conf: &str) -> Logd {
    Logd::start(Host::without_daemon(), conf)
}

fn log(logd: &Logd, name: &str) -> PathBuf {
    let below = format!("var/log/libvirt/{name}");
    match logd.host.target {
        Target::Ours => logd.host.path(&below),
        Target::Stock => PathBuf::from("/").join(below),
    }
}

/// The same file as this process sees it.
fn seen(logd: &Logd, name: &str) -> PathBuf {
    logd.host.path(&format!("var/log/libvirt/{name}"))
}

#[test]
fn what_is_written_is_in_the_file_and_can_be_read() {
    let logd = start("");
    let client = logd.client();
    let path = log(&logd, "web.log");
    let (begin, mut pipe) = client.open(&path, 0).unwrap();
    assert_eq!(begin.offset, 0);
    pipe.write_all(b"hello\n").unwrap();
    // What is in the pipe counts.
    assert_eq!(client.position(&path).unwrap().offset, 6);
    client.append(&path, "from the driver\n").unwrap();
    assert_eq!(
        client.read(&path, &begin, 1000).unwrap(),
        "hello\nfrom the driver\n"
    );
    let busy = client.open(&path, 0).unwrap_err();
    assert!(busy.is(ErrorCode::SystemError), "{busy:?}");
    assert_eq!(busy.errno(), Some(nix::libc::EBUSY));
    drop(pipe);
    eventually("the end of the log", || client.position(&path).is_err());
    client.append(&path, "afterwards\n").unwrap();
    let from = virt_rpc::protocol::log::LogFilePosition {
        offset: 6,
        ..begin.clone()
    };
    assert_eq!(client.read(&path, &from, 15).unwrap(), "from the driver");
    let (begin, _pipe) = client.open(&path, 0).unwrap();
    assert_eq!(begin.offset, 33);
    let other = log(&logd, "other.log");
    client.append(&other, "old\n").unwrap();
    let (begin, _pipe) = client.open(&other, TRUNCATE).unwrap();
    assert_eq!(begin.offset, 0);
    assert_eq!(fs::read(seen(&logd, "other.log")).unwrap(), b"");
}

#[test]
fn a_full_file_becomes_a_backup_and_reading_goes_on() {
    let logd = start("max_size = 100\nmax_backups = 2\n");
    let client = logd.client();
    let path = log(&logd, "web.log");
    let (begin, mut pipe) = client.open(&path, 0).unwrap();
    let lines: String = (0..20)
        .map(|number| format!("line {number:04}\n"))
        .collect();
    pipe.write_all(lines.as_bytes()).unwrap();
    client.position(&path).unwrap();
    assert_eq!(whole(&seen(&logd, "web.log")), lines.as_bytes());
    assert_eq!(client.read(&path, &begin, 1000).unwrap(), lines);
    let first = fs::read_to_string(seen(&logd, "web.log.0")).unwrap();
    assert!(first.len() <= 100 && first.ends_with('\n'), "{first:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let logd = start("");
    let client = logd.client();
    let path = log(&logd, "web.log");
    assert!(
        client
            .position(&path)
            .unwrap_err()
            .is(ErrorCode::InternalError)
    );
    let begin = client.open(&path, 0).unwrap().0;
    assert!(client.read(&path, &begin, 4_194_305).is_err());
    assert!(
        client
            .open(&log(&logd, "no/such/folder.log"), 0)
            .unwrap_err()
            .is(ErrorCode::SystemError)
    );
    if logd.host.target == Target::Stock {
        return;
    }
    let unknown = client.open(&path, 2).unwrap_err();
    assert!(unknown.is(ErrorCode::InvalidArg), "{unknown:?}");
    let odd = ["relative.log", "/", "/tmp/../etc/passwd"];
    for path in odd {
        let refused = client.open(path.as_ref(), 0).unwrap_err();
        assert!(refused.is(ErrorCode::InvalidArg), "{refused:?}");
    }
    let long = log(&logd, &"x".repeat(4096));
    assert!(
        client
            .open(&long, 0)
            .unwrap_err()
            .is(ErrorCode::SystemError)
    );
    let link = seen(&logd, "link.log");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    assert!(client.open(&link, 0).is_err());
    let newline = log(&logd, "two\nlines.log");
    client.open(&newline, 0).unwrap();
}

/// Lines that tell where they belong.
fn lines(name: &str, bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 64);
    let mut number = 0;
    while text.len() < bytes {
        let _ = writeln!(
            text,
            "{name} {number:08} some text to make the line as long as lines are"
        );
        number += 1;
    }
    text
}

fn is_the_same(name: &str, found: &[u8], written: &[u8]) {
    let differs = found
        .iter()
        .zip(written)
        .position(|(found, written)| found != written);
    assert_eq!(differs, None, "{name}");
    assert_eq!(found.len(), written.len(), "{name}");
}

#[test]
fn replacements_under_load_lose_and_double_nothing() {
    if Target::chosen() == Target::Stock {
        return skipped("the stock virtlogd is not asked for this");
    }
    let logd = start("max_size = 1000000\nmax_backups = 32\n");
    let client = logd.client();
    let before = logd.descriptors();
    let guests: Vec<_> = (0..101)
        .map(|number| {
            let name = format!("guest{number}.log");
            let (_, pipe) = client.open(&log(&logd, &name), 0).unwrap();
            // One writes as fast as it can.
            let bytes = if number == 0 { 24 << 20 } else { 200_000 };
            (name, pipe, bytes)
        })
        .collect();
    let writers: Vec<_> = guests
        .into_iter()
        .map(|(name, mut pipe, bytes)| {
            thread::spawn(move || {
                let text = lines(&name, bytes);
                for part in text.chunks(777) {
                    pipe.write_all(part).unwrap();
                }
                (name, text)
            })
        })
        .collect();
    let mut replacements = 0;
    while replacements < 20 || !writers.iter().all(thread::JoinHandle::is_finished) {
        logd.replace();
        replacements += 1;
        thread::sleep(Duration::from_millis(100));
    }
    let written: Vec<_> = writers
        .into_iter()
        .map(|writer| writer.join().unwrap())
        .collect();
    let client = logd.client();
    for (name, text) in written {
        let path = log(&logd, &name);
        eventually("the end of the log", || client.position(&path).is_err());
        is_the_same(&name, &whole(&seen(&logd, &name)), &text);
    }
    // Another client and what was still being opened when it first answered; nothing for each
    // replacement, of which there were twenty.
    eventually("descriptors to be closed", || {
        logd.descriptors() < before + replacements
    });
}

#[test]
fn death_at_any_moment_loses_and_doubles_nothing_that_is_kept() {
    if Target::chosen() == Target::Stock {
        return skipped("the stock virtlogd keeps nothing");
    }
    let host = Host::without_daemon();
    let conf = "max_size = 1000000\nmax_backups = 32\n";
    fs::write(host.path("etc/libvirt/virtlogd.conf"), conf).unwrap();
    let words = ours(&host.root().to_string_lossy());
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let mut service = Supervisor::new(&words, &host.work());
    service.start();
    let socket = host.path("run/libvirt/virtlogd-sock");
    eventually("virtlogd's socket", || answers(&socket));
    let client = virt_tests::log_client::LogClient::connect(&socket);
    let path = |number: usize| host.path(&format!("var/log/libvirt/guest{number}.log"));
    let pipes: Vec<_> = (0..5)
        .map(|number| client.open(&path(number), 0).unwrap().1)
        .collect();
    eventually("all parts to be kept", || service.kept() == 5 * 4);
    let writers: Vec<_> = pipes
        .into_iter()
        .enumerate()
        .map(|(number, mut pipe)| {
            let text = lines(&format!("guest{number}"), 6 << 20);
            thread::spawn(move || {
                for (part, bytes) in text.chunks(511).enumerate() {
                    pipe.write_all(bytes).unwrap();
                    if part % 50 == 0 {
                        // As long as there are deaths.
                        thread::sleep(Duration::from_millis(5));
                    }
                }
                text
            })
        })
        .collect();
    let mut random = Instant::now().elapsed().subsec_nanos() as u64 | 1;
    let mut deaths = 0;
    while deaths < 12 {
        // A linear congruential generator does for moments.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        thread::sleep(Duration::from_millis(5 + (random >> 33) % 60));
        service.kill();
        deaths += 1;
        service.start();
        eventually("virtlogd's socket", || answers(&socket));
    }
    let written: Vec<_> = writers
        .into_iter()
        .map(|writer| writer.join().unwrap())
        .collect();
    eventually("nothing to be kept any more", || service.kept() == 0);
    for (number, text) in written.into_iter().enumerate() {
        is_the_same(&format!("guest{number}"), &whole(&path(number)), &text);
    }
}

#[test]
fn a_folder_that_goes_and_comes_back_is_written_again() {
    let logd = start("");
    if logd.host.target == Target::Stock {
        return skipped("the stock virtlogd goes on writing to the file that was removed");
    }
    let client = logd.client();
    fs::create_dir(seen(&logd, "sub")).unwrap();
    let path = log(&logd, "sub/web.log");
    let (_, mut pipe) = client.open(&path, 0).unwrap();
    pipe.write_all(b"before\n").unwrap();
    client.position(&path).unwrap();
    fs::remove_dir_all(seen(&logd, "sub")).unwrap();
    pipe.write_all(b"while it is away\n").unwrap();
    eventually("word of the trouble", || {
        logd.log().contains("can't be written")
    });
    fs::create_dir(seen(&logd, "sub")).unwrap();
    pipe.write_all(b"after\n").unwrap();
    eventually("the log to go on", || {
        fs::read(seen(&logd, "sub/web.log")).is_ok_and(|text| text == b"while it is away\nafter\n")
    });
    // The file has it before that is told.
    eventually("word of the trouble's end", || {
        logd.log().contains("is written again")
    });
}

#[test]
fn a_full_disk_holds_no_guest_up_for_long() {
    if Target::chosen() == Target::Stock || !is_root() {
        return skipped("is about ours, and takes a file system of its own: root");
    }
    let logd = start("max_size = 0\n");
    let folder = seen(&logd, "small");
    fs::create_dir(&folder).unwrap();
    let mount = |words: &[&str]| {
        let pid = logd
            .host
            .keeper()
            .spawn(words, &[], &logd.host.path("mount.log"));
        assert_eq!(logd.host.keeper().wait(pid), "exit 0", "{words:?}");
    };
    let place = folder.to_string_lossy().into_owned();
    mount(&["mount", "-t", "tmpfs", "-o", "size=256k", "none", &place]);
    let client = logd.client();
    let path = log(&logd, "small/web.log");
    let (_, mut pipe) = client.open(&path, 0).unwrap();
    // Far more than the file system and all pipes hold.
    let text = lines("guest", 8 << 20);
    pipe.write_all(&text).unwrap();
    assert!(
        logd.log().contains("output is thrown away"),
        "{}",
        logd.log()
    );
    mount(&["mount", "-o", "remount,size=4m", &place]);
    // As the daemon sees it, for the mount is the keeper's.
    let inside = format!("/proc/{}/root{place}/web.log", logd.host.keeper().pid());
    eventually("the log to go on", || {
        fs::read_to_string(&inside).is_ok_and(|text| text.contains("bytes are missing here"))
    });
    pipe.write_all(b"the end\n").unwrap();
    client.position(&path).unwrap();
    let found = fs::read(&inside).unwrap();
    assert!(found.ends_with(b"the end\n"));
    let (kept, rest) = found.split_at(256 << 10);
    assert_eq!(kept, &text[..256 << 10]);
    // What was in the pipes follows, then the note.
    let note = rest
        .windows(9)
        .position(|part| part == b"virtlogd:")
        .unwrap();
    assert!(note > 0);
    mount(&["umount", "-l", &place]);
}

/// A guest that writes its serial port to a file, beside what QEMU itself says.
const GUEST: &str = "<domain type='qemu'><name>web</name><memory>20480</memory>\
    <os><type arch='x86_64' machine='pc'>hvm</type><bios useserial='yes'/></os><devices>\
    <emulator>/usr/bin/qemu-system-x86_64</emulator>\
    <serial type='file'><source path='/var/log/libvirt/console.log'/></serial>\
    </devices></domain>";

#[test]
fn libvirts_own_driver_logs_through_ours() {
    if !is_root() || !has_stock() {
        return skipped("takes root and the stock daemon");
    }
    let mut host = Host::of(Target::Stock);
    // The default: through virtlogd.
    fs::write(host.path("etc/libvirt/qemu.conf"), "").unwrap();
    let root = host.root().to_string_lossy().into_owned();
    let words = ours(&root);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let log = host.path("logd.log");
    let pid = host.keeper().spawn(&words, &[], &log);
    let socket = host.path("run/libvirt/virtlogd-sock");
    eventually("virtlogd's socket", || answers(&socket));
    host.start_daemon();
    host.create(GUEST);
    let console = host.path("var/log/libvirt/console.log");
    eventually("the firmware's first words", || {
        fs::read_to_string(&console).is_ok_and(|text| text.contains("SeaBIOS"))
    });
    virt_tests::host::send(pid, nix::sys::signal::Signal::SIGUSR1);
    host.virsh(&["reset", "web"]).ok();
    eventually("the firmware's words once more", || {
        fs::read_to_string(&console).is_ok_and(|text| text.matches("SeaBIOS").count() > 1)
    });
    host.virsh(&["destroy", "web"]).ok();
    let own = host.path("var/log/libvirt/qemu/web.log");
    eventually("the reason of the end", || {
        fs::read_to_string(&own).is_ok_and(|text| text.contains("shutting down, reason=destroyed"))
    });
    let text = fs::read_to_string(&own).unwrap();
    assert!(
        text.contains("starting up libvirt version") && text.contains("-chardev"),
        "{text}"
    );
}
