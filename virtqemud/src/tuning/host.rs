//! The host's control groups as this daemon uses them.

use virt_cgroup::Driver;
use virt_daemon::Paths;

use crate::qemu_conf::QemuConf;

/// Units that guests start after, so that the host's shutdown ends them before (WIRE.md section 22).
const AFTER: &[&str] = &["libvirtd.service", "virtqemud.service"];

/// Looks at the host. Only the system's daemon puts guests into groups.
pub(crate) fn look(paths: &Paths, conf: &QemuConf) -> Option<virt_cgroup::Host> {
    if !paths.is_system() || !rustix::process::geteuid().is_root() {
        return None;
    }
    let driver = Driver {
        name: "qemu",
        class: "vm",
        after: AFTER,
        inside: "libvirt",
        apart: None,
        scope: virt_driver::groups::scope(paths),
    };
    virt_cgroup::Host::look(driver, |controller| {
        let wanted = conf.cgroup_controllers.as_ref();
        wanted.is_none_or(|wanted| wanted.contains(&controller))
    })
}
