//! What happens in the daemons, from where it happens into virtlogd's files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use virt_rpc::client::Connection;
use virt_rpc::codec::Internal;
use virt_rpc::protocol::records::{Batch, Guest, Record, Source, Write, WriteArgs};
use virt_tests::host::{Host, eventually, send};
use virt_tests::keeper::sibling;
use virt_tests::logd::{Logd, query, texts};
use virt_tests::target::{Target, is_root, skipped};

/// Ours alone: the stock virtlogd takes no records.
fn start(conf: &str) -> Option<Logd> {
    if Target::chosen() == Target::Stock {
        skipped("is about our virtlogd");
        return None;
    }
    Some(Logd::start(Host::of(Target::Ours), conf))
}

fn guest(name: &str) -> String {
    virt_tests::guest::firmware_only(name, "")
}

fn record(message: &str) -> Record {
    Record {
        time: 1,
        file: "events.rs".into(),
        line: 1,
        function: "test".into(),
        thread: 1,
        ..Record::new("test", message)
    }
}

fn source(pid: u32) -> Source {
    Source {
        daemon: "sender".into(),
        pid,
        since: 1,
    }
}

#[test]
fn the_story_of_a_guest_can_be_asked_for_and_figures_count_it() {
    let Some(mut logd) = start("") else { return };
    logd.host.start_daemon();
    let host = &logd.host;
    host.define(&guest("web"));
    host.virsh(&["start", "web"]).ok();
    host.virsh(&["suspend", "web"]).ok();
    host.virsh(&["setmem", "web", "99999999999"]).failed();
    host.virsh(&["destroy", "web"]).ok();
    host.virsh(&["undefine", "web"]).ok();
    eventually("the guest's end in the records", || {
        !query(host, &["--guest", "web", "--field", "event=undefined"]).is_empty()
    });
    let story = query(host, &["--guest", "web", "--field", "event=*"]);
    let events = texts(&story, "event");
    for event in ["defined", "started", "paused", "stopped", "undefined"] {
        assert!(
            events.iter().any(|known| known == event),
            "{event}: {events:?}"
        );
    }
    let stopped = query(host, &["--guest", "web", "--field", "event=stopped"]);
    assert_eq!(texts(&stopped, "reason"), ["destroyed"]);
    // Whose call it was is known, also of what a task and the guest's actor did.
    let started = query(host, &["--field", "event=started"]);
    assert_eq!(texts(&started, "procedure"), ["REMOTE_PROC_DOMAIN_CREATE"]);
    assert!(started[0]["connection"].as_u64().is_some_and(|id| id > 0));
    // An error has libvirt's numbers; an everyday one is told at debug only.
    let errors = query(host, &["--guest", "web", "--priority", "error"]);
    let codes: Vec<_> = errors.iter().map(|e| e["error_code"].as_i64()).collect();
    assert_eq!(codes, [Some(8)], "{errors:?}");

    let socket = host.path("run/libvirt/virtqemud-metrics-sock");
    let socket = socket.to_string_lossy().into_owned();
    let ask = |path: &str| {
        let url = format!("http://localhost{path}");
        host.inside(&["curl", "-s", "-i", "--unix-socket", &socket, &url])
            .ok()
    };
    let page = ask("/metrics");
    assert!(page.contains("application/openmetrics-text; version=1.0.0"));
    assert!(page.ends_with("# EOF\n"), "{page}");
    assert!(page.contains("le=\"+Inf\""), "{page}");
    let figure = "procedure=\"REMOTE_PROC_DOMAIN_SET_MEMORY_FLAGS\",result=\"error\"} 1";
    assert!(page.contains(figure), "{page}");
    assert!(page.contains("virt_guests{state=\"running\"} 0"), "{page}");
    assert!(ask("/other").starts_with("HTTP/1.1 404"));
}

