//! What a guest's group lets it use (WIRE.md section 20, `resrc=cgroup`), and the first process of a
//! container.

use std::path::Path;

use virt_rpc::protocol::audit::{Audit, Type, Value};

use super::{Reason, Subject, audit, bare};

/// Devices that a group is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Devices<'a> {
    /// All there are.
    All,
    /// All of one driver, by its number and what it drives: `pty`.
    Driver(u32, &'static str),
    /// The one at that path, with its number's two parts.
    At(&'a Path, u32, u32),
}

impl Subject {
    /// Its group lets it use them from now on, or not any more.
    pub fn confined(
        &self,
        group: &Path,
        devices: Devices<'_>,
        allowed: bool,
        success: bool,
    ) -> Audit {
        let reason = if allowed { Reason::Allow } else { Reason::Deny };
        let mut fields = self.resource("cgroup", reason);
        fields.push(("cgroup", path(group)));
        match devices {
            Devices::All => fields.push(("class", bare("all"))),
            Devices::Driver(major, category) => fields.extend([
                ("class", bare("major")),
                ("category", bare(category)),
                ("maj", bare(format!("{major:02X}"))),
                ("acl", bare("rwm")),
            ]),
            Devices::At(at, major, minor) => fields.extend([
                ("class", bare("path")),
                ("path", path(at)),
                ("rdev", bare(format!("{major:02X}:{minor:02X}"))),
                ("acl", bare("rwm")),
            ]),
        }
        audit(Type::VirtResource, fields, success)
    }

    /// A container's first process runs: its number, and that of its namespace of processes.
    pub fn init(&self, pid: i32, init: i32, namespace: u64) -> Audit {
        let mut fields = vec![("virt", bare(self.virt)), ("op", bare("init"))];
        fields.extend(self.own());
        fields.extend([
            ("vm-pid", bare(pid.to_string())),
            ("init-pid", bare(init.to_string())),
            ("pid-ns", bare(namespace.to_string())),
        ]);
        audit(Type::VirtControl, fields, true)
    }
}

fn path(path: &Path) -> Value {
    Value::Text(path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_told_as_libvirt_tells_it() {
        let subject = Subject::from(&virt_domain::Domain {
            name: "box".into(),
            virt_type: virt_domain::arch::VirtType::Lxc,
            ..Default::default()
        });
        let group = Path::new("/sys/fs/cgroup/devices/machine/a");
        let told = |devices, allowed| subject.confined(group, devices, allowed, true).text();
        let own = "vm=\"box\" uuid=00000000-0000-0000-0000-000000000000 \
                   cgroup=\"/sys/fs/cgroup/devices/machine/a\"";
        assert_eq!(
            told(Devices::All, false),
            format!("virt=lxc resrc=cgroup reason=deny {own} class=all")
        );
        assert_eq!(
            told(Devices::Driver(136, "pty"), true),
            format!(
                "virt=lxc resrc=cgroup reason=allow {own} class=major category=pty maj=88 acl=rwm"
            )
        );
        assert_eq!(
            told(Devices::At(Path::new("/dev/null"), 1, 3), true),
            format!(
                "virt=lxc resrc=cgroup reason=allow {own} class=path path=\"/dev/null\" rdev=01:03 acl=rwm"
            )
        );
    }
}
