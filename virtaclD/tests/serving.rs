//! The daemon as drivers see it: over its socket, with a policy that changes under it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use virt_rpc::client::Connection;
use virt_rpc::codec::Internal;
use virt_rpc::protocol::decisions::*;
use virt_rpc::protocol::{Object, Permission};
use virt_rpc::server::Identity;

const APACHE: &str = "@id(\"apache\") permit(principal, action == Action::\"domain.start\", resource) \
                      when { resource.domain_name == \"apache\" };";

/// What a refusal names, and how the question comes to deserve it.
type Case = (&'static str, fn(&mut Question));

/// A daemon with a tree of its own, which ends with this.
struct Daemon {
    root: TempDir,
    process: Child,
}

impl Daemon {
    fn start(conf: &str, policies: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/libvirt/virtacld");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(root.path().join("run/libvirt")).unwrap();
        std::fs::write(root.path().join("etc/libvirt/virtacld.conf"), conf).unwrap();
        for (name, text) in policies {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let mut this = Self {
            process: spawn(root.path()),
            root,
        };
        this.wait();
        this
    }

    fn socket(&self) -> PathBuf {
        self.root.path().join("run/libvirt/virtacld-sock")
    }

    fn policy(&self, name: &str) -> PathBuf {
        self.root.path().join("etc/libvirt/virtacld").join(name)
    }

    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("it ended early: {status}");
            }
            assert!(Instant::now() < until, "no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    async fn connect(&self) -> Connection {
        Connection::connect(&self.socket()).await.unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(root: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_virtacld"))
        .arg("--root")
        .arg(root)
        .stderr(Stdio::from(
            std::fs::File::create(root.join("log")).unwrap(),
        ))
        .spawn()
        .unwrap()
}

/// This process wants to start guests of these names.
fn start(names: &[&str]) -> Question {
    let own = Identity::of_this_process();
    Question {
        subject: Subject {
            pid: own.pid,
            start_time: own.start_time,
            uid: own.uid,
            gid: own.gid,
            selinux_context: None,
        },
        driver: "QEMU".to_owned(),
        back_ends: vec!["cedar".to_owned()],
        readonly: false,
        call: "REMOTE_PROC_DOMAIN_CREATE".to_owned(),
        purpose: Purpose::Call,
        permissions: vec![Permission::Start],
        targets: names
            .iter()
            .enumerate()
            .map(|(number, name)| Target {
                object: Object::Domain,
                details: vec![
                    ("domain_name".to_owned(), (*name).to_owned()),
                    (
                        "domain_uuid".to_owned(),
                        format!("c7a5fdbd-cdaf-9455-926a-{number:012x}"),
                    ),
                ],
                owner_users: Vec::new(),
                owner_groups: Vec::new(),
            })
            .collect(),
    }
}

async fn decide(connection: &Connection, question: &Question) -> Answer {
    let question = Internal(question.clone());
    let reply = connection.call::<Decide>(&DecideArgs { question }).await;
    reply.unwrap().answer.0
}

#[tokio::test]
async fn policies_decide_and_their_changes_are_told() {
    let daemon = Daemon::start("", &[("a.cedar", APACHE)]);
    let connection = daemon.connect().await;
    let mut events = connection.events();
    let first = connection.call::<Watch>(&()).await.unwrap().generation;
    let answer = decide(&connection, &start(&["apache", "db"])).await;
    assert_eq!(answer.allowed, [true, false]);
    assert_eq!((answer.generation, answer.refusal), (first, None));
    let refusal = decide(&connection, &start(&["db"])).await.refusal.unwrap();
    assert_eq!(refusal.permission, Permission::Start);
    assert_eq!(refusal.back_end, "cedar");
    assert_eq!(refusal.reason, "no policy permits it");
    // What a list or an event leaves out was denied to nobody.
    let mut filter = start(&["db"]);
    filter.purpose = Purpose::Filter;
    let answer = decide(&connection, &filter).await;
    assert_eq!((answer.allowed, answer.refusal), (vec![false], None));

    // One that is wrong changes nothing; one that is right does, and is told once it does.
    let broken = daemon.policy("b.cedar");
    std::fs::write(
        &broken,
        "permit(principal, action == Action::\"domain.strat\", resource);",
    )
    .unwrap();
    let log = daemon.root.path().join("log");
    let until = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&log)
        .unwrap()
        .contains("domain.strat")
    {
        assert!(Instant::now() < until, "the log does not name the mistake");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        decide(&connection, &start(&["apache"])).await.generation,
        first
    );
    std::fs::write(
        &broken,
        "permit(principal, action == Action::\"domain.start\", resource);",
    )
    .unwrap();
    let changed = tokio::time::timeout(Duration::from_secs(60), events.recv()).await;
    let changed = changed.unwrap().unwrap().read::<PolicyChanged>().unwrap();
    assert!(changed.generation > first);
    let answer = decide(&connection, &start(&["db"])).await;
    assert_eq!(
        (answer.generation, answer.allowed),
        (changed.generation, vec![true])
    );
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name_and_the_daemon_goes_on() {
    let daemon = Daemon::start("", &[("a.cedar", APACHE)]);
    let connection = daemon.connect().await;
    let good = start(&["apache"]);
    let cases: &[Case] = &[
        ("'frob'", |q| q.targets[0].details[0].0 = "frob".to_owned()),
        ("domain.data_write", |q| {
            q.permissions = vec![Permission::DataWrite]
        }),
        ("\"ceder\"", |q| q.back_ends = vec!["ceder".to_owned()]),
        ("no back end", |q| q.back_ends.clear()),
        ("65537 targets", |q| {
            q.targets = vec![q.targets[0].clone(); TARGETS_MAX + 1]
        }),
    ];
    for (expected, change) in cases {
        let mut question = good.clone();
        change(&mut question);
        let question = Internal(question);
        let refused = connection.call::<Decide>(&DecideArgs { question }).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let mut reused = good.clone();
    reused.subject.start_time = reused.subject.start_time.map(|time| time + 1);
    let answer = decide(&connection, &reused).await;
    let reason = answer.refusal.unwrap().reason;
    assert!(reason.contains("given to another"), "{reason}");
    assert_eq!(answer.valid_ms, Some(0));
    assert_eq!(decide(&connection, &good).await.allowed, [true]);
}

#[tokio::test]
async fn decisions_are_shown_to_those_who_trace() {
    let daemon = Daemon::start("access_drivers = [ \"cedar\" ]\n", &[("a.cedar", APACHE)]);
    let (driver, person) = (daemon.connect().await, daemon.connect().await);
    let mut events = person.events();
    person.call::<Trace>(&()).await.unwrap();
    let names: Vec<_> = (0..1000).map(|number| format!("guest-{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut question = start(&names);
    question.back_ends.clear();
    assert_eq!(decide(&driver, &question).await.allowed, [false; 1000]);
    let decided = events.recv().await.unwrap().read::<DecidedEvent>().unwrap();
    let decided = decided.decided.0;
    assert_eq!((decided.targets, decided.allowed), (1000, 0));
    assert!(decided.question.targets.len() < 100);
    // One who leaves is no longer shown anything, and nobody is held up.
    drop((person, events));
    assert_eq!(decide(&driver, &start(&["apache"])).await.allowed, [true]);
}

#[tokio::test]
async fn a_reload_is_confirmed_by_those_who_watch_and_names_who_does_not() {
    let daemon = Daemon::start("", &[("a.cedar", APACHE)]);
    let (driver, admin) = (daemon.connect().await, daemon.connect().await);
    let reload = async || {
        admin
            .call::<Reload>(&())
            .await
            .map(|reply| reply.reloaded.0)
    };
    // Nobody watches, so nobody is waited for.
    let first = reload().await.unwrap();
    assert!(first.unconfirmed.is_empty(), "{first:?}");
    let mut events = driver.events();
    let known = driver.call::<Watch>(&()).await.unwrap().generation;
    assert_eq!(known, first.generation);

    let acknowledge = async {
        let changed = events
            .recv()
            .await
            .unwrap()
            .read::<PolicyChanged>()
            .unwrap();
        let generation = changed.generation;
        let args = AcknowledgeArgs { generation };
        driver.call::<Acknowledge>(&args).await.unwrap();
        generation
    };
    let (reloaded, generation) = tokio::join!(reload(), acknowledge);
    let reloaded = reloaded.unwrap();
    assert_eq!(
        (reloaded.generation, reloaded.unconfirmed.len()),
        (generation, 0)
    );

    // One that says nothing is named, with its process.
    let reloaded = reload().await.unwrap();
    let own = format!("(process {})", std::process::id());
    assert!(reloaded.unconfirmed[0].ends_with(&own), "{reloaded:?}");
    // One that is gone uses nothing any more.
    drop((driver, events));
    let reloaded = reload().await.unwrap();
    assert!(reloaded.unconfirmed.is_empty(), "{reloaded:?}");

    std::fs::write(daemon.policy("b.cedar"), "permit(principal").unwrap();
    let text = reload().await.unwrap_err().to_string();
    assert!(text.contains("b.cedar"), "{text}");
}

#[tokio::test]
async fn a_client_that_vanishes_while_it_asks_holds_up_nobody() {
    let daemon = Daemon::start("", &[("a.cedar", APACHE)]);
    let names: Vec<_> = (0..5000).map(|number| format!("guest-{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let question = start(&names);
    for _ in 0..20 {
        let asking = daemon.connect().await;
        let question = Internal(question.clone());
        let args = DecideArgs { question };
        // Sent, and not waited for.
        let sent = asking.call::<Decide>(&args);
        let _ = tokio::time::timeout(Duration::from_millis(1), sent).await;
    }
    let asking = daemon.connect().await;
    assert_eq!(decide(&asking, &start(&["apache"])).await.allowed, [true]);
}
