//! What containers read from and write to the host's block devices, as their groups count it.

use virt_cgroup::{BlockIo, Group};
use virt_rpc::protocol::remote::TypedParam;

/// `block.*`: each of the host's devices that the container has used.
pub fn push(group: &Group, params: &mut Vec<TypedParam>) {
    let Ok(all) = group.block_io() else { return };
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
    params.push(TypedParam::uint("block.count", count));
    for (place, io) in all.iter().enumerate() {
        let name = |what: &str| format!("block.{place}.{what}");
        params.push(TypedParam::string(name("name"), device(&io.device)));
        for (what, value) in [
            ("rd.reqs", io.reads),
            ("rd.bytes", io.read_bytes),
            ("wr.reqs", io.writes),
            ("wr.bytes", io.write_bytes),
        ] {
            params.push(TypedParam::ullong(name(what), value));
        }
    }
}

/// The kernel's name of a device, `MAJOR:MINOR` where it has none any more.
fn device(numbers: &str) -> String {
    let link = std::fs::read_link(format!("/sys/dev/block/{numbers}")).ok();
    let name = link.as_ref().and_then(|path| path.file_name()?.to_str());
    name.unwrap_or(numbers).to_owned()
}

/// All of it together.
pub fn sum(all: &[BlockIo]) -> BlockIo {
    let mut sum = BlockIo::default();
    for io in all {
        sum.reads = sum.reads.saturating_add(io.reads);
        sum.read_bytes = sum.read_bytes.saturating_add(io.read_bytes);
        sum.writes = sum.writes.saturating_add(io.writes);
        sum.write_bytes = sum.write_bytes.saturating_add(io.write_bytes);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_add_up() {
        let one = |reads, write_bytes| BlockIo {
            device: "8:0".to_owned(),
            reads,
            write_bytes,
            ..BlockIo::default()
        };
        let sum = sum(&[one(1, u64::MAX), one(2, 5)]);
        assert_eq!((sum.reads, sum.write_bytes), (3, u64::MAX));
        assert_eq!(device("9999:1"), "9999:1");
    }
}
