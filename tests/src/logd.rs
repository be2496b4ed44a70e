//! A host with a virtlogd.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::host::{Host, eventually, send};
use crate::keeper::sibling;
use crate::log_client::{LogClient, answers};
use crate::target::{Target, build_ours, is_root};

/// A host with a virtlogd that answers.
pub struct Logd {
    /// The host; its driver is not started.
    pub host: Host,
    /// Whose virtlogd it is.
    pub target: Target,
    /// Its virtlogd's process.
    pub pid: u32,
}

impl Logd {
    /// Ours or the stock one, as the host is; `conf` is its configuration.
    pub fn start(host: Host, conf: &str) -> Self {
        let target = host.target;
        Self::start_of(target, host, conf)
    }

    /// The one named. The stock one takes a host on which it finds its folders ([`Host::with_stock_folders`]).
    pub fn start_of(target: Target, host: Host, conf: &str) -> Self {
        fs::write(host.path("etc/libvirt/virtlogd.conf"), conf).expect("virtlogd.conf");
        let mut this = Self {
            host,
            target,
            pid: 0,
        };
        this.spawn();
        this
    }

    /// Starts it (again) and waits until it answers.
    pub fn spawn(&mut self) {
        let root = self.host.root().to_string_lossy().into_owned();
        let words = match self.target {
            Target::Ours => ours(&root),
            Target::Stock => vec!["/usr/sbin/virtlogd".to_owned(), "-v".to_owned()],
        };
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let log = self.host.path("logd.log");
        self.pid = self.host.keeper().spawn(&words, &[], &log);
        let socket = self.socket();
        eventually("virtlogd's socket", || answers(&socket));
    }

    /// Ends it.
    pub fn stop(&self) {
        send(self.pid, Signal::SIGTERM);
        self.host.keeper().wait(self.pid);
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.host.path("run/libvirt/virtlogd-sock")
    }

    /// A client.
    pub fn client(&self) -> LogClient {
        LogClient::connect(&self.socket())
    }

    /// Has the program replace itself; does not wait for it.
    pub fn replace(&self) {
        send(self.pid, Signal::SIGUSR1);
    }

    /// How many descriptors it has open.
    ///
    /// # Panics
    /// When it does not run.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid);
        fs::read_dir(folder).expect("its descriptors").count()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.host.path("logd.log")).unwrap_or_default()
    }
}

/// The command line of ours.
pub fn ours(root: &str) -> Vec<String> {
    build_ours();
    let program = sibling("virtlogd").to_string_lossy().into_owned();
    let mut words = vec![
        program,
        "--root".to_owned(),
        root.to_owned(),
        "--verbose".to_owned(),
    ];
    if !is_root() {
        words.push("--session".to_owned());
    }
    words
}

/// A log and its backups, the oldest first, as one.
pub fn whole(path: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for number in (0..32).rev() {
        let backup = format!("{}.{number}", path.display());
        all.extend(fs::read(backup).unwrap_or_default());
    }
    all.extend(fs::read(path).unwrap_or_default());
    all
}

/// What `virtlogd query` finds, as JSON.
///
/// # Panics
/// When it fails.
pub fn query(host: &Host, words: &[&str]) -> Vec<Value> {
    let (program, root) = (sibling("virtlogd"), host.root().to_string_lossy());
    let program = program.to_string_lossy();
    let mut all = vec![&*program, "query", "--json", "--root", &*root];
    if !is_root() {
        all.push("--session");
    }
    all.extend(words);
    let text = host.inside(&all).ok();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a record"))
        .collect()
}

/// What records have under a key, among their own words or beside them.
pub fn texts(records: &[Value], key: &str) -> Vec<String> {
    let text = |record: &Value| {
        let place = [&record[key], &record["fields"][key]];
        let found = place.into_iter().find_map(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    records.iter().map(text).collect()
}
