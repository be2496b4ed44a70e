//! passt: the program that is a guest's unprivileged network.
//!
//! It is started before QEMU, goes to the background when its socket is ready and ends with QEMU's
//! connection (`--one-off`). Folders: WIRE.md section 25; arguments: passt(1).

mod arguments;

pub use arguments::{Files, arguments};

use crate::process::handle::Ending;
use crate::process::{Process, Program, Stdio};
use rustix::process::Signal;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use virt_domain::Domain;
use virt_domain::devices::interface::Interface;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The socket of an interface's passt: `STATE/passt/ID-SHORT-ALIAS.socket`.
pub fn socket_path(state_dir: &Path, short_name: &str, alias: &str) -> PathBuf {
    Files::of(state_dir, short_name, alias).socket
}

/// Starts passt for every interface that has one. The folder must be one that `runas` may write to.
///
/// # Errors
/// OPERATION_FAILED with passt's own last words; nothing is left running then.
pub async fn start(
    domain: &Domain,
    state_dir: &Path,
    short_name: &str,
    runas: Option<(u32, u32)>,
) -> Result<()> {
    for interface in domain.devices.interfaces.iter().filter(|i| i.uses_passt()) {
        if let Err(error) = start_one(interface, state_dir, short_name, runas).await {
            stop(domain, state_dir, short_name);
            return Err(error);
        }
    }
    Ok(())
}

/// Ends what [`start`] started and takes its files away. Safe to call again, and after a restart of
/// the daemon.
pub fn stop(domain: &Domain, state_dir: &Path, short_name: &str) {
    for interface in domain.devices.interfaces.iter().filter(|i| i.uses_passt()) {
        let alias = interface.info.alias().unwrap_or_default();
        let files = Files::of(state_dir, short_name, alias);
        end(&files.pid, "passt");
        for path in [&files.socket, &files.pid, &files.repair, &files.output] {
            // What isn't there needs not go.
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn start_one(
    interface: &Interface,
    state_dir: &Path,
    short_name: &str,
    runas: Option<(u32, u32)>,
) -> Result<()> {
    // Left to itself it becomes `nobody` when root starts it, who may not write to our folder.
    let runas = runas.or_else(own_account);
    let alias = interface.info.alias().unwrap_or_default();
    let files = Files::of(state_dir, short_name, alias);
    let failed = |what: &str, cause: std::io::Error| {
        Error::system(
            ErrorDomain::Qemu,
            format!("{what} passt of {alias}"),
            &cause,
        )
    };
    let folder = state_dir.join("passt");
    make_folder(&folder, runas).map_err(|e| failed("cannot make the folder of", e))?;
    let _ = std::fs::remove_file(&files.socket);
    let mut output = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&files.output)
        .map_err(|e| failed("cannot open the output of", e))?;
    let mut program = Program::new("passt").args(arguments(interface, &files, runas));
    let copy = output
        .try_clone()
        .map_err(|e| failed("cannot open the output of", e))?;
    program.output = Stdio::File(copy);
    let process = program.start().map_err(|e| failed("cannot start", e))?;
    match process.ended().await {
        Ending::Exited(0) => Ok(()),
        ending => Err(Error::new(
            ErrorCode::OperationFailed,
            ErrorDomain::Qemu,
            format!(
                "Could not start 'passt': {ending}: {}",
                last_words(&mut output)
            ),
        )),
    }
}

/// Our own user and group, if passt would change it.
fn own_account() -> Option<(u32, u32)> {
    let user = rustix::process::geteuid();
    let group = rustix::process::getegid();
    user.is_root().then(|| (user.as_raw(), group.as_raw()))
}

fn make_folder(folder: &Path, runas: Option<(u32, u32)>) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o755).create(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    match runas {
        Some((user, group)) => std::os::unix::fs::lchown(folder, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// The end of what a program said, as one line.
pub(crate) fn last_words(output: &mut File) -> String {
    const MOST: usize = 1024;
    /// The reason stands at the end. What passt says of a missing syslog is none.
    const LINES: usize = 2;
    let mut text = String::new();
    let length = output.metadata().map_or(0, |m| m.len());
    let from = length.saturating_sub(MOST as u64);
    let read = output.seek(SeekFrom::Start(from)).is_ok()
        && output.take(MOST as u64).read_to_string(&mut text).is_ok();
    if !read {
        return "it said nothing that can be read".to_owned();
    }
    let said = |line: &&str| !line.is_empty() && !line.starts_with("Failed to send ");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(said).collect();
    lines[lines.len().saturating_sub(LINES)..].join("; ")
}

/// Ends the program whose number is in that file, if it is still that program.
pub(crate) fn end(pid_file: &Path, name: &str) {
    let Ok(text) = std::fs::read_to_string(pid_file) else {
        return;
    };
    let Ok(pid) = text.trim().parse() else { return };
    let Ok(process) = Process::open(pid) else {
        return;
    };
    // Held by descriptor: looked at after that, the number can't become another's.
    let is_it = process.arguments().is_ok_and(|arguments| {
        arguments.first().is_some_and(|program| {
            let base = program.rsplit(|b| *b == b'/').next().unwrap_or_default();
            base == name.as_bytes() || base.starts_with(format!("{name}.").as_bytes())
        })
    });
    if is_it && let Err(error) = process.signal(Signal::TERM) {
        tracing::warn!(%error, pid, name, "cannot end a helper program");
    }
}
