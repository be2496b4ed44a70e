//! A log file and its backups: `P`, `P.0` (the newest), `P.1` and so on (WIRE.md section 17).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The name of a file's backup of that number.
pub fn backup(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

/// Moves `path` out of the way: it becomes the first backup, each backup the next, the last one goes.
/// Without backups it is removed. The oldest moves first, so that an end in between loses nothing.
///
/// # Errors
/// What the system refused; files that are not there are passed over.
pub fn shift(path: &Path, backups: u32) -> io::Result<()> {
    if backups == 0 {
        return absent_is_fine(fs::remove_file(path));
    }
    for number in (0..backups).rev() {
        let from = match number {
            0 => path.to_owned(),
            number => backup(path, number - 1),
        };
        absent_is_fine(fs::rename(from, backup(path, number)))?;
    }
    Ok(())
}

/// Removes the file and its backups.
///
/// # Errors
/// What the system refused.
pub fn remove(path: &Path, backups: u32) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))?;
    (0..backups).try_for_each(|number| absent_is_fine(fs::remove_file(backup(path, number))))
}

/// All names, from the oldest to the newest.
pub fn oldest_first(path: &Path, backups: u32) -> impl Iterator<Item = PathBuf> + '_ {
    let older = (0..backups).rev().map(|number| backup(path, number));
    older.chain(std::iter::once(path.to_owned()))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(path: &Path) -> Vec<String> {
        oldest_first(path, 3)
            .map(|file| fs::read_to_string(file).unwrap_or_default())
            .collect()
    }

    #[test]
    fn the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        for text in ["1", "2", "3", "4", "5"] {
            fs::write(&path, text).unwrap();
            shift(&path, 3).unwrap();
        }
        assert_eq!(contents(&path), ["3", "4", "5", ""]);
        fs::write(&path, "6").unwrap();
        shift(&path, 0).unwrap();
        assert_eq!(contents(&path), ["3", "4", "5", ""]);
        remove(&path, 3).unwrap();
        assert_eq!(contents(&path), ["", "", "", ""]);
    }

    #[test]
    fn a_hole_in_the_numbers_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "new").unwrap();
        fs::write(backup(&path, 1), "old").unwrap();
        shift(&path, 3).unwrap();
        assert_eq!(contents(&path), ["old", "", "new", ""]);
    }
}
