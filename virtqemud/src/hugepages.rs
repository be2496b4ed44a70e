//! Where the host's huge pages are mounted.
//!
//! Facts: qemu.conf `hugetlbfs_mount`; proc(5) `/proc/mounts`; statfs(2): the block size of a
//! hugetlbfs is the size of its pages.

use std::path::{Path, PathBuf};

/// Page size in KiB and mount point of each file system of huge pages, the host's default size first:
/// those that `qemu.conf` names, or all that are mounted.
pub fn mounts(named: Option<&[String]>, proc_folder: &Path) -> Vec<(u64, PathBuf)> {
    let text = |name: &str| virt_host::sysfs::read_text(&proc_folder.join(name));
    let points: Vec<PathBuf> = match named {
        // An empty text switches them off.
        Some(named) => named
            .iter()
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .collect(),
        None => points(&text("mounts").unwrap_or_default()),
    };
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for point in points {
        let size = rustix::fs::statfs(&point).ok();
        let kib = size
            .and_then(|fs| u64::try_from(fs.f_bsize).ok())
            .unwrap_or(0)
            / 1024;
        // Of several with pages of one size the first is used.
        if kib > 0 && found.iter().all(|(other, _)| *other != kib) {
            found.push((kib, point));
        }
    }
    let default = default_kib(&text("meminfo").unwrap_or_default());
    found.sort_by_key(|(kib, _)| Some(*kib) != default);
    found
}

/// Mount points of hugetlbfs in the text of `/proc/mounts`.
fn points(mounts: &str) -> Vec<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let point = words.nth(1)?;
            (words.next() == Some("hugetlbfs")).then(|| unescaped(point).into())
        })
        .collect()
}

/// The kernel writes blanks and backslashes of a path as octal numbers.
fn unescaped(path: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (code, char)| {
        path.replace(code, char)
    })
}

/// `Hugepagesize` of `/proc/meminfo`, KiB.
fn default_kib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_huge_pages_are_found_by_their_type() {
        let text = "proc /proc proc rw 0 0\n\
                    hugetlbfs /dev/huge\\040pages hugetlbfs rw,pagesize=2M 0 0\n\
                    x /hugetlbfs tmpfs rw 0 0\n";
        assert_eq!(points(text), [PathBuf::from("/dev/huge pages")]);
        assert_eq!(
            default_kib("MemTotal: 1 kB\nHugepagesize:       2048 kB\n"),
            Some(2048)
        );
    }

    #[test]
    fn an_empty_name_switches_them_off() {
        assert_eq!(mounts(Some(&[String::new()]), Path::new("/nowhere")), []);
    }
}
