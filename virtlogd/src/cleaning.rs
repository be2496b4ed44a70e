//! Removes logs that nobody has written for long (`max_age_days`; WIRE.md section 17).

use std::collections::HashMap;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Between two looks, the first of which comes that late as well.
pub const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// A log with its backups, by their numbers.
#[derive(Debug, Default)]
struct Chain {
    newest: Option<SystemTime>,
    files: Vec<(Option<u32>, PathBuf)>,
}

/// Removes, in a folder and the folders in it, `*.log` with its backups when the newest of them has not
/// been written for `age`, and backups with numbers that are not used any more. `is_open` tells logs
/// that are being written: they stay.
///
/// # Errors
/// The folder can't be read. What can't be removed is told in the log.
pub fn clean(
    root: &Path,
    age: Duration,
    backups: u32,
    now: SystemTime,
    is_open: impl Fn(&Path) -> bool,
) -> io::Result<()> {
    let mut folders = vec![root.to_owned()];
    for entry in fs::read_dir(root)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    for folder in folders {
        let mut chains: HashMap<PathBuf, Chain> = HashMap::new();
        for entry in fs::read_dir(&folder)?.flatten() {
            join(&mut chains, &entry);
        }
        for (log, chain) in chains {
            let is_old = chain
                .newest
                .is_some_and(|newest| now.duration_since(newest).is_ok_and(|since| since > age));
            let all = is_old && !is_open(&log);
            for (number, file) in chain.files {
                if all || number.is_some_and(|number| number >= backups) {
                    remove(&file);
                }
            }
        }
    }
    Ok(())
}

fn join(chains: &mut HashMap<PathBuf, Chain>, entry: &DirEntry) {
    let path = entry.path();
    let Some((log, number)) = part(&path) else {
        return;
    };
    let Some(about) = entry.metadata().ok().filter(fs::Metadata::is_file) else {
        return;
    };
    let chain = chains.entry(log).or_default();
    chain.newest = chain.newest.max(about.modified().ok());
    chain.files.push((number, path));
}

/// Of which log a file is a part, and as which backup.
fn part(path: &Path) -> Option<(PathBuf, Option<u32>)> {
    let name = path.file_name()?.to_str()?;
    if name.ends_with(".log") {
        return Some((path.to_owned(), None));
    }
    let (log, number) = name.rsplit_once('.')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match log.ends_with(".log") && digits {
        true => Some((path.with_file_name(log), Some(number.parse().ok()?))),
        false => None,
    }
}

fn remove(file: &Path) {
    match fs::remove_file(file) {
        Ok(()) => tracing::info!("the old log {file:?} is removed"),
        Err(e) => tracing::warn!("the old log {file:?} can't be removed: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_log_says_how_old_it_is() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("qemu");
        let deep = folder.join("deeper");
        fs::create_dir_all(&deep).unwrap();
        let now = SystemTime::now();
        let day = Duration::from_secs(24 * 60 * 60);
        let file = |path: PathBuf, days: u32| {
            let file = fs::File::create(&path).unwrap();
            file.set_modified(now - day * days).unwrap();
            path
        };
        let old = file(folder.join("old.log"), 9);
        let old_backup = file(folder.join("old.log.0"), 10);
        let used = file(folder.join("used.log"), 9);
        let young = file(folder.join("young.log"), 1);
        let young_backup = file(folder.join("young.log.1"), 20);
        let stray = file(folder.join("young.log.3"), 1);
        let other = file(folder.join("notes.txt"), 99);
        let hidden = file(deep.join("deep.log"), 99);
        let top = file(root.path().join("top.log"), 9);
        clean(root.path(), day * 5, 3, now, |path| path == used).unwrap();
        for gone in [&old, &old_backup, &stray, &top] {
            assert!(!gone.exists(), "{}", gone.display());
        }
        for stays in [&used, &young, &young_backup, &other, &hidden] {
            assert!(stays.exists(), "{}", stays.display());
        }
    }
}
