//! Reads on where someone stopped, across the files that there are by now (WIRE.md section 17).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use virt_rpc::protocol::log::LogFilePosition;

use crate::chain;

/// At most `length` bytes from a position on, up to the first NUL. A position in no file that there is
/// counts as one in the oldest that there may be.
///
/// # Errors
/// That oldest file is not there, or what the system refused.
pub fn read(path: &Path, backups: u32, from: &LogFilePosition, length: u64) -> io::Result<Vec<u8>> {
    let mut files = Vec::new();
    for (number, name) in chain::oldest_first(path, backups).enumerate() {
        match open(&name) {
            Ok(file) => files.push((number, file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    let mut first = None;
    for (place, (_, file)) in files.iter().enumerate() {
        if file.metadata()?.ino() == from.inode {
            first = Some(place);
        }
    }
    let first = match (first, files.first()) {
        (Some(first), _) => first,
        (None, Some((0, _))) => 0,
        (None, _) => return Err(io::ErrorKind::NotFound.into()),
    };
    let mut text = Vec::new();
    for (place, (_, mut file)) in files.into_iter().enumerate().skip(first) {
        if place == first {
            file.seek(SeekFrom::Start(from.offset))?;
        }
        file.take(length - text.len() as u64)
            .read_to_end(&mut text)?;
    }
    let end = text.iter().position(|byte| *byte == 0);
    text.truncate(end.unwrap_or(text.len()));
    Ok(text)
}

fn open(path: &Path) -> io::Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_goes_on_in_newer_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(chain::backup(&path, 1), "older\n").unwrap();
        fs::write(chain::backup(&path, 0), "old\n").unwrap();
        fs::write(&path, "new\0hidden").unwrap();
        let at = |name: &Path, offset| LogFilePosition {
            inode: fs::metadata(name).unwrap().ino(),
            offset,
        };
        let text = |from: &LogFilePosition, backups, length| {
            read(&path, backups, from, length).map(|text| String::from_utf8(text).unwrap())
        };
        let old = chain::backup(&path, 0);
        assert_eq!(text(&at(&old, 1), 3, 100).unwrap(), "ld\nnew");
        assert_eq!(text(&at(&old, 1), 3, 4).unwrap(), "ld\nn");
        let nowhere = LogFilePosition {
            inode: 0,
            offset: 2,
        };
        assert_eq!(text(&nowhere, 2, 100).unwrap(), "der\nold\nnew");
        assert!(text(&nowhere, 3, 100).is_err());
    }
}
