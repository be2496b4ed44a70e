//! The host's control groups as this daemon uses them.

use sha2::{Digest, Sha256};
use virt_cgroup::Driver;
use virt_daemon::Paths;
use virt_domain::Domain;

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
        scope: scope(paths),
    };
    virt_cgroup::Host::look(driver, |controller| {
        let wanted = conf.cgroup_controllers.as_ref();
        wanted.is_none_or(|wanted| wanted.contains(&controller))
    })
}

/// A daemon with a root of its own counts its guests apart from the host's: its groups have a word
/// of that root in their names.
fn scope(paths: &Paths) -> Option<String> {
    let root = paths.root.as_os_str().as_encoded_bytes();
    if root == b"/" {
        return None;
    }
    let digest = Sha256::digest(root);
    let word: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // No number, as which the host's guests have their place there.
    Some(format!("r{word}"))
}

/// A guest as groups are named after it.
pub(crate) fn guest(domain: &Domain) -> virt_cgroup::Guest<'_> {
    virt_cgroup::Guest {
        id: domain.id.unwrap_or(-1),
        name: &domain.name,
        uuid: *domain.uuid.as_bytes(),
        partition: domain
            .resource
            .as_ref()
            .and_then(|resource| resource.partition.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_root_of_its_own_shows_in_names() {
        assert_eq!(scope(&Paths::system(None)), None);
        let one = scope(&Paths::system(Some(Path::new("/a")))).unwrap();
        let other = scope(&Paths::system(Some(Path::new("/b")))).unwrap();
        assert!(one.len() == 9 && one.starts_with('r'));
        assert_ne!(one, other);
    }
}
