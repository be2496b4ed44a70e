//! The key that protects the secrets QEMU is given (WIRE.md section 30): 32 random bytes in a file
//! of the guest's own folder, so that no secret is seen in the list of processes.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::secrets::MasterKey;

/// Writes the key into `folder`; its file.
///
/// # Errors
/// The system's.
pub(super) fn write(folder: &Path, key: &MasterKey) -> io::Result<PathBuf> {
    let path = folder.join("master-key.aes");
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?
        .write_all(key.bytes())?;
    Ok(path)
}
