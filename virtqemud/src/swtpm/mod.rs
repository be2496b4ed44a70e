//! swtpm: the program that is a guest's TPM.
//!
//! Its memory is made once with `swtpm_setup`; before each start `swtpm socket` goes to the
//! background and ends with QEMU's connection. Folders: WIRE.md section 25; arguments: swtpm(8),
//! swtpm_setup(8).

mod arguments;

pub use arguments::{Files, RunAs, setup_arguments, socket_arguments};

use crate::passt::{end, last_words};
use crate::process::handle::Ending;
use crate::process::{Program, Stdio};
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use virt_domain::Domain;
use virt_domain::devices::tpm::{TpmEmulator, TpmVersion};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The folders of TPM emulators (WIRE.md section 25).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Memories: `UUID/tpm2`.
    pub storage: PathBuf,
    /// Logs.
    pub log: PathBuf,
    /// Sockets and numbers.
    pub state: PathBuf,
}

/// The emulator of a guest, if it has one.
fn emulator(domain: &Domain) -> Option<&TpmEmulator> {
    domain.devices.tpms.iter().find_map(|tpm| tpm.emulator())
}

/// Makes the memory if there is none yet, starts the emulator and gives its socket, which belongs
/// into [`TpmEmulator::socket`] of the guest that is started.
///
/// # Errors
/// NO_SUPPORT-like refusals for what can't be had yet, INTERNAL_ERROR with swtpm's own last words.
pub async fn start(
    domain: &Domain,
    folders: &Folders,
    short_name: &str,
    runas: Option<&RunAs>,
    incoming: bool,
) -> Result<Option<PathBuf>> {
    let Some(emulator) = emulator(domain) else {
        return Ok(None);
    };
    let files = Files::of(domain, emulator, folders, short_name);
    for folder in [&folders.log, &folders.state] {
        make_folder(folder, 0o711)?;
        if let Some(runas) = runas {
            // It makes its log, socket and number there itself.
            give(folder, runas)?;
        }
    }
    let fresh = is_fresh(&files)?;
    if fresh {
        make_folder(&files.storage_parent, 0o711)?;
        make_folder(&files.storage, 0o700)?;
        if let Some(runas) = runas {
            give(&files.storage, runas)?;
        }
        if !incoming {
            // As ourselves: it signs with the host's own authority, which another user may not read.
            let arguments = setup_arguments(emulator, domain, &files, None);
            run("swtpm_setup", &arguments, &files).await?;
        }
    }
    if let Some(runas) = runas {
        give_all(&files, runas)?;
    }
    let _ = std::fs::remove_file(&files.socket);
    let arguments = socket_arguments(emulator, &files, runas);
    run("swtpm", &arguments, &files).await?;
    Ok(Some(files.socket))
}

/// Ends what [`start`] started and takes its socket away; the memory stays. Safe to call again.
pub fn stop(domain: &Domain, folders: &Folders, short_name: &str) {
    let Some(emulator) = emulator(domain) else {
        return;
    };
    let files = Files::of(domain, emulator, folders, short_name);
    end(&files.pid, "swtpm");
    for path in [&files.socket, &files.pid, &files.output] {
        // What isn't there needs not go.
        let _ = std::fs::remove_file(path);
    }
}

/// Takes a guest's memories away, for a guest that is undefined. One that was given a place of its own
/// stays.
///
/// # Errors
/// SYSTEM_ERROR naming the folder.
pub fn forget(domain: &Domain, folders: &Folders) -> Result<()> {
    let folder = folders.storage.join(domain.uuid.to_string());
    match std::fs::remove_dir_all(&folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(Error::system(
            ErrorDomain::Qemu,
            format!("cannot delete '{}'", folder.display()),
            &cause,
        )),
        _ => Ok(()),
    }
}

fn is_fresh(files: &Files) -> Result<bool> {
    match std::fs::read_dir(&files.storage) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(Error::system(
            ErrorDomain::Qemu,
            format!("cannot look into '{}'", files.storage.display()),
            &cause,
        )),
    }
}

/// Makes a folder with exactly that mode, whatever the umask; those above it that are missing may be
/// passed through by everyone, as the emulator's user has to.
fn make_folder(folder: &Path, mode: u32) -> Result<()> {
    make(folder, mode).map_err(|cause| {
        Error::system(
            ErrorDomain::Qemu,
            format!("Could not create TPM directory {}", folder.display()),
            &cause,
        )
    })
}

fn make(folder: &Path, mode: u32) -> std::io::Result<()> {
    if let Some(above) = folder.parent()
        && !above.exists()
    {
        make(above, 0o711)?;
    }
    match DirBuilder::new().mode(mode).create(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
        Ok(()) => std::fs::set_permissions(folder, PermissionsExt::from_mode(mode)),
    }
}

fn give(folder: &Path, runas: &RunAs) -> Result<()> {
    std::os::unix::fs::lchown(folder, Some(runas.user), Some(runas.group)).map_err(|cause| {
        Error::system(
            ErrorDomain::Qemu,
            format!("cannot give '{}' to the TPM's user", folder.display()),
            &cause,
        )
    })
}

/// Gives the memory and the log to the emulator's user.
fn give_all(files: &Files, runas: &RunAs) -> Result<()> {
    let failed = |cause: std::io::Error| {
        let what = format!(
            "cannot give '{}' to the TPM's user",
            files.storage.display()
        );
        Error::system(ErrorDomain::Qemu, what, &cause)
    };
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&files.log)
        .map_err(failed)?;
    give(&files.log, runas)?;
    if let Some(file) = files.storage_file.as_ref().filter(|file| file.exists()) {
        return give(file, runas);
    }
    for entry in std::fs::read_dir(&files.storage).map_err(failed)? {
        give(&entry.map_err(failed)?.path(), runas)?;
    }
    give(&files.storage, runas)
}

async fn run(binary: &str, arguments: &[String], files: &Files) -> Result<()> {
    let failed = |cause: std::io::Error| {
        Error::system(
            ErrorDomain::Qemu,
            format!("Could not run '{binary}'"),
            &cause,
        )
    };
    let mut output = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&files.output)
        .map_err(failed)?;
    let mut program = Program::new(binary).args(arguments);
    program.output = Stdio::File(output.try_clone().map_err(failed)?);
    let process = program.start().map_err(|cause| {
        if cause.kind() == std::io::ErrorKind::NotFound {
            return Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                format!("'{binary}' is not installed; it is what an emulated TPM needs"),
            );
        }
        failed(cause)
    })?;
    match process.ended().await {
        Ending::Exited(0) => Ok(()),
        ending => Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            format!(
                "Could not run '{binary}': {ending}: {}; see {}",
                last_words(&mut output),
                files.log.display()
            ),
        )),
    }
}

/// The TPM's standard as the word of its folder.
fn version_word(emulator: &TpmEmulator) -> &'static str {
    match emulator.version.unwrap_or(TpmVersion::V2) {
        TpmVersion::V1 => "tpm1.2",
        TpmVersion::V2 => "tpm2",
    }
}
