//! The key that protects the secrets QEMU is given (WIRE.md section 30): 32 random bytes in a file
//! of the guest's own folder, so that no secret is seen in the list of processes.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes of the key.
const LENGTH: usize = 32;

/// Makes a new key in `folder`; its file.
///
/// # Errors
/// The system's.
pub(super) fn make(folder: &Path) -> io::Result<PathBuf> {
    let mut key = [0u8; LENGTH];
    let filled = rustix::rand::getrandom(&mut key, rustix::rand::GetRandomFlags::empty())?;
    if filled != LENGTH {
        return Err(io::Error::other("too few random bytes"));
    }
    let path = folder.join("master-key.aes");
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?
        .write_all(&key)?;
    Ok(path)
}
