//! Making folders that others have to pass.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Makes a folder with exactly that mode, whatever the umask; those above it that are missing may
/// be passed by everyone, since clients of other users have to get to sockets and QEMU's user to its files.
///
/// # Errors
/// The system's, of the first folder that can't be made.
pub fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above, 0o755)?;
    }
    match std::fs::create_dir(folder) {
        // Another daemon was quicker; the mode is its choice.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => std::fs::set_permissions(folder, Permissions::from_mode(mode)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_above_can_be_passed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        make_folder(&folder, 0o711).unwrap();
        make_folder(&folder, 0o700).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&dir.path().join("a"))), (0o711, 0o755));
    }
}
