//! A container's mounts as its kernel tells them (proc_pid_mountinfo(5)).

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountInfo {
    /// Its number.
    pub id: u64,
    /// Where it is, from the container's root.
    pub point: String,
    /// Its kind of file system.
    pub kind: String,
    /// What it is of: a device, or a word.
    pub source: String,
}

/// The mounts of a process. Lines that are none are left out.
pub fn read(text: &str) -> impl Iterator<Item = MountInfo> + '_ {
    text.lines().filter_map(|line| {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ');
        let mut system = system.split(' ');
        Some(MountInfo {
            id: mount.next()?.parse().ok()?,
            point: plain(mount.nth(3)?),
            kind: system.next()?.to_owned(),
            source: plain(system.next()?),
        })
    })
}

/// Without the octal numbers that stand for blanks and backslashes.
fn plain(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let number = behind.get(..3).filter(|_| *first == b'\\');
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok());
        match number.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_mount() {
        let text = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
                    nonsense\n\
                    23 22 0:5 / /my\\040dev rw,nosuid - tmpfs devfs rw,mode=755\n";
        let all: Vec<_> = read(text).collect();
        assert_eq!(all.len(), 2);
        let (first, second) = (&all[0], &all[1]);
        assert_eq!((first.id, &*first.point, &*first.kind), (22, "/", "ext4"));
        assert_eq!((&*second.point, &*second.source), ("/my dev", "devfs"));
        assert_eq!(plain("a\\9b\\"), "a\\9b\\");
    }
}
