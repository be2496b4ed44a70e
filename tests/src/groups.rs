//! Control groups of a test's guests: where a process is, and that a test leaves none behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long processes that were killed may take to leave their groups.
const PATIENCE: Duration = Duration::from_secs(5);

/// The folder of a process's group in the hierarchy that has the controller, of either version; the
/// guest's, for QEMU's main thread. `None` where the controller is in none that can be written.
pub fn folder(pid: u32, controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").expect("/proc/mounts");
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let (mount, v2) = mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let v2 = fields[2] == "cgroup2";
        let has = match v2 {
            true => fs::read_to_string(Path::new(fields[1]).join("cgroup.controllers"))
                .is_ok_and(|text| text.split_whitespace().any(|one| one == controller)),
            false => fields[2] == "cgroup" && fields[3].split(',').any(|one| one == controller),
        };
        has.then(|| (PathBuf::from(fields[1]), v2))
    })?;
    let path = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_it = match v2 {
            true => controllers.is_empty(),
            false => controllers.split(',').any(|one| one == controller),
        };
        is_it.then_some(path)
    })?;
    let path = path.strip_suffix("/emulator").unwrap_or(path);
    Some(mount.join(path.trim_start_matches('/')))
}

/// The folders of the groups that guests' processes are in, in all hierarchies.
fn of_guests(pids: &[u32]) -> BTreeSet<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts: Vec<&str> = mounts
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            fields[2].starts_with("cgroup").then(|| fields[1])
        })
        .collect();
    let texts = pids
        .iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")).ok());
    let mut found = BTreeSet::new();
    for text in texts {
        for path in text.lines().filter_map(|line| line.splitn(3, ':').nth(2)) {
            let path = path.strip_suffix("/emulator").unwrap_or(path);
            if path.ends_with(".libvirt-qemu") || path.ends_with(".libvirt-lxc") {
                let below = path.trim_start_matches('/');
                let all = mounts.iter().map(|mount| Path::new(mount).join(below));
                found.extend(all.filter(|path| path.is_dir()));
            }
        }
    }
    found
}

/// Lets go a container that a test left standing: what version 1 stops can't even be killed.
pub(crate) fn let_go(controller: u32) {
    for group in of_guests(&[controller]) {
        // Each is in one hierarchy, and most have no freezer.
        for (file, word) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            if group.join(file).exists() {
                let _ = fs::write(group.join(file), word);
            }
        }
    }
}

/// Groups that are removed when a test ends, whatever became of its daemon. Drop it when the
/// processes are gone.
#[derive(Debug, Default)]
pub(crate) struct Leftovers(BTreeSet<PathBuf>);

impl Leftovers {
    /// Those of guests that are about to be killed.
    pub(crate) fn note(&mut self, pids: &[u32]) {
        self.0.extend(of_guests(pids));
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        for path in &self.0 {
            while path.exists() && Instant::now() < deadline {
                let below = fs::read_dir(path).into_iter().flatten().flatten();
                for entry in below.filter(|entry| entry.path().is_dir()) {
                    let _ = fs::remove_dir(entry.path());
                }
                if fs::remove_dir(path).is_err() {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }
}
