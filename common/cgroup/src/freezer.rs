//! Stopping all processes of a group where they stand, and letting them go on: `freezer.state` of
//! version 1 (`Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst`), `cgroup.freeze` of version 2
//! (`cgroup-v2.rst`).

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::group::Folder;
use crate::{Controller, Group, file};

/// What a freezer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freezing {
    /// Everything runs.
    Thawed,
    /// Some processes are not stopped yet.
    UnderWay,
    /// Everything stands.
    Frozen,
}

impl Group {
    /// The folder whose files stop the group: every group of version 2 can be, but where version 1 has a
    /// freezer, others look there.
    fn freezer(&self) -> Result<&Folder> {
        let legacy = self.folder(Controller::Freezer);
        let unified = self.unified().filter(|folder| {
            // Kernels before 5.2 have none.
            folder.path.join("cgroup.freeze").exists()
        });
        legacy.or(unified).ok_or_else(|| {
            Error::new(
                ErrorCode::OperationUnsupported,
                ErrorDomain::Cgroup,
                "no control group can stop its processes here; mount the controller 'freezer' \
                 (version 1) or the hierarchy of version 2 (Linux 5.2 or newer), and start the guest \
                 again",
            )
        })
    }

    /// Has the kernel stop everything in the group; it may take a moment ([`Group::freezing`]).
    ///
    /// # Errors
    /// OPERATION_UNSUPPORTED where it can't; SYSTEM_ERROR.
    pub fn freeze(&self) -> Result<()> {
        let folder = self.freezer()?;
        match folder.unified {
            true => file::write(&folder.path, "cgroup.freeze", "1"),
            false => file::write(&folder.path, "freezer.state", "FROZEN"),
        }
    }

    /// Lets everything in the group go on.
    ///
    /// # Errors
    /// As [`Group::freeze`].
    pub fn thaw(&self) -> Result<()> {
        let folder = self.freezer()?;
        match folder.unified {
            true => file::write(&folder.path, "cgroup.freeze", "0"),
            false => file::write(&folder.path, "freezer.state", "THAWED"),
        }
    }

    /// How far that is.
    ///
    /// # Errors
    /// As [`Group::freeze`].
    pub fn freezing(&self) -> Result<Freezing> {
        let folder = self.freezer()?;
        if !folder.unified {
            return Ok(match file::read(&folder.path, "freezer.state")?.as_str() {
                "FROZEN" => Freezing::Frozen,
                "FREEZING" => Freezing::UnderWay,
                _ => Freezing::Thawed,
            });
        }
        if file::read(&folder.path, "cgroup.freeze")? == "0" {
            return Ok(Freezing::Thawed);
        }
        let events = file::read(&folder.path, "cgroup.events")?;
        Ok(match file::keyed(&events, "frozen") {
            Some(1) => Freezing::Frozen,
            _ => Freezing::UnderWay,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::Layout;

    /// A process that does nothing, and its group, removed in the end.
    struct Tried {
        child: Child,
        group: Group,
    }

    impl Drop for Tried {
        fn drop(&mut self) {
            let _ = self.group.thaw();
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.group.remove();
        }
    }

    /// Stops and lets go a process in a group of the hierarchies that `wanted` says.
    fn stops(name: &str, wanted: impl Fn(&mut Layout)) {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        let Ok(mut layout) = Layout::detect(&mounts, |_| String::new()) else {
            return;
        };
        wanted(&mut layout);
        let mut group = Group::at(&layout, &format!("/{name}-{}", std::process::id()));
        // Only root makes groups, and not on every host.
        if group.create(0).is_err() || group.freezing().is_err() {
            eprintln!("skipped: no group with a freezer can be made here");
            group.remove();
            return;
        }
        let child = Command::new("sleep").arg("100").spawn().unwrap();
        let tried = Tried { child, group };
        let pid = i32::try_from(tried.child.id()).unwrap();
        tried.group.add_process(pid).unwrap();
        assert_eq!(tried.group.freezing(), Ok(Freezing::Thawed));
        tried.group.freeze().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while tried.group.freezing() != Ok(Freezing::Frozen) {
            assert!(Instant::now() < deadline, "it does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        tried.group.thaw().unwrap();
        assert_eq!(tried.group.freezing(), Ok(Freezing::Thawed));
    }

    #[test]
    fn version_1_stops_a_group() {
        stops("virt-freeze-v1", |layout| {
            layout.unified = None;
            layout.legacy.retain(|one, _| *one == Controller::Freezer);
        });
    }

    #[test]
    fn version_2_stops_a_group() {
        stops("virt-freeze-v2", |layout| layout.legacy.clear());
    }
}
