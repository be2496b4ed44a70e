//! Bounded reading of the kernel's small text files.
//!
//! Every path is given relative to a root, which is `/` on a real host and a folder of a test
//! otherwise.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No file of `/sys` or `/proc` that is read here comes near this size; `/proc/stat` and
/// `/proc/cpuinfo` of hosts with thousands of CPUs are the largest.
const LIMIT: u64 = 16 << 20;

/// A tree that looks like a host's file system.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The tree below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The place of `path` (absolute, as on the host) in this tree.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The whole text of a file, bytes that are not UTF-8 replaced.
    ///
    /// # Errors
    /// The system's own, or `InvalidData` for a file beyond 16 MiB.
    pub fn text(&self, path: &str) -> io::Result<String> {
        read_text(&self.path(path))
    }

    /// The first line of a file without blanks around it; `None` when the file can't be read.
    pub fn line(&self, path: &str) -> Option<String> {
        let text = self.text(path).ok()?;
        Some(text.lines().next().unwrap_or("").trim().to_owned())
    }

    /// The number in a file; `None` when there is no such file or no number in it.
    pub fn number<T: std::str::FromStr>(&self, path: &str) -> Option<T> {
        self.line(path)?.parse().ok()
    }

    /// Whether the path exists.
    pub fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The numbers N of all entries `PREFIX<N>` of a folder, ascending; empty without the folder.
    pub fn numbered(&self, folder: &str, prefix: &str) -> Vec<u32> {
        let Ok(entries) = std::fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut numbers: Vec<u32> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                name.to_str()?.strip_prefix(prefix)?.parse().ok()
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }
}

/// The text of the file at `path`, at most 16 MiB.
///
/// # Errors
/// The system's own, or `InvalidData` beyond the limit.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is larger than {LIMIT} bytes", path.display()),
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
