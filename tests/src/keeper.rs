//! The test's end of its keeper process (`src/bin/keeper.rs`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

/// A running keeper. Dropping it ends every process below it before it returns.
pub struct Keeper {
    child: Child,
    channel: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

/// A program of this workspace, looked for beside the running one and one folder up (test
/// executables are in `deps/`).
///
/// # Panics
/// When it has not been built.
pub fn sibling(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("own path");
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is not built: run cargo build --workspace --bins"))
}

impl Keeper {
    /// Starts a keeper; `isolate` gives it network and mounts of its own (root only), `binds` are
    /// folders laid over others there.
    pub fn start(isolate: bool, binds: &[(PathBuf, PathBuf)]) -> Self {
        let mut command = Command::new(sibling("keeper"));
        if isolate {
            command.arg("--isolate");
        }
        for (from, to) in binds {
            command.arg("--bind").arg(from).arg(to);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the keeper");
        let requests = child.stdin.take().expect("piped");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        // Its namespaces and mounts are made when it says so.
        let mut ready = String::new();
        answers
            .read_line(&mut ready)
            .expect("the keeper's first line");
        assert!(!ready.is_empty(), "the keeper could not start");
        Keeper {
            child,
            channel: Mutex::new(Some((requests, answers))),
        }
    }

    /// The keeper's process id, for `nsenter`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts a program with its output appended to `log`; its process id.
    pub fn spawn(&self, words: &[&str], env: &[(&str, &str)], log: &Path) -> u32 {
        let env: serde_json::Map<String, Value> = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let answer = self.ask(&json!({ "spawn": words, "env": env, "log": log }));
        let pid = answer["pid"]
            .as_u64()
            .unwrap_or_else(|| panic!("keeper: {answer}"));
        u32::try_from(pid).expect("a process id")
    }

    /// Waits for the end of a process started here or adopted: `exit CODE` or `signal NUMBER`.
    pub fn wait(&self, pid: u32) -> String {
        let answer = self.ask(&json!({ "wait": pid }));
        answer["status"].as_str().expect("a status").to_owned()
    }

    fn ask(&self, request: &Value) -> Value {
        let mut channel = self.channel.lock().expect("keeper channel");
        let (requests, answers) = channel.as_mut().expect("keeper runs");
        writeln!(requests, "{request}").expect("keeper takes requests");
        let mut line = String::new();
        answers.read_line(&mut line).expect("keeper answers");
        assert!(!line.is_empty(), "the keeper has died");
        serde_json::from_str(&line).expect("keeper answers in JSON")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // End of its input tells the keeper to end everything.
        if let Ok(channel) = self.channel.get_mut() {
            channel.take();
        }
        let _ = self.child.wait();
    }
}
