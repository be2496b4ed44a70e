//! The program that takes over: tried first, then executed in place.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use super::descriptors::set_close_on_exec;
use super::state::StateV1;

/// The environment says here which descriptor holds the state.
const VARIABLE: &str = "VIRT_HANDOVER_FD";
/// What the program is asked to do when it is tried; not for people.
pub(crate) const CHECK: &str = "--check-handover";
/// Longest state that is read, in bytes: 10,000 locks and 1,000 clients take about 2 million.
const STATE_MAX: u64 = 256 * 1024 * 1024;
/// How long reading the state may take when it is tried.
const CHECK_IN: Duration = Duration::from_secs(5);

/// How this program was started, so that it can be started again.
#[derive(Debug)]
pub(crate) struct Program {
    /// Where it was: after an upgrade the new one is there.
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// # Errors
    /// The system doesn't say where the program is: a sentence.
    pub(crate) fn running() -> Result<Self, String> {
        let path = std::env::current_exe()
            .map_err(|e| format!("where this program is can't be found out: {e}"))?;
        // After a replacement of the file the kernel names the old one so.
        let path = match path.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
            Some(path) => PathBuf::from(OsString::from(std::ffi::OsStr::from_bytes(path))),
            None => path,
        };
        Ok(Self {
            path,
            arguments: std::env::args_os().collect(),
        })
    }

    /// Whether the program that is at our place now can go on with `state`.
    ///
    /// # Errors
    /// It can't, or can't be started: a sentence.
    pub(crate) fn check(&self, state: &State) -> Result<(), String> {
        let failed = |e: &dyn std::fmt::Display| format!("'{}': {e}", self.path.display());
        let file = state.reopened().map_err(|e| failed(&e))?;
        let mut child = Command::new(&self.path)
            .arg(CHECK)
            .stdin(Stdio::from(file))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| failed(&e))?;
        let until = Instant::now() + CHECK_IN;
        let status = loop {
            match child.try_wait().map_err(|e| failed(&e))? {
                Some(status) => break status,
                None if Instant::now() < until => std::thread::sleep(Duration::from_micros(300)),
                None => {
                    // It may have ended just now; either way it is gone after this.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(failed(&"it did not read the state in time"));
                }
            }
        };
        if status.success() {
            return Ok(());
        }
        let mut text = String::new();
        if let Some(stderr) = child.stderr {
            // What it said is a courtesy; that it failed is what counts.
            let _ = stderr.take(4096).read_to_string(&mut text);
        }
        Err(failed(&format!("{status}: {}", text.trim())))
    }

    /// Becomes the program that is at our place now. Returns only when that failed.
    pub(crate) fn execute(&self, state: &State, descriptors: &[RawFd]) -> String {
        let failed = |e: nix::Error| format!("'{}' can't be executed: {e}", self.path.display());
        let strings = |words: &mut dyn Iterator<Item = OsString>| {
            let words = words.map(|word| CString::new(word.as_bytes()));
            words.collect::<Result<Vec<_>, _>>()
        };
        let mut environment = std::env::vars_os()
            .filter(|(name, _)| name != VARIABLE)
            .chain([(
                OsString::from(VARIABLE),
                OsString::from(state.file.as_raw_fd().to_string()),
            )])
            .map(|(name, value)| {
                let mut word = name;
                word.push("=");
                word.push(value);
                word
            });
        let path = strings(&mut [self.path.clone().into_os_string()].into_iter());
        let arguments = strings(&mut self.arguments.iter().cloned());
        let (Ok(path), Ok(arguments), Ok(environment)) =
            (path, arguments, strings(&mut environment))
        else {
            return "a word of the command line contains a NUL byte".to_owned();
        };
        let Some(path) = path.first() else {
            return "the program has no path".to_owned();
        };
        keep_open(descriptors, true);
        if let Err(error) = set_close_on_exec(&state.file, false) {
            return failed(error);
        }
        let Err(error) = nix::unistd::execve(path, &arguments, &environment);
        keep_open(descriptors, false);
        failed(error)
    }
}

