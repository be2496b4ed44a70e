//! What systemd does for a service that has descriptors kept (sd_notify(3), FDSTORE=1): it keeps them
//! when the service dies, and hands them to the next start.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::libc;
use nix::sys::signal::Signal;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::host::send;

/// Most descriptors in one message.
const MESSAGE_MAX: usize = 16;

/// A service and what is kept for it.
pub struct Supervisor {
    words: Vec<String>,
    notify: PathBuf,
    log: PathBuf,
    kept: Arc<Mutex<VecDeque<(String, OwnedFd)>>>,
    running: Option<Child>,
}

impl Supervisor {
    /// A service with that command line, not started; its files are in `folder`.
    ///
    /// # Panics
    /// When the socket for what it has to say can't be made.
    pub fn new(words: &[&str], folder: &Path) -> Self {
        let notify = folder.join("notify");
        let socket = UnixDatagram::bind(&notify).expect("a socket");
        let kept = Arc::<Mutex<VecDeque<_>>>::default();
        let store = Arc::clone(&kept);
        // Ends with the test.
        std::thread::spawn(move || {
            while let Some((text, descriptors)) = receive(&socket) {
                obey(&mut store.lock().unwrap(), &text, descriptors);
            }
        });
        Self {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            notify,
            log: folder.join("service.log"),
            kept,
            running: None,
        }
    }

    /// Starts it with what is kept.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("its log");
        let kept = self.kept.lock().unwrap();
        let names: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
        let numbers: Vec<_> = kept.iter().map(|(_, fd)| fd.as_raw_fd()).collect();
        let mut command = Command::new("sh");
        command
            .args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"])
            .args(&self.words)
            .env("NOTIFY_SOCKET", &self.notify)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if !kept.is_empty() {
            command
                .env("LISTEN_FDS", names.len().to_string())
                .env("LISTEN_FDNAMES", names.join(":"));
        }
        #[allow(
            unsafe_code,
            reason = "descriptors get their numbers between fork and exec"
        )]
        // SAFETY: only system calls are made there.
        unsafe {
            command.pre_exec(move || hand_over(&numbers));
        }
        self.running = Some(command.spawn().expect("start the service"));
    }

    /// Its process.
    ///
    /// # Panics
    /// When it is not running.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("it runs").id()
    }

    /// Kills it.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&mut self) {
        send(self.pid(), Signal::SIGKILL);
        let mut child = self.running.take().expect("it runs");
        child.wait().expect("its end");
    }

    /// How many descriptors are kept.
    pub fn kept(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn receive(socket: &UnixDatagram) -> Option<(String, Vec<OwnedFd>)> {
    let mut text = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut text)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let length = recvmsg(socket, &mut parts, &mut ancillary, flags)
        .ok()?
        .bytes;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    let text = String::from_utf8_lossy(&text[..length]);
    Some((text.into_owned(), descriptors))
}

fn obey(kept: &mut VecDeque<(String, OwnedFd)>, text: &str, descriptors: Vec<OwnedFd>) {
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME="));
    let Some(name) = name else { return };
    if text.lines().any(|line| line == "FDSTOREREMOVE=1") {
        kept.retain(|(known, _)| known != name);
    } else {
        kept.extend(descriptors.into_iter().map(|fd| (name.to_owned(), fd)));
    }
}

/// Gives the descriptors the numbers from 3 on.
fn hand_over(numbers: &[i32]) -> std::io::Result<()> {
    let first = 3 + i32::try_from(numbers.len()).unwrap_or(i32::MAX);
    #[allow(unsafe_code, reason = "bare numbers are what the next program gets")]
    // SAFETY: the numbers are open, for their owner waits for the fork; nothing else is in the way.
    unsafe {
        // First out of the way of each other.
        let mut high = [0; 1024];
        for (place, number) in numbers.iter().enumerate() {
            high[place] = libc::fcntl(*number, libc::F_DUPFD_CLOEXEC, first);
        }
        for (from, to) in high.iter().take(numbers.len()).zip(3..) {
            if libc::dup2(*from, to) < 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
    }
    Ok(())
}
