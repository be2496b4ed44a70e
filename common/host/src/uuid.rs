//! The host's UUID, by which two daemons know whether they are on the same host.

use uuid::Uuid;

use crate::sysfs::Tree;

/// The UUID that the firmware tells; `None` when it tells none, or one that is no UUID but a
/// maker's neglect: all digits the same.
pub fn of_firmware(tree: &Tree) -> Option<Uuid> {
    [
        "/sys/class/dmi/id/product_uuid",
        "/sys/devices/virtual/dmi/id/product_uuid",
    ]
    .into_iter()
    .find_map(|path| parse(&tree.line(path)?))
}

/// The UUID in `/etc/machine-id`.
pub fn of_machine_id(tree: &Tree) -> Option<Uuid> {
    parse(&tree.line("/etc/machine-id")?)
}

fn parse(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    let digits = uuid.simple().to_string();
    let first = digits.chars().next()?;
    digits.chars().any(|digit| digit != first).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_of_equal_digits_is_none() {
        assert!(parse("3d1219c7c4c5404aaa1f6d2a48adfda4").is_some());
        assert!(parse("3d1219c7-c4c5-404a-aa1f-6d2a48adfda4").is_some());
        for text in ["ffffffff-ffff-ffff-ffff-ffffffffffff", "", "x"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
