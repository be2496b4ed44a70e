//! Limits that disks share.

use super::command_line::Builder;
use super::props::Props;
use serde_json::{Map, Value};
use virt_domain::Domain;

/// One object a group. Limits of bursts' lengths are only written where they are given.
pub(super) fn append(b: &mut Builder, domain: &Domain) {
    for group in domain.throttlegroups.iter().flat_map(|g| &g.groups) {
        if !group.limits() {
            continue;
        }
        let mut limits = Map::new();
        for (name, value) in group.numbers() {
            let length = name.ends_with("_length");
            if length && value.unwrap_or(0) == 0 {
                continue;
            }
            limits.insert(qemu_name(name), value.unwrap_or(0).into());
        }
        let name = group.group_name.as_deref().unwrap_or_default();
        b.object(
            &Props::of("qom-type", "throttle-group")
                .with("id", format!("throttle-{name}"))
                .with("limits", Value::Object(limits)),
        );
    }
}

/// `total_bytes_sec_max` is `bps-total-max`, `size_iops_sec` is `iops-size`.
fn qemu_name(name: &str) -> String {
    if name == "size_iops_sec" {
        return "iops-size".to_owned();
    }
    let (what, rest) = name.split_once('_').unwrap_or((name, ""));
    let (unit, rest) = rest.split_once("_sec").unwrap_or((rest, ""));
    let unit = if unit == "bytes" { "bps" } else { unit };
    format!("{unit}-{what}{}", rest.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::qemu_name;

    #[test]
    fn limits_have_names_of_their_own_in_qemu() {
        for (ours, theirs) in [
            ("total_bytes_sec", "bps-total"),
            ("write_iops_sec_max", "iops-write-max"),
            ("read_bytes_sec_max_length", "bps-read-max-length"),
            ("size_iops_sec", "iops-size"),
        ] {
            assert_eq!(qemu_name(ours), theirs);
        }
    }
}
