//! Removing a guest's log.

use std::io;
use std::path::Path;

/// Removes a log and the backups that virtlogd made of it, `NAME.log.0` and so on; what is not there is
/// fine. Blocks.
///
/// # Errors
/// The system's; the first one, when all were tried.
pub fn remove(path: &Path) -> io::Result<()> {
    let removed = gone(std::fs::remove_file(path));
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return removed;
    };
    let name = name.to_string_lossy();
    let mut outcome = removed;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let file = entry.file_name();
        let file = file.to_string_lossy();
        let rest = file.strip_prefix(&*name);
        let number = rest.and_then(|rest| rest.strip_prefix('.'));
        let is_backup = number
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        if is_backup {
            outcome = outcome.and(gone(std::fs::remove_file(entry.path())));
        }
    }
    outcome
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_go_and_other_guests_logs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        for name in [
            "a.log",
            "a.log.0",
            "a.log.17",
            "a.log.old",
            "aa.log",
            "a.log.0.x",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        remove(&path).unwrap();
        let names = std::fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.log.0.x", "a.log.old", "aa.log"]);
        remove(&path).unwrap();
    }
}
