//! Files that describe what is installed, by QEMU's convention for firmware and vhost-user programs:
//! one JSON object a file, in folders of which the earlier count more. A file hides those of its name
//! in later folders, an empty one masks them; names give the order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use virt_error::{Error, ErrorDomain, Result};

/// The largest file that is read, bytes.
const MAX_SIZE: u64 = 1 << 20;

/// The files that count, in their order.
///
/// # Errors
/// SYSTEM_ERROR naming a folder that is there and can't be read.
pub fn files(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = BTreeMap::new();
    for folder in folders {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(unreadable(folder, &e)),
        };
        for entry in entries {
            let path = entry.map_err(|e| unreadable(folder, &e))?.path();
            if let Some(name) = path
                .file_name()
                .filter(|_| path.extension().is_some_and(|e| e == "json"))
            {
                files.entry(name.to_owned()).or_insert_with(|| path.clone());
            }
        }
    }
    Ok(files.into_values().collect())
}

/// What a file describes; nothing if it is empty, and if it is nothing of the kind, which is logged.
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let size = std::fs::metadata(path).ok()?.len();
    if size == 0 {
        return None;
    }
    let text = (size <= MAX_SIZE)
        .then(|| std::fs::read(path).ok())
        .flatten();
    let parsed = text.and_then(|text| serde_json::from_slice(&text).ok());
    if parsed.is_none() {
        tracing::warn!(path = %path.display(), "not a descriptor of the kind its folder is for");
    }
    parsed
}

fn unreadable(folder: &Path, error: &std::io::Error) -> Error {
    let what = format!("cannot read descriptors in '{}'", folder.display());
    Error::system(ErrorDomain::Qemu, what, error)
}
