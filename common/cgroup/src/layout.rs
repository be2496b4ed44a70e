//! Which hierarchies the host has, and where a process is in them: pure functions over the text of
//! `/proc/mounts`, `/proc/PID/cgroup` and `cgroup.controllers` (cgroups(7)).
//!
//! A host has hierarchies of version 1, each with one or more controllers, or the unified one of
//! version 2, or both ("hybrid"). What the unified one offers is used there, the rest where version
//! 1 mounts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::Controller;

/// A hierarchy of version 1 as it serves one controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The process's group below that, `/...`; empty when the process's file does not tell.
    pub placement: String,
}

/// The hierarchy of version 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unified {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// As of [`Legacy`].
    pub placement: String,
    /// What it offers, in the order of [`Controller::ALL`].
    pub controllers: Vec<Controller>,
}

/// The hierarchies that serve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Those of version 1 by controller.
    pub legacy: BTreeMap<Controller, Legacy>,
    /// That of version 2.
    pub unified: Option<Unified>,
}

impl Layout {
    /// Finds the hierarchies. `mounts` is the text of `/proc/mounts`; `available` gives the text of
    /// `cgroup.controllers` in a folder.
    ///
    /// # Errors
    /// NO_SUPPORT when there is none.
    pub fn detect(mounts: &str, available: impl FnOnce(&Path) -> String) -> Result<Self> {
        let mut layout = Self::default();
        let unified = cgroup_mounts(mounts, "cgroup2").last();
        if let Some((mount, _)) = unified {
            let available = available(&mount);
            let offered: Vec<&str> = available.split_ascii_whitespace().collect();
            let offers = |one: &Controller| {
                one.is_implied_by_unified()
                    || one
                        .unified_name()
                        .is_some_and(|name| offered.contains(&name))
            };
            layout.unified = Some(Unified {
                mount,
                placement: String::new(),
                controllers: Controller::ALL.into_iter().filter(offers).collect(),
            });
        }
        // Of several mounts of a hierarchy the latest counts.
        for (mount, options) in cgroup_mounts(mounts, "cgroup") {
            let served = options.split(',').filter_map(Controller::from_name);
            for controller in served {
                if layout.is_unified(controller) {
                    continue;
                }
                let legacy = Legacy {
                    mount: mount.clone(),
                    placement: String::new(),
                };
                layout.legacy.insert(controller, legacy);
            }
        }
        match layout.unified.is_none() && layout.legacy.is_empty() {
            true => Err(Error::new(
                ErrorCode::NoSupport,
                ErrorDomain::Cgroup,
                "no control groups are mounted",
            )),
            false => Ok(layout),
        }
    }

    /// The same hierarchies with the group that a process is in: `text` is that of its
    /// `/proc/PID/cgroup`. Of a guest's process it is the guest's group, not that of its thread.
    #[must_use]
    pub fn of_process(mut self, text: &str) -> Self {
        for (controllers, path) in memberships(text) {
            let path = domain_group(path);
            if controllers.is_empty() {
                if let Some(unified) = &mut self.unified {
                    path.clone_into(&mut unified.placement);
                }
                continue;
            }
            for controller in controllers.split(',').filter_map(Controller::from_name) {
                if let Some(legacy) = self.legacy.get_mut(&controller) {
                    path.clone_into(&mut legacy.placement);
                }
            }
        }
        self
    }

    /// Leaves out the controllers that guests shall not be kept by.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(Controller) -> bool) -> Self {
        self.legacy.retain(|one, _| wanted(*one));
        if let Some(unified) = &mut self.unified {
            unified.controllers.retain(|one| wanted(*one));
        }
        self
    }

    /// Whether version 2 serves the controller.
    pub fn is_unified(&self, controller: Controller) -> bool {
        let unified = self.unified.as_ref();
        unified.is_some_and(|unified| unified.controllers.contains(&controller))
    }

    /// Whether anything serves the controller.
    pub fn has(&self, controller: Controller) -> bool {
        self.legacy.contains_key(&controller) || self.is_unified(controller)
    }
}

/// Mount points and options of file systems of that type.
fn cgroup_mounts<'t>(mounts: &'t str, kind: &'t str) -> impl Iterator<Item = (PathBuf, &'t str)> {
    mounts.lines().filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (point, found, options) = (fields.next()?, fields.next()?, fields.next()?);
        (found == kind).then(|| (unescape(point).into(), options))
    })
}

/// The kernel writes blanks and backslashes of a path as `\` and three octal digits.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 4);
        let code = digits.and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match code {
            Some(code) if *byte == b'\\' => {
                out.push(code);
                at += 4;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Controllers and path of each line `ID:CONTROLLERS:PATH`; version 2's line names none.
fn memberships(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        Some((fields.next()?, fields.next()?))
    })
}

/// The path of a guest's group, given that of the group its main thread is in (WIRE.md section 22).
fn domain_group(path: &str) -> &str {
    let path = path.strip_suffix("/emulator").unwrap_or(path);
    path.strip_suffix("/libvirt").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,noexec,cpu,cpuacct 0 0\n\
        cgroup /sys/fs/cgroup/devices cgroup rw,devices 0 0\n\
        cgroup /a\\040b/cpuset cgroup rw,cpuset 0 0\n\
        cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n";

    #[test]
    fn what_version_2_offers_is_taken_there_and_the_rest_from_version_1() {
        let layout = Layout::detect(HYBRID, |_| "cpu io pids\n".to_owned()).unwrap();
        let unified = layout.unified.as_ref().unwrap();
        use Controller::{Blkio, Cpu, Cpuacct, Cpuset, Devices, Memory, Systemd};
        assert_eq!(unified.controllers, [Cpu, Cpuacct, Devices, Blkio]);
        let legacy: Vec<_> = layout.legacy.keys().copied().collect();
        assert_eq!(legacy, [Cpuset, Systemd]);
        assert_eq!(layout.legacy[&Cpuset].mount, Path::new("/a b/cpuset"));
        assert!(!layout.has(Memory));
    }

    #[test]
    fn a_guests_process_tells_the_guests_group() {
        let layout = Layout::detect(HYBRID, |_| String::new()).unwrap();
        let text = "4:cpu,cpuacct:/machine/qemu-1-a.libvirt-qemu/emulator\n\
                    3:cpuset:/machine.slice/x.scope/libvirt/emulator\n0::/machine/q/libvirt\n";
        let layout = layout.of_process(text);
        let placement = |one| layout.legacy[&one].placement.as_str();
        assert_eq!(placement(Controller::Cpu), "/machine/qemu-1-a.libvirt-qemu");
        assert_eq!(placement(Controller::Cpuset), "/machine.slice/x.scope");
        assert_eq!(layout.unified.as_ref().unwrap().placement, "/machine/q");
        assert_eq!(placement(Controller::Systemd), "");
    }

    #[test]
    fn a_host_without_any_is_told() {
        let none = Layout::detect("proc /proc proc rw 0 0\n", |_| String::new());
        assert!(none.is_err());
    }

    #[test]
    fn controllers_can_be_left_out() {
        let layout = Layout::detect(HYBRID, |_| "cpu io\n".to_owned()).unwrap();
        let layout = layout.only(|one| one == Controller::Cpuset || one == Controller::Blkio);
        assert!(layout.has(Controller::Cpuset) && layout.is_unified(Controller::Blkio));
        assert!(!layout.has(Controller::Cpu) && !layout.has(Controller::Devices));
    }
}
