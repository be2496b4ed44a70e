//! The token by which the daemons of a host know each other (WIRE.md section 14): 32 hexadecimal
//! digits in `common/system.token`, made by whoever comes first.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use uuid::Uuid;

const DIGITS: usize = 32;

/// The token of the daemons whose sockets are in `run`; `None`, and a line in the log, when it
/// can't be read or made: calls that need it are then refused by the other side.
pub fn system_token(run: &Path) -> Option<String> {
    let path = run.join("common/system.token");
    match read_or_make(&path) {
        Ok(token) => Some(token),
        Err(error) => {
            tracing::warn!(
                "no token of the host's daemons in '{}': {error}",
                path.display()
            );
            None
        }
    }
}

fn read_or_make(path: &Path) -> io::Result<String> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    lock(&file)?;
    let mut token = String::new();
    Read::by_ref(&mut file)
        .take(DIGITS as u64 + 1)
        .read_to_string(&mut token)?;
    if is_token(&token) {
        return Ok(token);
    }
    let token = Uuid::new_v4().simple().to_string();
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(token.as_bytes())?;
    Ok(token)
}

/// A write lock on the first byte, given back when the file is closed.
fn lock(file: &File) -> io::Result<()> {
    let range = nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_SETLKW(&range))?;
    Ok(())
}

fn is_token(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_first_makes_it_and_the_others_read_it() {
        let run = tempfile::tempdir().unwrap();
        let token = system_token(run.path()).unwrap();
        assert!(is_token(&token));
        assert_eq!(system_token(run.path()), Some(token));
        let path = run.path().join("common/system.token");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "half").unwrap();
        assert!(is_token(&system_token(run.path()).unwrap()));
    }
}