#[test]
fn outputs_are_changed_live_and_facts_reach_virtlogd_whatever_they_are() {
    let Some(mut logd) = start("") else { return };
    logd.host.start_daemon();
    let host = &logd.host;
    let admin = host.path("run/libvirt/virtqemud-admin-sock");
    let kind = if is_root() { "system" } else { "session" };
    let uri = format!("virtqemud:///{kind}?socket={}", admin.display());
    let virt_admin = |words: &[&str]| host.inside(&[&["virt-admin", "-c", &uri], words].concat());
    let shown = virt_admin(&["daemon-log-outputs"]).ok();
    assert!(shown.contains("3:virtlogd"), "{shown}");
    let file = host.path("work/own.log");
    let output = format!("3:file:{}", file.display());
    virt_admin(&["daemon-log-outputs", "--outputs", &output]).ok();
    let bad = host.write(
        "bad.xml",
        "<domain type='qemu'><name>x</name><wrong/></domain>",
    );
    host.define(&guest("web"));
    host.virsh(&["define", &bad]).failed();
    let own = fs::read_to_string(&file).expect("the file");
    assert!(own.contains("util.error"), "{own}");
    assert!(own.contains(" code="), "{own}");
    eventually("the fact", || {
        !query(host, &["--field", "event=defined"]).is_empty()
    });
    assert!(query(host, &["--field", "error_code=*"]).is_empty());
    let refused = virt_admin(&["daemon-log-outputs", "--outputs", "3:tape"]);
    assert!(refused.failed().contains("tape"));
    virt_admin(&["daemon-log-outputs", "--outputs", ""]).ok();
    host.virsh(&["define", &bad]).failed();
    eventually("the error in virtlogd", || {
        !query(host, &["--field", "error_code=*"]).is_empty()
    });
}

#[test]
fn what_happens_while_virtlogd_is_away_is_told_when_it_is_back() {
    let Some(mut logd) = start("") else { return };
    logd.host.start_daemon();
    logd.stop();
    for number in 0..20 {
        logd.host.define(&guest(&format!("away{number}")));
    }
    logd.spawn();
    eventually("all that happened meanwhile", || {
        query(&logd.host, &["--field", "event=defined"]).len() == 20
    });
    // Killed, too.
    send(logd.pid, Signal::SIGKILL);
    logd.host.keeper().wait(logd.pid);
    logd.host.define(&guest("killed"));
    logd.spawn();
    eventually("what happened after the death", || {
        query(&logd.host, &["--guest", "killed"]).len() == 1
    });
}

