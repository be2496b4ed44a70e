//! Our command lines given to the real QEMU, with what belongs to the made-up host replaced.
//!
//! Only files, sockets and descriptors are: they become files and sockets of a folder of the test's
//! own, network storage an empty block device, taps networks of QEMU's own. What needs a device or
//! a program of the host is left as it is, so QEMU says what it misses.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::outputs::Output;
use crate::differential::compare::anonymous;

/// How long QEMU may take until its monitor answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of all of them.
#[derive(Debug, Default)]
pub struct Tried {
    /// Those tried.
    pub tried: usize,
    /// Those whose monitor answered.
    pub accepted: usize,
    /// Why the others were not taken, with the names of their cases.
    pub not_taken: BTreeMap<String, Vec<String>>,
}

/// Pieces of what QEMU says when it does not understand, whatever the host has.
const NOT_UNDERSTOOD: &[&str] = &[
    "is unexpected",
    "invalid option",
    "Invalid parameter",
    "Duplicate ID",
    "not found in",
    "Property '",
    "Unknown protocol",
    "unsupported machine type",
    "expected",
    "Parameter '",
];

impl Tried {
    /// One line of figures.
    pub fn figures(&self) -> String {
        format!("{} command lines accepted of {}", self.accepted, self.tried)
    }

    /// Reasons that are ours: QEMU did not understand the line.
    pub fn wrong(&self) -> impl Iterator<Item = (&str, &[String])> {
        let ours = |reason: &str| NOT_UNDERSTOOD.iter().any(|piece| reason.contains(piece));
        let found = self
            .not_taken
            .iter()
            .filter(move |(reason, _)| ours(reason));
        found.map(|(reason, names)| (reason.as_str(), names.as_slice()))
    }
}

/// Whether a case is about the QEMU that is installed, run without hardware's help and without
/// arguments of the guest's own.
fn is_for_here(output: &Output, words: &[String]) -> bool {
    let caps = &output.case["caps"];
    let accelerated = words
        .windows(2)
        .any(|pair| pair[0] == "-accel" && pair[1] != "tcg");
    let features = output.case["features"].as_array();
    let own = features.is_some_and(|features| features.iter().any(|used| used == "commandline"));
    !own && caps["version"] == "latest" && caps["variant"] == "" && !accelerated
}

