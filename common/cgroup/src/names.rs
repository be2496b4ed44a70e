//! Names of guests' groups (WIRE.md section 22): pure functions over text.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// No machine's name is longer, in characters.
const MAX_MACHINE_NAME: usize = 64;

/// The partition of a guest that names none.
pub const DEFAULT_PARTITION: &str = "/machine";

/// The levels that are partitions without saying so.
const TOP_LEVELS: [&str; 3] = ["machine", "system", "user"];

/// Files of every group of version 1 whose names have no prefix.
const KERNEL_FILES: [&str; 3] = ["notify_on_release", "release_agent", "tasks"];

/// Name of a guest towards machined and in paths: `qemu-1-web`. `scope` sets guests of daemons apart
/// that number theirs independently.
pub fn machine(driver: &str, scope: Option<&str>, id: i32, guest: &str) -> String {
    let scope = scope.map(|scope| format!("-{scope}")).unwrap_or_default();
    let mut name = format!("{driver}{scope}-{id}-");
    let mut separated = true;
    for character in guest.chars() {
        if name.len() >= MAX_MACHINE_NAME {
            break;
        }
        match character {
            '-' | '.' if separated => {}
            '-' | '.' => {
                name.push(character);
                separated = true;
            }
            _ if character.is_ascii_alphanumeric() => {
                name.push(character);
                separated = false;
            }
            _ => {}
        }
    }
    name.truncate(name.trim_end_matches(['-', '.']).len());
    name
}

/// Escapes one part of a unit's name (systemd.unit(5)): a leading dot and all bytes but letters,
/// digits, `:`, `_` and `.` become `\x` and two digits, a slash `-`.
fn unit_part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if at == 0 => out.push_str("\\x2e"),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b':' | b'_' | b'.' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// The unit systemd keeps a machine in.
pub fn scope_unit(machine: &str) -> String {
    format!("machine-{}.scope", unit_part(machine))
}

/// The slice of a partition: `/machine/prod` is `machine-prod.slice`.
pub fn slice_unit(partition: &str) -> String {
    let parts = partition.split('/').filter(|part| !part.is_empty());
    let parts: Vec<String> = parts.map(unit_part).collect();
    // The root slice's own name.
    let name = match parts.is_empty() {
        true => "-".to_owned(),
        false => parts.join("-"),
    };
    format!("{name}.slice")
}

/// Checks the path of a partition.
///
/// # Errors
/// CONFIG_UNSUPPORTED when it does not begin at the root, or leads out of itself.
pub fn check_partition(partition: &str) -> Result<()> {
    let refused = |what: &str| {
        Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::None,
            format!("Resource partition '{partition}' must {what}"),
        ))
    };
    if !partition.starts_with('/') {
        return refused("start with '/'");
    }
    if partition.split('/').any(|part| part == "." || part == "..") {
        return refused("not have '.' or '..' in it");
    }
    Ok(())
}

/// The path of a partition below each hierarchy. `controllers` are the kernel's, from
/// `/proc/cgroups`.
pub fn partition_path(partition: &str, controllers: &[&str]) -> String {
    let mut path = String::new();
    for (level, part) in partition.split('/').filter(|p| !p.is_empty()).enumerate() {
        let is_top = level == 0 && TOP_LEVELS.contains(&part);
        // One that has a suffix keeps it.
        let suffix = if is_top || part.contains('.') {
            ""
        } else {
            ".partition"
        };
        path.push('/');
        path.push_str(&component(&format!("{part}{suffix}"), controllers));
    }
    if path.is_empty() {
        path.push('/');
    }
    path
}

/// The path of a guest's group in a partition's.
pub fn guest_path(partition: &str, machine: &str, driver: &str, controllers: &[&str]) -> String {
    let parent = partition_path(partition, controllers);
    let name = component(&format!("{machine}.libvirt-{driver}"), controllers);
    format!("{}/{name}", parent.trim_end_matches('/'))
}

/// A name that no file of the kernel's can have.
fn component(name: &str, controllers: &[&str]) -> String {
    let of_controller = |one: &&str| {
        let rest = name.strip_prefix(*one);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let is_taken = name.starts_with(['_', '.'])
        || name.starts_with("cgroup.")
        || KERNEL_FILES.contains(&name)
        || controllers.iter().any(of_controller);
    match is_taken {
        true => format!("_{name}"),
        false => name.to_owned(),
    }
}

/// The controllers of `/proc/cgroups`.
pub fn kernel_controllers(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_ascii_whitespace().next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_name_has_only_what_a_host_name_may_have() {
        let name = |guest| machine("qemu", None, 3, guest);
        assert_eq!(name("web"), "qemu-3-web");
        assert_eq!(name("we_b.-x--y."), "qemu-3-web.x-y");
        assert_eq!(name("-.a"), "qemu-3-a");
        assert_eq!(name("\u{e4}\u{f6}"), "qemu-3");
        assert_eq!(name(&"x".repeat(100)).len(), 64);
        assert_eq!(machine("lxc", Some("ab12"), 1, "b"), "lxc-ab12-1-b");
    }

    #[test]
    fn units_are_escaped() {
        let unit = scope_unit("qemu-1-web");
        assert_eq!(unit, "machine-qemu\\x2d1\\x2dweb.scope");
        assert_eq!(slice_unit("/machine"), "machine.slice");
        assert_eq!(slice_unit("/machine/prod-a"), "machine-prod\\x2da.slice");
        assert_eq!(slice_unit("/.b/c\\"), "\\x2eb-c\\x5c.slice");
        assert_eq!(slice_unit("/"), "-.slice");
    }

    #[test]
    fn partitions_say_that_they_are() {
        let path = |partition| partition_path(partition, &["cpu", "net_cls"]);
        assert_eq!(path("/machine"), "/machine");
        assert_eq!(path("/machine/a/b"), "/machine/a.partition/b.partition");
        assert_eq!(path("/a/machine"), "/a.partition/machine.partition");
        assert_eq!(path("/user/me.user/x"), "/user/me.user/x.partition");
        assert_eq!(path("/"), "/");
        assert_eq!(path("/cpu.x/cpux.y/_a"), "/_cpu.x/cpux.y/__a.partition");
        assert_eq!(
            path("/cgroup.procs/tasks"),
            "/_cgroup.procs/tasks.partition"
        );
    }

    #[test]
    fn a_guest_is_in_its_partition() {
        let path = |partition, name| guest_path(partition, name, "qemu", &["cpu"]);
        assert_eq!(
            path("/machine", "qemu-1-a"),
            "/machine/qemu-1-a.libvirt-qemu"
        );
        assert_eq!(path("/", "cpu.1"), "/_cpu.1.libvirt-qemu");
    }

    #[test]
    fn a_partition_begins_at_the_root_and_stays_there() {
        assert!(check_partition("/a/b").is_ok());
        let error = check_partition("machine/foo").unwrap_err();
        assert_eq!(
            error.message(),
            "unsupported configuration: Resource partition 'machine/foo' must start with '/'"
        );
        assert!(check_partition("/a/../../b").is_err());
    }

    #[test]
    fn controllers_are_the_first_column() {
        let text = "#subsys_name\thierarchy\ncpuset\t3\t41\t1\ncpu 1 1 1\n";
        assert_eq!(kernel_controllers(text), ["cpuset", "cpu"]);
    }
}
