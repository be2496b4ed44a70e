//! The key that protects the secrets QEMU is given (WIRE.md section 30): 32 random bytes in a file
//! of the guest's own folder, so that no secret is seen in the list of processes.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
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

/// Reads the key of a guest that runs.
///
/// # Errors
/// The system's; invalid data where the file is no key.
pub(crate) fn read(folder: &Path) -> io::Result<MasterKey> {
    let file = OpenOptions::new()
        .read(true)
        // The folder is QEMU's: a link in it must lead nowhere.
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(folder.join("master-key.aes"))?;
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(MasterKey::LENGTH + 1));
    let most = u64::try_from(MasterKey::LENGTH + 1).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut bytes)?;
    MasterKey::of_bytes(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
