//! Keeps the processes of one test: starts them, reaps them, and ends every one of them when the
//! test ends, however it ends.
//!
//! As a child subreaper it becomes the parent of daemons' orphans, guests among them: they are
//! reaped at once (process 1 of some machines takes seconds), and none survives the test. With
//! `--isolate` it first leaves the machine's network and mounts, so that ports, bridges and paths
//! of parallel tests do not meet; `--bind FROM TO` then lays one folder over another.
//!
//! When all that is done it says `{"ready": true}`. It reads requests as JSON lines on its input
//! and answers each with one line:
//! `{"spawn": [program, argument...], "env": {name: value}, "log": path}` gives `{"pid": n}`, and
//! `{"wait": pid}` gives `{"status": "exit 0"}` or `{"status": "signal 9"}`. At end of input every
//! process is killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's own process: failing loudly is its way to report"
)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, Write, stdin, stdout};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// How each reaped process ended, by process id.
type Ended = Arc<(Mutex<HashMap<i32, String>>, Condvar)>;

fn main() {
    nix::sys::prctl::set_child_subreaper(true).expect("become a subreaper");
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--isolate" => isolate(),
            "--bind" => bind(&arguments.next().unwrap(), &arguments.next().unwrap()),
            other => panic!("unknown argument {other}"),
        }
    }

    let ended = Ended::default();
    let reaper = Arc::clone(&ended);
    thread::spawn(move || reap(&reaper));

    println!("{}", json!({ "ready": true }));
    for line in stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.unwrap()).expect("a request is JSON");
        let answer = if request.get("spawn").is_some() {
            spawn(&request)
        } else {
            let pid = request["wait"].as_i64().expect("spawn or wait") as i32;
            json!({ "status": wait(&ended, pid) })
        };
        println!("{answer}");
        stdout().flush().unwrap();
    }
    end_all();
}

fn isolate() {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("own namespaces need root");
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .expect("make mounts private");
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.is_ok_and(|status| status.success()), "ip link set lo up");
}

fn bind(from: &str, to: &str) {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .unwrap_or_else(|error| panic!("bind {from} on {to}: {error}"));
}

fn spawn(request: &Value) -> Value {
    let words: Vec<&str> = request["spawn"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w.as_str().unwrap())
        .collect();
    let log = File::options()
        .create(true)
        .append(true)
        .open(request["log"].as_str().unwrap())
        .unwrap();
    let mut command = Command::new(words[0]);
    // Nothing of the caller's environment but what measuring coverage needs.
    command.env_clear().env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    for (name, value) in request["env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap());
    }
    match command.spawn() {
        Ok(child) => json!({ "pid": child.id() }),
        Err(error) => json!({ "error": format!("{}: {error}", words[0]) }),
    }
}

/// Collects every child, its own and adopted ones, for as long as the keeper lives.
fn reap(ended: &Ended) {
    let (statuses, changed) = &**ended;
    loop {
        let (pid, status) = match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) => (pid, format!("exit {code}")),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, format!("signal {}", signal as i32)),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(Errno::ECHILD) => {
                // No child yet: look again soon.
                thread::sleep(std::time::Duration::from_millis(5));
                continue;
            }
            Err(error) => panic!("waitpid: {error}"),
        };
        statuses.lock().unwrap().insert(pid.as_raw(), status);
        changed.notify_all();
    }
}

fn wait(ended: &Ended, pid: i32) -> String {
    let (statuses, changed) = &**ended;
    let statuses = statuses.lock().unwrap();
    let statuses = changed
        .wait_while(statuses, |known| !known.contains_key(&pid))
        .unwrap();
    statuses[&pid].clone()
}

/// Kills children until there is none: the children of those killed arrive here in their turn.
fn end_all() {
    let me = std::process::id().to_string();
    loop {
        let mut found = false;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
                continue;
            };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // After the name in parentheses: state, parent.
            let parent = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.split(' ').nth(1));
            if parent == Some(me.as_str()) {
                found = true;
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        if !found {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(2));
    }
}
