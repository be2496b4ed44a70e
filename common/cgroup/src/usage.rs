//! What is in a group uses of memory and block devices.

use virt_error::Result;

use crate::{Controller, Group, file};

/// What the memory of a group is used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// By processes for their own data, in KiB.
    pub anonymous: u64,
    /// As a copy of files, in KiB.
    pub cache: u64,
    /// Page faults, all of them.
    pub faults: u64,
    /// Those that had to wait for a disk.
    pub major_faults: u64,
}

/// What went to and from one of the host's block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockIo {
    /// `MAJOR:MINOR`.
    pub device: String,
    /// Reads.
    pub reads: u64,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Writes.
    pub writes: u64,
    /// Bytes that were written.
    pub write_bytes: u64,
}

impl Group {
    /// Memory that the group uses now, in KiB.
    ///
    /// # Errors
    /// SYSTEM_ERROR; INTERNAL_ERROR without the controller.
    pub fn memory_usage(&self) -> Result<u64> {
        let folder = self.of(Controller::Memory)?;
        let name = match folder.unified {
            true => "memory.current",
            false => "memory.usage_in_bytes",
        };
        Ok(file::number(&file::read(&folder.path, name)?)? >> 10)
    }

    /// What that memory is used for, and how often it was missing.
    ///
    /// # Errors
    /// As [`Group::memory_usage`].
    pub fn memory_use(&self) -> Result<MemoryUse> {
        let folder = self.of(Controller::Memory)?;
        let text = file::read(&folder.path, "memory.stat")?;
        let [anonymous, cache, faults, major] = match folder.unified {
            true => ["anon", "file", "pgfault", "pgmajfault"],
            false => [
                "total_rss",
                "total_cache",
                "total_pgfault",
                "total_pgmajfault",
            ],
        };
        let of = |word| file::keyed(&text, word).unwrap_or(0);
        Ok(MemoryUse {
            anonymous: of(anonymous) >> 10,
            cache: of(cache) >> 10,
            faults: of(faults),
            major_faults: of(major),
        })
    }

    /// What went to and from each block device.
    ///
    /// # Errors
    /// As [`Group::memory_usage`].
    pub fn block_io(&self) -> Result<Vec<BlockIo>> {
        let folder = self.of(Controller::Blkio)?;
        if folder.unified {
            return Ok(of_version_2(&file::read(&folder.path, "io.stat")?));
        }
        // With the groups below it, where the kernel adds those up.
        let read = |name: &str| {
            let all = file::read(&folder.path, &format!("{name}_recursive"));
            all.or_else(|_| file::read(&folder.path, name))
        };
        Ok(of_version_1(
            &read("blkio.throttle.io_service_bytes")?,
            &read("blkio.throttle.io_serviced")?,
        ))
    }
}

fn at<'a>(all: &'a mut Vec<BlockIo>, device: &str) -> Option<&'a mut BlockIo> {
    if !all.iter().any(|one| one.device == device) {
        all.push(BlockIo {
            device: device.to_owned(),
            ..BlockIo::default()
        });
    }
    all.iter_mut().find(|one| one.device == device)
}

/// Lines `MAJOR:MINOR Read N`, `… Write N` and sums that nobody needs.
fn of_version_1(bytes: &str, operations: &str) -> Vec<BlockIo> {
    let mut all = Vec::new();
    for (text, is_bytes) in [(bytes, true), (operations, false)] {
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(device), Some(what), Some(count)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (Some(io), Ok(count)) = (at(&mut all, device), count.parse()) else {
                continue;
            };
            match (what, is_bytes) {
                ("Read", true) => io.read_bytes = count,
                ("Read", false) => io.reads = count,
                ("Write", true) => io.write_bytes = count,
                ("Write", false) => io.writes = count,
                _ => {}
            }
        }
    }
    all
}

/// Lines `MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N …`.
fn of_version_2(text: &str) -> Vec<BlockIo> {
    let mut all = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(io) = words.next().and_then(|device| at(&mut all, device)) else {
            continue;
        };
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let Ok(count) = value.parse() else { continue };
            match name {
                "rbytes" => io.read_bytes = count,
                "wbytes" => io.write_bytes = count,
                "rios" => io.reads = count,
                "wios" => io.writes = count,
                _ => {}
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_tell_the_same() {
        let io = BlockIo {
            device: "8:0".to_owned(),
            reads: 2,
            read_bytes: 8192,
            writes: 1,
            write_bytes: 4096,
        };
        let bytes = "8:0 Read 8192\n8:0 Write 4096\n8:0 Sync 0\n8:0 Total 12288\nTotal 12288\n";
        let operations = "8:0 Read 2\n8:0 Write 1\n8:0 Total 3\nTotal 3\n";
        assert_eq!(of_version_1(bytes, operations), std::slice::from_ref(&io));
        let stat = "8:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n";
        assert_eq!(of_version_2(stat), [io]);
        assert!(of_version_2("").is_empty());
    }
}
