//! `qemu-sanlock.conf` (the packaged file's own comments, and the keys of its Augeas lens).

use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use virt_daemon::conf::{ConfError, Document};

use super::super::Policy;

/// Most hosts that a lock space on storage of 512-byte sectors has room for (sanlock(8)).
const MAX_HOST_ID: u64 = 2000;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SanlockConf {
    /// Which leases are taken.
    pub policy: Policy,
    /// Folder of the lock space and of the leases that are made for disks.
    pub disk_lease_dir: PathBuf,
    /// This host among those that share the folder, from 1; 0 where it isn't named.
    pub host_id: u64,
    /// How long storage may take for one access, in seconds; 0 leaves it to sanlock.
    pub io_timeout: u32,
    /// The user that sanlock's daemon runs as, to whom files are given.
    pub user: Option<u32>,
    /// Its group.
    pub group: Option<u32>,
}

impl SanlockConf {
    /// Takes every key of the file. `folder` is where leases are by default, `place` where a folder
    /// of the file is.
    ///
    /// # Errors
    /// A key that does not exist, whose value is wrong, or that is missing, with file and line.
    pub fn read(
        mut file: Document,
        folder: &Path,
        place: impl Fn(&Path) -> PathBuf,
    ) -> Result<Self, ConfError> {
        let line = file.line("auto_disk_leases");
        let policy = Policy::read(&mut file, false)?;
        let host_line = file.line("host_id").max(line);
        let host_id = file.number("host_id")?.unwrap_or(0);
        if policy.auto_disk_leases && host_id == 0 {
            let what = "Automatic disk lease mode enabled, but no host ID is set";
            return Err(file.error(host_line, what));
        }
        if host_id > MAX_HOST_ID {
            let what = format!("'host_id' is {host_id}; it is 1 to {MAX_HOST_ID}");
            return Err(file.error(host_line, what));
        }
        // An old key of which newer files only say that it does nothing.
        file.switch("ignore_readonly_and_shared_disks")?;
        let (user_line, group_line) = (file.line("user"), file.line("group"));
        let user = file.text("user")?;
        let group = file.text("group")?;
        let conf = Self {
            policy,
            disk_lease_dir: file
                .text("disk_lease_dir")?
                .map_or_else(|| folder.to_owned(), |dir| place(Path::new(&dir))),
            host_id,
            io_timeout: file.number("io_timeout")?.unwrap_or(0),
            user: user
                .map(|name| {
                    number(&name, |name| {
                        Some(User::from_name(name).ok()??.uid.as_raw())
                    })
                    .ok_or_else(|| file.error(user_line, format!("there is no user '{name}'")))
                })
                .transpose()?,
            group: group
                .map(|name| {
                    number(&name, |name| {
                        Some(Group::from_name(name).ok()??.gid.as_raw())
                    })
                    .ok_or_else(|| file.error(group_line, format!("there is no group '{name}'")))
                })
                .transpose()?,
        };
        file.finish()?;
        Ok(conf)
    }
}

/// A name before a number, a number behind a `+` always (the file of the QEMU driver says so).
fn number(text: &str, by_name: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    match text.strip_prefix('+') {
        Some(digits) => digits.parse().ok(),
        None => by_name(text).or_else(|| text.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SanlockConf, String> {
        let file = Document::parse(Path::new("qemu-sanlock.conf"), text);
        file.and_then(|file| SanlockConf::read(file, Path::new("/d"), Path::to_owned))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn leases_are_named_by_guests_unless_they_are_automatic() {
        let conf = read("").unwrap();
        assert!(!conf.policy.auto_disk_leases && conf.policy.require_lease_for_disks);
        assert_eq!(conf.disk_lease_dir, Path::new("/d"));
        let conf = read("auto_disk_leases = 1\nhost_id = 7\nio_timeout = 5\n").unwrap();
        assert!(conf.policy.auto_disk_leases && !conf.policy.require_lease_for_disks);
        assert_eq!((conf.host_id, conf.io_timeout), (7, 5));
    }

    #[test]
    fn a_host_without_a_number_can_not_take_automatic_leases() {
        let refused = read("auto_disk_leases = 1\n").unwrap_err();
        assert!(refused.contains("no host ID is set"), "{refused}");
        assert!(read("host_id = 2001\n").is_err());
        assert!(read("host_ids = 1\n").is_err());
    }

    #[test]
    fn accounts_are_names_or_numbers() {
        let conf = read("user = \"root\"\ngroup = \"+12\"\n").unwrap();
        assert_eq!((conf.user, conf.group), (Some(0), Some(12)));
        assert!(read("user = \"nobody-of-that-name\"\n").is_err());
    }
}