/// Sends numbered records, each batch until it is answered; how many batches.
fn send_all(logd: &Logd, pid: u32, batches: u64, size: u64) -> thread::JoinHandle<()> {
    let socket = logd.host.path("run/libvirt/virtlogd-records-sock");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut connection: Option<Connection> = None;
            for batch in 0..batches {
                let first = batch * size + 1;
                let records = (first..first + size).map(|n| record(&n.to_string()));
                let args = WriteArgs {
                    batch: Internal(Batch {
                        source: source(pid),
                        first,
                        lost: 0,
                        records: records.collect(),
                    }),
                };
                loop {
                    if connection.as_ref().is_none_or(Connection::is_closed) {
                        connection = Connection::connect(&socket).await.ok();
                    }
                    if let Some(open) = &connection
                        && open.call::<Write>(&args).await.is_ok()
                    {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
    })
}

#[test]
fn no_record_is_lost_or_doubled_while_virtlogd_is_replaced_and_killed() {
    const BATCHES: u64 = 300;
    const SIZE: u64 = 20;
    let Some(mut logd) = start("records_max_size = 200000\nrecords_max_backups = 100\n") else {
        return;
    };
    let senders: Vec<_> = (1..=3)
        .map(|pid| send_all(&logd, pid, BATCHES, SIZE))
        .collect();
    let mut round = 0;
    while !senders.iter().all(|sender| sender.is_finished()) {
        thread::sleep(Duration::from_millis(50));
        round += 1;
        match round % 4 {
            0 => {
                send(logd.pid, Signal::SIGKILL);
                logd.host.keeper().wait(logd.pid);
                logd.spawn();
            }
            _ => logd.replace(),
        }
    }
    for sender in senders {
        sender.join().expect("a sender");
    }
    let all = query(&logd.host, &["--field", "daemon=sender"]);
    for pid in 1..=3_u64 {
        let own = all.iter().filter(|record| record["pid"] == pid);
        let numbers: Vec<_> = own
            .map(|record| record["number"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, (1..=BATCHES * SIZE).collect::<Vec<_>>(), "{pid}");
    }
    let folder = logd.host.path("var/log/libvirt");
    let folder = if is_root() {
        folder
    } else {
        logd.host.path("cache/libvirt")
    };
    let files: BTreeSet<_> = fs::read_dir(folder)
        .expect("the folder")
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("records.jsonl"))
        .collect();
    assert!(files.len() > 3, "{files:?}");
}

#[test]
fn a_full_disk_holds_up_no_call_and_loses_no_record_that_there_is_room_for() {
    if !is_root() {
        return skipped("takes a file system of its own: root");
    }
    let Some(mut logd) = start("") else { return };
    let mount = |words: &[&str]| logd.host.inside(&[&["mount"], words].concat()).ok();
    let place = logd.host.path("var/log/libvirt").display().to_string();
    // As virtlogd sees it, for the mount is that of the test's host.
    mount(&["-t", "tmpfs", "-o", "size=64k", "none", &place]);
    let fill = format!("head -c 64k /dev/zero >{place}/filler");
    logd.host.inside(&["sh", "-c", &fill]);
    logd.host.start_daemon();
    for number in 0..20 {
        logd.host.define(&guest(&format!("full{number}")));
    }
    eventually("what does not fit to be told of", || {
        logd.log().contains("records can't be written")
    });
    assert!(query(&logd.host, &["--field", "event=defined"]).is_empty());
    logd.host.inside(&["rm", &format!("{place}/filler")]).ok();
    eventually("all that happened meanwhile", || {
        query(&logd.host, &["--field", "event=defined"]).len() == 20
    });
    logd.host.inside(&["umount", "-l", &place]).ok();
}

#[test]
fn hostile_texts_stay_texts_and_strangers_are_turned_away() {
    let Some(logd) = start("log_level = 1\n") else {
        return;
    };
    let evil = "x\n2026-01-31 09:05:00.042+0000: 1: error : forged:1 : gotcha\r\u{1b}[2J\u{202e}";
    let mut hostile = record(evil);
    hostile.guest = Some(Guest {
        uuid: [1; 16],
        name: format!("{evil}\",\"pid\":1,\"x\":\""),
    });
    hostile.fields = vec![(evil.to_owned().into(), evil.to_owned())];
    let mut long = record("long");
    long.message = "y".repeat(200_000);
    let socket = logd.host.path("run/libvirt/virtlogd-records-sock");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let send = |first, record: Record| {
        let batch = Batch {
            source: source(7),
            first,
            lost: 0,
            records: vec![record],
        };
        let batch = Internal(batch);
        runtime.block_on(async {
            let connection = Connection::connect(&socket).await?;
            connection.call::<Write>(&WriteArgs { batch }).await
        })
    };
    send(1, hostile).unwrap();
    let refused = send(2, long).unwrap_err();
    assert!(refused.message().contains("more than"), "{refused:?}");
    send(u64::MAX, record("number")).unwrap_err();
    let found = query(&logd.host, &["--field", "daemon=sender"]);
    assert_eq!(texts(&found, "message"), [evil]);
    let (program, root) = (sibling("virtlogd"), logd.host.root().to_string_lossy());
    let program = program.to_string_lossy();
    let mut words = vec![&*program, "query", "--root", &*root];
    if !is_root() {
        words.push("--session");
    }
    let plain = logd.host.inside(&words).ok();
    let (own, log) = (plain.matches("gotcha").count(), logd.log());
    assert!(own > 0 && log.contains("gotcha"), "{plain}\n{log}");
    for text in [&plain, &log] {
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(
            text.lines().all(|line| !line.starts_with("2026-01-31")),
            "{text}"
        );
    }
    if is_root() {
        let client = "import socket, sys\n\
                      s = socket.socket(socket.AF_UNIX)\n\
                      s.connect(sys.argv[1])\n\
                      s.settimeout(20)\n\
                      sys.exit(0 if s.recv(1) == b'' else 1)\n";
        let path = socket.to_string_lossy();
        let words = [
            "setpriv",
            "--reuid",
            "games",
            "--clear-groups",
            "/usr/bin/python3",
            "-c",
            client,
        ];
        logd.host.inside(&[&words[..], &[&*path]].concat()).ok();
        assert!(logd.log().contains("is refused"), "{}", logd.log());
    }
}
