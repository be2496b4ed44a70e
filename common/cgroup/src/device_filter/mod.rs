//! Which devices the processes of a group may use: lists of version 1
//! (`Documentation/admin-guide/cgroup-v1/devices.rst`), a program of version 2 (`cgroup-v2.rst`, "Device
//! controller").

mod bpf;
mod program;

use std::collections::BTreeSet;
use std::path::Path;

use virt_error::{Error, ErrorDomain, Result};

use crate::group::Folder;
use crate::{Controller, Group, file};

/// A device, or all of one driver, for every use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceRule {
    /// Whether it is a block device; else it is a character device.
    pub block: bool,
    /// Its number's major part.
    pub major: u32,
    /// Its number's minor part; `None` means all of the driver's.
    pub minor: Option<u32>,
}

impl DeviceRule {
    /// As version 1 has it: `c 1:3 rwm`.
    fn line(self) -> String {
        let kind = if self.block { 'b' } else { 'c' };
        match self.minor {
            Some(minor) => format!("{kind} {}:{minor} rwm", self.major),
            None => format!("{kind} {}:* rwm", self.major),
        }
    }
}

impl Group {
    /// Whose files or program say which devices the group's processes use.
    pub fn devices_folder(&self) -> Option<&Path> {
        self.folder(Controller::Devices)
            .map(|folder| folder.path.as_path())
    }

    /// Keeps the group's processes from all devices but these.
    ///
    /// # Errors
    /// SYSTEM_ERROR; INTERNAL_ERROR where nothing can do that.
    pub fn filter_devices(&self, allowed: &BTreeSet<DeviceRule>) -> Result<()> {
        let folder = self.of(Controller::Devices)?;
        if folder.unified {
            return attach(folder, allowed);
        }
        file::write(&folder.path, "devices.deny", "a")?;
        allow(folder, allowed.iter())
    }

    /// The same for a group that was kept to `before`: what stays is never refused in between.
    ///
    /// # Errors
    /// As [`Group::filter_devices`].
    pub fn change_devices(
        &self,
        before: &BTreeSet<DeviceRule>,
        allowed: &BTreeSet<DeviceRule>,
    ) -> Result<()> {
        let folder = self.of(Controller::Devices)?;
        if folder.unified {
            return attach(folder, allowed);
        }
        allow(folder, allowed.difference(before))?;
        before
            .difference(allowed)
            .try_for_each(|rule| file::write(&folder.path, "devices.deny", &rule.line()))
    }
}

fn allow<'a>(folder: &Folder, rules: impl Iterator<Item = &'a DeviceRule>) -> Result<()> {
    let mut rules = rules;
    rules.try_for_each(|rule| file::write(&folder.path, "devices.allow", &rule.line()))
}

fn attach(folder: &Folder, allowed: &BTreeSet<DeviceRule>) -> Result<()> {
    let attached = bpf::replace(&folder.path, &program::of(allowed));
    attached.map_err(|cause| {
        let what = format!(
            "cannot attach a device filter to '{}'",
            folder.path.display()
        );
        Error::system(ErrorDomain::Cgroup, what, &cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_line_of_version_1() {
        let rule = |block, minor| DeviceRule {
            block,
            major: 136,
            minor,
        };
        assert_eq!(rule(false, None).line(), "c 136:* rwm");
        assert_eq!(rule(true, Some(3)).line(), "b 136:3 rwm");
    }
}
