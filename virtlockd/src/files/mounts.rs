//! What is mounted where (proc_pid_mountinfo(5)), without asking any of the file systems.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// File systems that open a file they know, and take a lock of it, from memory alone, whatever
/// becomes of the disk below.
const QUICK: &[&str] = &["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs"];

/// The mounts, read again when they have changed.
#[derive(Debug)]
pub(super) struct Mounts {
    /// Tells of changes when it is polled.
    table: Option<File>,
    quick: HashMap<u64, bool>,
    points: Vec<PathBuf>,
}

impl Mounts {
    pub(super) fn new() -> Self {
        let mut this = Self {
            table: File::open("/proc/self/mountinfo").ok(),
            quick: HashMap::new(),
            points: Vec::new(),
        };
        this.read();
        this
    }

    /// Whether the mount of that number is of a file system that is quick.
    pub(super) fn is_quick(&mut self, mount: u64) -> bool {
        self.refresh();
        self.quick.get(&mount).copied().unwrap_or(false)
    }

    /// Where the file system is mounted that has the path; as the path is written, for to follow
    /// links is to ask.
    pub(super) fn point_of(&mut self, path: &Path) -> PathBuf {
        self.refresh();
        let above = self.points.iter().filter(|point| path.starts_with(point));
        let nearest = above.max_by_key(|point| point.as_os_str().len());
        nearest.cloned().unwrap_or_else(|| PathBuf::from("/"))
    }

    fn refresh(&mut self) {
        let Some(table) = &self.table else {
            return;
        };
        let mut fds = [PollFd::new(table, PollFlags::PRI)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // What can't be polled is read each time.
        if poll(&mut fds, Some(&at_once)).is_ok_and(|changed| changed == 0) {
            return;
        }
        self.read();
    }

    fn read(&mut self) {
        self.quick.clear();
        self.points.clear();
        let Some(table) = &mut self.table else {
            return;
        };
        let mut text = Vec::new();
        if table
            .rewind()
            .and_then(|()| table.read_to_end(&mut text))
            .is_err()
        {
            return;
        }
        for line in text.split(|byte| *byte == b'\n') {
            if let Some((number, point, quick)) = entry(line) {
                self.quick.insert(number, quick);
                self.points.push(point);
            }
        }
    }
}

/// Number, mount point, and whether it is quick.
fn entry(line: &[u8]) -> Option<(u64, PathBuf, bool)> {
    let mut words = line.split(|byte| *byte == b' ');
    let number = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let point = PathBuf::from(std::ffi::OsString::from_vec(unescaped(words.nth(3)?)));
    // Optional fields end with a hyphen.
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    let quick = QUICK.iter().any(|known| known.as_bytes() == kind);
    Some((number, point, quick))
}

/// Blanks and the like are written as a backslash and three octal digits.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match (first, octal) {
            (b'\\', Some(byte)) => {
                plain.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_where_and_what() {
        let line = b"36 35 98:0 /mnt1 /mnt\\040two rw,noatime master:1 - ext4 /dev/root rw";
        assert_eq!(entry(line), Some((36, PathBuf::from("/mnt two"), true)));
        let line = b"37 35 0:50 / /nfs rw - nfs4 host:/x rw";
        assert_eq!(entry(line), Some((37, PathBuf::from("/nfs"), false)));
        assert_eq!(entry(b""), None);
    }

    #[test]
    fn the_nearest_mount_has_the_path() {
        let mut mounts = Mounts {
            table: None,
            quick: HashMap::new(),
            points: vec!["/".into(), "/a".into(), "/a/b".into(), "/ab".into()],
        };
        assert_eq!(mounts.point_of(Path::new("/a/b/c")), Path::new("/a/b"));
        assert_eq!(mounts.point_of(Path::new("/a/bc")), Path::new("/a"));
        assert_eq!(mounts.point_of(Path::new("/x")), Path::new("/"));
    }
}