/// A sealed memfd: what is in it can't change any more.
#[derive(Debug)]
pub(crate) struct State {
    file: OwnedFd,
}

impl State {
    pub(crate) fn new(state: &StateV1) -> Result<Self, String> {
        let bytes = state.to_bytes()?;
        Self::sealed(&bytes).map_err(|e| format!("the state can't be kept: {e}"))
    }

    fn sealed(bytes: &[u8]) -> std::io::Result<Self> {
        use rustix::fs::MemfdFlags;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(rustix::fs::memfd_create("handover", flags)?);
        file.write_all(bytes)?;
        let seals = SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(Self { file: file.into() })
    }

    /// The same content with a position of its own, at the start.
    fn reopened(&self) -> std::io::Result<File> {
        File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

/// What the program before this one left, if it was this process's.
pub(super) fn left_behind() -> Result<Option<Vec<u8>>, String> {
    let Some(number) = std::env::var_os(VARIABLE) else {
        return Ok(None);
    };
    let number = number.to_str().and_then(|text| text.parse::<RawFd>().ok());
    let Some(number) = number.filter(|number| *number > 2) else {
        return Ok(None);
    };
    // A child of the daemon has the variable, too, but not the descriptor or not its own state.
    if !is_sealed(number) {
        return Ok(None);
    }
    let mut file = adopt(number);
    let mut content = Vec::new();
    file.rewind()
        .and_then(|()| file.take(STATE_MAX).read_to_end(&mut content))
        .map_err(|e| format!("the state that was left can't be read: {e}"))?;
    match StateV1::process(&content)? {
        pid if pid == std::process::id() => Ok(Some(content)),
        _ => Ok(None),
    }
}

/// Reads a state from standard input: what [`CHECK`] asks for.
pub(crate) fn check_input(
    daemon: &str,
    own: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut content = Vec::new();
    std::io::stdin()
        .take(STATE_MAX)
        .read_to_end(&mut content)
        .map_err(|e| format!("the state can't be read: {e}"))?;
    let state = StateV1::read(&content)?;
    if state.daemon != daemon {
        return Err(format!(
            "this is a state of {}, not of {daemon}",
            state.daemon
        ));
    }
    own(&state.own)
}

#[allow(unsafe_code, reason = "what survives an exec are bare numbers")]
fn is_sealed(number: RawFd) -> bool {
    let wanted = nix::libc::F_SEAL_WRITE | nix::libc::F_SEAL_SEAL;
    // SAFETY: asking for seals works for any number, open or not, and changes nothing.
    let seals = unsafe { nix::libc::fcntl(number, nix::libc::F_GET_SEALS) };
    seals >= 0 && seals & wanted == wanted
}

#[allow(unsafe_code, reason = "what survives an exec are bare numbers")]
fn adopt(number: RawFd) -> File {
    // SAFETY: the number is an open, sealed memfd (`is_sealed`), which the environment says was
    // left to this program, and which is taken once, first thing.
    File::from(unsafe { OwnedFd::from_raw_fd(number) })
}

#[allow(
    unsafe_code,
    reason = "the descriptors are owned elsewhere and named by number"
)]
fn keep_open(numbers: &[RawFd], open: bool) {
    let flag = if open { 0 } else { nix::libc::FD_CLOEXEC };
    for number in numbers {
        // SAFETY: setting the flag of a number that isn't open fails and changes nothing; of an
        // open one it changes only whether an exec closes it.
        unsafe { nix::libc::fcntl(*number, nix::libc::F_SETFD, flag) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_stays() {
        let state = State::sealed(b"state").unwrap();
        let mut text = String::new();
        state.reopened().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "state");
        assert!(is_sealed(state.file.as_raw_fd()));
        let mut file = File::from(state.file.try_clone().unwrap());
        assert!(file.write_all(b"x").is_err());
        assert!(!is_sealed(0));
    }
}