/// Tries command lines for the newest QEMU, at most so many, taken evenly from all, and so many at
/// a time.
pub fn try_some(outputs: &[Output], most: usize, at_once: usize) -> Tried {
    let mut lines: Vec<_> = outputs
        .iter()
        .filter_map(|output| {
            let text = fs::read_to_string(&output.ours).ok()?;
            let line: Value = serde_json::from_str(&text).ok()?;
            let words: Vec<String> = serde_json::from_value(line["argv"].clone()).ok()?;
            let name = output.case["id"].as_str().unwrap_or_default().to_owned();
            is_for_here(output, &words).then_some((name, words))
        })
        .collect();
    let every = lines.len().div_ceil(most.max(1)).max(1);
    lines = lines.into_iter().step_by(every).collect();
    let next = Mutex::new(lines.iter());
    let tried = Mutex::new(Tried::default());
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let Some((name, words)) = next.lock().expect("the list").next() else {
                        return;
                    };
                    let result = try_one(words);
                    let mut tried = tried.lock().expect("the result");
                    tried.tried += 1;
                    match result {
                        Ok(()) => tried.accepted += 1,
                        Err(reason) => tried
                            .not_taken
                            .entry(reason)
                            .or_default()
                            .push(name.clone()),
                    }
                }
            });
        }
    });
    tried.into_inner().expect("the result")
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn try_one(words: &[String]) -> Result<(), String> {
    let folder = TempDir::with_prefix("virt-qemu-").expect("a folder");
    let mut scratch = Scratch {
        folder: folder.path(),
        used: 0,
    };
    let words = scratch.rewrite(words);
    let said = folder.path().join("said");
    let errors = File::create(&said).expect("a file");
    let qemu = Command::new(&words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn();
    let mut qemu = Running(qemu.map_err(|error| error.to_string())?);
    let monitor = folder.path().join("monitor.sock");
    let deadline = Instant::now() + PATIENCE;
    let reason = || {
        let text = fs::read_to_string(&said).unwrap_or_default();
        let mut lines = text.lines().filter(|line| !line.contains("warning:"));
        let line = lines.next_back().unwrap_or("ended without a word");
        let program = line.split_once(": ").map_or(line, |(_, rest)| rest);
        anonymous(&program.replace(&*folder.path().to_string_lossy(), ""))
    };
    loop {
        if qemu.0.try_wait().expect("wait").is_some() {
            return Err(reason());
        }
        // The socket is there before machine and devices are made: the greeting comes after them.
        if let Ok(stream) = UnixStream::connect(&monitor) {
            return handshake(&stream).map_err(|error| match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
                _ => {
                    drop(qemu);
                    reason()
                }
            });
        }
        if Instant::now() > deadline {
            return Err("no monitor in time".to_owned());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Greeting, capabilities, the end.
fn handshake(stream: &UnixStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream);
    for command in [
        "",
        "{\"execute\":\"qmp_capabilities\"}",
        "{\"execute\":\"quit\"}",
    ] {
        let mut commands = stream;
        commands.write_all(command.as_bytes())?;
        loop {
            let mut answer = String::new();
            let ended = answers.read_line(&mut answer)? == 0;
            if ended || answer.contains("\"error\"") {
                return Err(std::io::Error::other(answer));
            }
            // Events may come in between.
            if answer.contains("\"QMP\"") || answer.contains("\"return\"") {
                break;
            }
        }
    }
    Ok(())
}

/// The folder that stands for the made-up host.
struct Scratch<'f> {
    folder: &'f Path,
    used: u32,
}

/// Size of a made-up disk.
const DISK: u64 = 1 << 20;

impl Scratch<'_> {
    fn path(&mut self, kind: &str) -> PathBuf {
        self.used += 1;
        self.folder.join(format!("{kind}{}", self.used))
    }

    fn rewrite(&mut self, words: &[String]) -> Vec<String> {
        let mut out = vec![words[0].clone()];
        let mut rest = words[1..].iter().peekable();
        let formats = formats(words);
        while let Some(option) = rest.next() {
            let value = rest.next_if(|word| !word.starts_with('-') || word.starts_with("-1"));
            let value = match (option.as_str(), value) {
                // The files are named instead.
                ("-add-fd", _) => continue,
                (_, None) => None,
                ("-chardev", Some(value)) => Some(self.chardev(value)),
                ("-blockdev", Some(value)) => Some(self.blockdev(value, &formats)),
                ("-object", Some(value)) => Some(self.object(value)),
                ("-netdev", Some(value)) => Some(netdev(value)),
                ("-vnc", Some(value)) => {
                    let rest = value.split_once(',').map(|(_, rest)| format!(",{rest}"));
                    let path = self.path("vnc");
                    Some(format!(
                        "unix:{}{}",
                        path.display(),
                        rest.unwrap_or_default()
                    ))
                }
                (_, Some(value)) => Some(value.clone()),
            };
            out.push(option.clone());
            out.extend(value);
        }
        out
    }

    /// Sockets listen in the folder; files are in it.
    fn chardev(&mut self, value: &str) -> String {
        let parts: Vec<&str> = value.split(',').collect();
        let id = parts.iter().find(|part| part.starts_with("id="));
        let id = id.copied().unwrap_or_default();
        match parts[0] {
            "socket" if id == "id=charmonitor" => {
                let path = self.folder.join("monitor.sock");
                format!("socket,{id},path={},server=on,wait=off", path.display())
            }
            // TLS and reconnection stay.
            "socket" => {
                let taken = ["host=", "port=", "fd=", "path=", "server", "wait", "to="];
                let kept = parts[1..].iter().filter(|part| {
                    !taken.iter().any(|start| part.starts_with(start))
                        && !part.starts_with("reconnect")
                });
                let kept = kept.copied().collect::<Vec<_>>().join(",");
                let path = self.path("socket");
                format!("socket,{kept},path={},server=on,wait=off", path.display())
            }
            "file" => {
                let path = self.path("file");
                format!("file,{id},path={}", path.display())
            }
            "pipe" => {
                let path = self.path("pipe");
                for end in ["in", "out"] {
                    let end = path.with_extension(end);
                    let made = nix::unistd::mkfifo(&end, nix::sys::stat::Mode::S_IRWXU);
                    made.expect("a pipe");
                }
                format!("pipe,{id},path={}", path.display())
            }
            _ => {
                let log = self.path("log");
                let named = |part: &&str| match part.starts_with("logfile=") {
                    true => format!("logfile={}", log.display()),
                    false => (*part).to_owned(),
                };
                parts.iter().map(named).collect::<Vec<_>>().join(",")
            }
        }
    }

    /// Images are made in the format that is put over them; what is reached over a network is empty.
    fn blockdev(&mut self, value: &str, formats: &BTreeMap<String, String>) -> String {
        let Ok(mut node) = serde_json::from_str::<Value>(value) else {
            return value.to_owned();
        };
        let driver = node["driver"].as_str().unwrap_or_default().to_owned();
        let name = node["node-name"].as_str().unwrap_or_default().to_owned();
        match driver.as_str() {
            "file" | "host_device" | "host_cdrom" => {
                let named = node["filename"].as_str().map(PathBuf::from);
                if named.is_some_and(|path| path.is_file()) {
                    return value.to_owned();
                }
                let path = self.path("disk");
                image(&path, formats.get(&name).map_or("raw", String::as_str));
                node["driver"] = "file".into();
                node["filename"] = path.display().to_string().into();
            }
            "nbd" | "rbd" | "iscsi" | "http" | "https" | "ftp" | "ftps" | "ssh" | "gluster"
            | "nfs" | "vxhs" | "nvme" => {
                let mut empty = json!({ "driver": "null-co", "size": DISK, "read-zeroes": true });
                for key in [
                    "node-name",
                    "read-only",
                    "cache",
                    "discard",
                    "detect-zeroes",
                ] {
                    if let Some(value) = node.get(key) {
                        empty[key] = value.clone();
                    }
                }
                node = empty;
            }
            _ => {}
        }
        node.to_string()
    }

    /// Keys and memory are files of the folder.
    fn object(&mut self, value: &str) -> String {
        let Ok(mut object) = serde_json::from_str::<Value>(value) else {
            return value.to_owned();
        };
        if object.get("file").is_some() {
            let path = self.path("key");
            // What the secrets of the made-up host are encrypted with (ASSUMPTIONS.md 3.4).
            let key: Vec<u8> = (0..32).collect();
            fs::write(&path, key).expect("a key");
            object["file"] = path.display().to_string().into();
        }
        if object.get("mem-path").is_some() {
            object["mem-path"] = self.path("memory").display().to_string().into();
        }
        object.to_string()
    }
}

/// Which format is put over which node.
fn formats(words: &[String]) -> BTreeMap<String, String> {
    let nodes = words.windows(2).filter(|pair| pair[0] == "-blockdev");
    let nodes = nodes.filter_map(|pair| serde_json::from_str::<Value>(&pair[1]).ok());
    let over = nodes.filter_map(|node| {
        let below = node["file"].as_str()?.to_owned();
        Some((below, node["driver"].as_str()?.to_owned()))
    });
    over.collect()
}

fn image(path: &Path, format: &str) {
    if format != "raw" {
        let made = Command::new("/usr/bin/qemu-img")
            .args(["create", "-q", "-f", format])
            .arg(path)
            .arg(DISK.to_string())
            .stderr(Stdio::null())
            .status();
        if made.is_ok_and(|status| status.success()) {
            return;
        }
    }
    let file = File::create(path).expect("an image");
    file.set_len(DISK).expect("an image");
}

fn netdev(value: &str) -> String {
    match serde_json::from_str::<Value>(value) {
        Ok(node) if ["tap", "bridge"].iter().any(|kind| node["type"] == *kind) => {
            json!({ "type": "user", "id": node["id"] }).to_string()
        }
        _ => value.to_owned(),
    }
}
