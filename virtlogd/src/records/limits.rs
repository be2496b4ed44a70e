//! What `virtlogd.conf` says of records: keys of our own.

use virt_daemon::conf::{ConfError, Document};

/// Most backups of the file of records.
const BACKUPS_MAX: u32 = 1024;

/// How much is kept of records, and who may send some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsLimits {
    /// Size in bytes at which the file becomes a backup; 0: never.
    pub size: u64,
    /// How many backups there are, at most 1024.
    pub backups: u32,
    /// Users who may send, beside root and the daemon's own.
    pub senders: Vec<String>,
}

impl RecordsLimits {
    /// Takes `records_max_size`, `records_max_backups` and `records_users`.
    ///
    /// # Errors
    /// A value that is wrong, with file and line.
    pub fn read(file: &mut Document) -> Result<Self, ConfError> {
        let size = file.number("records_max_size")?.unwrap_or(16 << 20);
        let line = file.line("records_max_backups");
        let backups = file.number("records_max_backups")?.unwrap_or(7);
        if backups > BACKUPS_MAX {
            let reason =
                format!("'records_max_backups' is {backups}; at most {BACKUPS_MAX} are kept");
            return Err(file.error(line, reason));
        }
        let senders = file.list("records_users")?;
        Ok(Self {
            size,
            backups,
            senders: senders.unwrap_or_else(|| vec!["virtacld".to_owned()]),
        })
    }

    /// The numbers of those users that this host has.
    pub fn sender_numbers(&self) -> Vec<u32> {
        let number = |name: &String| match nix::unistd::User::from_name(name) {
            Ok(user) => user.map(|user| user.uid.as_raw()),
            Err(e) => {
                tracing::warn!("'records_users': user '{name}' can't be looked up: {e}");
                None
            }
        };
        self.senders.iter().filter_map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn bounds_are_named() {
        let read = |text| {
            let mut file = Document::parse(Path::new("virtlogd.conf"), text).unwrap();
            RecordsLimits::read(&mut file)
        };
        let limits = read("records_max_size = 1000\nrecords_users = [ ]\n").unwrap();
        assert_eq!((limits.size, limits.backups), (1000, 7));
        assert!(limits.senders.is_empty());
        assert_eq!(read("").unwrap().senders, ["virtacld"]);
        let error = read("records_max_backups = 9999\n").unwrap_err();
        assert_eq!((error.line, error.reason.contains("1024")), (1, true));
    }
}
