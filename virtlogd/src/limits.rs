//! What `virtlogd.conf` says of log files (the comments of the packaged file).

use std::path::PathBuf;
use std::time::Duration;

use virt_daemon::Paths;
use virt_daemon::conf::{ConfError, Document};

/// Most backups of a file, as libvirt's virtlogd has it.
const BACKUPS_MAX: u32 = 32;

/// How large log files get, and how long they stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size in bytes at which a file becomes a backup; 0: never.
    pub size: u64,
    /// How many backups there are, at most 32.
    pub backups: u32,
    /// How long files stay that nobody writes; none: for ever.
    pub age: Option<Duration>,
    /// The folder in which old files are looked for.
    pub root: PathBuf,
}

impl Limits {
    /// Takes the four keys.
    ///
    /// # Errors
    /// A value that is wrong, with file and line.
    pub fn read(file: &mut Document, paths: &Paths) -> Result<Self, ConfError> {
        let size = file.number("max_size")?.unwrap_or(2 << 20);
        let line = file.line("max_backups");
        let backups = file.number("max_backups")?.unwrap_or(3);
        if backups > BACKUPS_MAX {
            let reason = format!("'max_backups' is {backups}; at most {BACKUPS_MAX} are kept");
            return Err(file.error(line, reason));
        }
        let days: u32 = file.number("max_age_days")?.unwrap_or(0);
        let age = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
        let root = file.text("log_root")?;
        Ok(Self {
            size,
            backups,
            age: (days > 0).then_some(age),
            root: root.map_or_else(|| paths.log.clone(), |root| paths.below_root(root.as_ref())),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<Limits, ConfError> {
        let mut file = Document::parse(Path::new("virtlogd.conf"), text).unwrap();
        Limits::read(&mut file, &Paths::system(None))
    }

    #[test]
    fn the_packaged_files_defaults_and_its_bound() {
        let limits = read("").unwrap();
        assert_eq!(
            (limits.size, limits.backups, limits.age),
            (2_097_152, 3, None)
        );
        assert_eq!(limits.root, Path::new("/var/log/libvirt"));
        assert_eq!(
            read("max_age_days = 2\n").unwrap().age,
            Some(Duration::from_secs(172_800))
        );
        let error = read("\nmax_backups = 33\n").unwrap_err();
        assert_eq!((error.line, error.reason.contains("32")), (2, true));
    }
}
