//! The files of the automatic lock space and of its leases. A file comes to its name only when it is
//! complete, so that a death half-way leaves nothing that looks like a lease.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::conf::SanlockConf;

/// Written at once while a file is filled.
const PIECE: usize = 64 * 1024;
/// Most that a lease takes: on sectors of 4 KiB (sanlock(8)).
const LARGEST: u64 = 8 << 20;

/// A file on its way; removed unless it is finished.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    file: File,
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Not there any more when it is finished.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Draft {
    /// An empty file beside `target`, which sanlock's daemon can open.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new(target: &Path, conf: &SanlockConf) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let mine = format!(".{name}.{}.{}", conf.host_id, std::process::id());
        let path = target.with_file_name(mine);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = match options.open(&path) {
            // Of an earlier process of that number, for the caller is alone in this one.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::remove_file(&path)?;
                options.open(&path)?
            }
            opened => opened?,
        };
        let draft = Self { path, file };
        if conf.user.is_some() || conf.group.is_some() {
            std::os::unix::fs::fchown(&draft.file, conf.user, conf.group)?;
        }
        if conf.group.is_some() {
            let mode = std::fs::Permissions::from_mode(0o660);
            draft.file.set_permissions(mode)?;
        }
        Ok(draft)
    }

    /// Its path while it is a draft.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it that many bytes, all of them really on the disk: sanlock's writes must not fail for
    /// want of room later.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn fill(&mut self, size: u64) -> io::Result<()> {
        if size > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let zeros = vec![0; PIECE];
        let mut left = usize::try_from(size).unwrap_or(0);
        while left > 0 {
            let piece = left.min(PIECE);
            self.file
                .write_all(zeros.get(..piece).unwrap_or_default())?;
            left -= piece;
        }
        self.file.sync_all()
    }

    /// Gives it its name. Someone else's that came first stays, and is as good.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn finish(self, target: &Path) -> io::Result<()> {
        match std::fs::hard_link(&self.path, target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_daemon::conf::Document;

    #[test]
    fn a_file_is_there_when_it_is_complete_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("lease");
        let file = Document::parse(Path::new("c"), "").unwrap();
        let conf = SanlockConf::read(file, folder.path(), Path::to_owned).unwrap();
        let mut draft = Draft::new(&target, &conf).unwrap();
        draft.fill(100_000).unwrap();
        assert!(!target.exists());
        draft.finish(&target).unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().len(), 100_000);
        Draft::new(&target, &conf).unwrap().finish(&target).unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().len(), 100_000);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
