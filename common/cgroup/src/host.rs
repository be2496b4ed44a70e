//! Guests in the host's groups: putting one there, finding it again, taking it out.

use std::path::Path;

use rustix::fs::{Access, access};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::machined::{self, Machine};
use crate::names::{self, DEFAULT_PARTITION};
use crate::{Controller, Group, Layout};

/// The kernel's files that say how the host is arranged.
const MOUNTS: &str = "/proc/mounts";
const CONTROLLERS: &str = "/proc/cgroups";

/// What sets one daemon's guests apart.
#[derive(Debug, Clone)]
pub struct Driver {
    /// `qemu` or `lxc`.
    pub name: &'static str,
    /// What machined calls such guests: `vm` or `container`.
    pub class: &'static str,
    /// Units that guests start after.
    pub after: &'static [&'static str],
    /// The group below a unit that systemd made, in which a guest is: systemd sets the unit's own limits
    /// as it likes.
    pub inside: &'static str,
    /// Groups below a guest's own in version 2, which lets no group with processes have any: for guests
    /// whose first process owns them and is no part of them.
    pub apart: Option<Apart>,
    /// A word in the guests' names, for a daemon that numbers guests independently of the host's.
    pub scope: Option<String>,
}

/// How a guest is told apart from the process that owns it.
#[derive(Debug, Clone, Copy)]
pub struct Apart {
    /// The group of the process that owns it.
    pub owner: &'static str,
    /// The group of the guest, which may have groups of its own below.
    pub payload: &'static str,
}

/// The host's groups as one driver uses them.
#[derive(Debug, Clone)]
pub struct Host {
    layout: Layout,
    /// The kernel's controllers, whose files have names with theirs.
    kernel: Vec<String>,
    driver: Driver,
}

/// A guest to be placed.
#[derive(Debug, Clone, Copy)]
pub struct Guest<'a> {
    /// Its number.
    pub id: i32,
    /// Its name.
    pub name: &'a str,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Path of its partition; `None` for the default one.
    pub partition: Option<&'a str>,
}

/// A guest's groups.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its name towards machined and in paths.
    machine: String,
    /// The unit it is in, where systemd keeps it.
    unit: Option<String>,
    /// The unit's own group, which weighs the guest against others; without a unit the same as the
    /// guest's.
    outer: Group,
    /// The guest's group, which has those of its threads below it.
    group: Group,
    /// The group of its processes in version 2, where they are told apart from what owns it.
    payload: Option<Group>,
}

impl Host {
    /// Looks at the host. `None` where it has no groups that can be written. `wanted` are the
    /// controllers that guests may be kept by.
    pub fn look(driver: Driver, wanted: impl Fn(Controller) -> bool) -> Option<Self> {
        let mounts = std::fs::read_to_string(MOUNTS).ok()?;
        let layout = Layout::detect(&mounts, |mount| {
            std::fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default()
        });
        let mut layout = match layout {
            Ok(layout) => layout,
            Err(error) => {
                tracing::info!(%error, "guests are put into no control groups");
                return None;
            }
        };
        // A container may see its host's groups and not be allowed to change them.
        let writable = |mount: &Path| access(mount, Access::WRITE_OK).is_ok();
        layout.legacy.retain(|_, legacy| writable(&legacy.mount));
        layout.unified = layout.unified.filter(|unified| writable(&unified.mount));
        let layout = layout.only(|one| one == Controller::Systemd || wanted(one));
        let nothing = layout.unified.is_none() && layout.legacy.is_empty();
        if nothing {
            tracing::warn!("the host's control groups can't be written: guests are put into none");
            return None;
        }
        let kernel = std::fs::read_to_string(CONTROLLERS).unwrap_or_default();
        let kernel = names::kernel_controllers(&kernel);
        Some(Self {
            layout,
            kernel: kernel.into_iter().map(str::to_owned).collect(),
            driver,
        })
    }

    /// Whether guests can be kept by the controller.
    pub fn has(&self, controller: Controller) -> bool {
        self.layout.has(controller)
    }

    fn machine(&self, guest: &Guest<'_>) -> String {
        let scope = self.driver.scope.as_deref();
        names::machine(self.driver.name, scope, guest.id, guest.name)
    }

    fn path(&self, guest: &Guest<'_>, machine: &str) -> String {
        let partition = guest.partition.unwrap_or(DEFAULT_PARTITION);
        let kernel: Vec<&str> = self.kernel.iter().map(String::as_str).collect();
        names::guest_path(partition, machine, self.driver.name, &kernel)
    }

    /// Puts a guest's first process, which has one thread yet, into groups of its own: through
    /// machined where systemd runs the host. Blocks.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED for a partition that can't be one, SYSTEM_ERROR with what can't be made.
    /// What was made by then is removed by [`Host::remove_left`] when the process is gone.
    pub fn place(&self, guest: &Guest<'_>, pid: u32) -> Result<Placed> {
        let partition = guest.partition.unwrap_or(DEFAULT_PARTITION);
        names::check_partition(partition)?;
        let machine = self.machine(guest);
        let leader = i32::try_from(pid).unwrap_or(i32::MAX);
        if !machined::is_booted() {
            // Of all partitions only the default one is made here.
            let parents = usize::from(partition == DEFAULT_PARTITION);
            let mut group = Group::at(&self.layout, &self.path(guest, &machine));
            group.create(parents)?;
            self.enter(&group, leader)?;
            return Ok(self.placed(machine, None, group.clone(), group));
        }
        machined::create(&Machine {
            name: &machine,
            uuid: guest.uuid,
            service: &format!("libvirt-{}", self.driver.name),
            class: self.driver.class,
            leader: pid,
            root: "",
            interfaces: &[],
            partition,
            after: self.driver.after,
        })?;
        self.inside_unit(&machine, leader)
    }

    /// The guest's groups in the scope that systemd made for its process.
    fn inside_unit(&self, machine: &str, leader: i32) -> Result<Placed> {
        let layout = self.layout_of(leader)?;
        let unit = names::scope_unit(machine);
        let path = unit_path(&layout, &unit).ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Systemd,
                format!("systemd did not put process {leader} into '{unit}'"),
            )
        })?;
        // Where systemd has no use for a controller of version 1, it makes no group of it.
        let mut outer = Group::at(&self.layout, &path);
        let parents = path.split('/').filter(|part| !part.is_empty()).count() - 1;
        outer.complete(parents)?;
        let mut group = outer.child(self.driver.inside);
        group.create_inside()?;
        self.enter(&group, leader)?;
        // With the process gone from it, the scope may pass its controllers on.
        group.pass_on(&outer);
        Ok(self.placed(machine.to_owned(), Some(unit), outer, group))
    }

    /// Puts a guest's first process into its group.
    fn enter(&self, group: &Group, leader: i32) -> Result<()> {
        let Some(apart) = &self.driver.apart else {
            return group.add_process(leader);
        };
        let (unified, legacy) = group.by_version();
        legacy.add_process(leader)?;
        for name in [apart.owner, apart.payload] {
            unified.child(name).create_inside()?;
        }
        unified.child(apart.owner).add_process(leader)
    }

    fn placed(&self, machine: String, unit: Option<String>, outer: Group, group: Group) -> Placed {
        let payload = self.driver.apart.as_ref().map(|apart| {
            let (unified, _) = group.by_version();
            let mut payload = unified.child(apart.payload);
            payload.pass_on(&unified);
            payload
        });
        Placed {
            machine,
            unit,
            outer,
            group,
            payload,
        }
    }

    fn layout_of(&self, pid: i32) -> Result<Layout> {
        let path = format!("/proc/{pid}/cgroup");
        let text = std::fs::read_to_string(&path).map_err(|cause| {
            let what = format!("Unable to read from '{path}'");
            Error::system(ErrorDomain::Cgroup, what, &cause)
        })?;
        Ok(self.layout.clone().of_process(&text))
    }

    /// The groups of a guest that runs already; `None` when it is in none of its own.
    pub fn find(&self, guest: &Guest<'_>, pid: i32) -> Option<Placed> {
        let layout = self.layout_of(pid).ok()?;
        let machine = self.machine(guest);
        let unit = names::scope_unit(&machine);
        if let Some(path) = unit_path(&layout, &unit) {
            let mut outer = Group::at(&self.layout, &path);
            outer.forget_what_is_not_there();
            let mut group = outer.child(self.driver.inside);
            group.forget_what_is_not_there();
            return Some(self.placed(machine, Some(unit), outer, group));
        }
        let mut group = Group::of_process(&layout, &self.path(guest, &machine));
        group.forget_what_is_not_there();
        (!group.is_empty()).then(|| self.placed(machine, None, group.clone(), group))
    }

    /// Removes groups of the default partition that have this daemon's names and are none of the
    /// `known` guests', given by number and name. One that has a process in it stays. Blocks.
    pub fn remove_unknown(&self, known: &[(i32, &str)]) {
        let scope = self.driver.scope.as_deref();
        let suffix = format!(".libvirt-{}", self.driver.name);
        let prefix = match scope {
            Some(scope) => format!("{}-{scope}-", self.driver.name),
            None => format!("{}-", self.driver.name),
        };
        let known: Vec<String> = known
            .iter()
            .map(|(id, name)| names::machine(self.driver.name, scope, *id, name))
            .collect();
        let is_left = |name: &str| {
            let machine = name.strip_suffix(&suffix);
            machine.is_some_and(|machine| {
                let rest = machine.strip_prefix(&prefix);
                // Another daemon's have a word where ours have a number.
                let is_ours = rest.is_some_and(|rest| {
                    let id = rest.split('-').next().unwrap_or_default();
                    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
                });
                is_ours && !known.iter().any(|known| known == machine)
            })
        };
        Group::at(&self.layout, DEFAULT_PARTITION).sweep(is_left);
    }

    /// Removes what a guest that is gone may have left. Blocks.
    pub fn remove_left(&self, guest: &Guest<'_>) {
        let machine = self.machine(guest);
        if machined::is_booted() {
            machined::terminate(&machine);
        }
        Group::at(&self.layout, &self.path(guest, &machine)).remove();
    }
}

/// The path of a unit that the layout's process is in, or in a group below it.
fn unit_path(layout: &Layout, unit: &str) -> Option<String> {
    let legacy = layout.legacy.get(&Controller::Systemd);
    let unified = layout.unified.as_ref().map(|unified| &unified.placement);
    let mut placements = legacy
        .map(|legacy| legacy.placement.as_str())
        .into_iter()
        .chain(unified.map(String::as_str));
    placements.find_map(|placement| {
        let mut parts = placement.split_inclusive('/');
        let mut length = 0;
        let ours = parts.find(|part| {
            length += part.len();
            part.trim_end_matches('/') == unit
        });
        ours.map(|_| placement[..length].trim_end_matches('/').to_owned())
    })
}

impl Placed {
    /// The guest's group: limits of memory, devices and all of its processor time.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The group of its processes in version 2, where they are told apart from what owns the guest
    /// ([`Driver::apart`]).
    pub fn payload(&self) -> Option<&Group> {
        self.payload.as_ref().filter(|group| !group.is_empty())
    }

    /// The group that is weighed against others'.
    pub fn outer(&self) -> &Group {
        &self.outer
    }

    /// The name towards machined.
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// Sets the weight of processor time.
    ///
    /// # Errors
    /// SYSTEM_ERROR; INTERNAL_ERROR without the controller.
    pub fn set_cpu_shares(&self, shares: u64) -> Result<()> {
        let Some(unit) = &self.unit else {
            return self.outer.set_cpu_shares(shares);
        };
        let property = match self.outer.is_unified(Controller::Cpu) {
            true => "CPUWeight",
            false => "CPUShares",
        };
        machined::set(unit, property, shares.into())
    }

    /// Sets the weight at block devices.
    ///
    /// # Errors
    /// As [`Placed::set_cpu_shares`].
    pub fn set_blkio_weight(&self, weight: u64) -> Result<()> {
        let Some(unit) = &self.unit else {
            return self.outer.set_blkio_weight(weight);
        };
        let property = match self.outer.is_unified(Controller::Blkio) {
            true => "IOWeight",
            false => "BlockIOWeight",
        };
        machined::set(unit, property, weight.into())
    }

    /// Sets the weight at one block device, `path`, whose numbers are `MAJOR:MINOR`.
    ///
    /// # Errors
    /// As [`Placed::set_cpu_shares`]; OPERATION_INVALID where no scheduler has such weights.
    pub fn set_blkio_device_weight(&self, path: &str, numbers: &str, weight: u64) -> Result<()> {
        let Some(unit) = &self.unit else {
            return self.outer.set_blkio_device_weight(numbers, weight);
        };
        let property = match self.outer.is_unified(Controller::Blkio) {
            true => "IODeviceWeight",
            false => "BlockIODeviceWeight",
        };
        // An empty list takes all back.
        let list: Vec<(String, u64)> = match weight {
            0 => Vec::new(),
            weight => vec![(path.to_owned(), weight)],
        };
        machined::set(unit, property, list.into())
    }

    /// Takes the guest's groups away when its processes are gone. What can't be removed is told in
    /// the log. Blocks.
    pub fn remove(&self) {
        if self.unit.is_some() {
            machined::terminate(&self.machine);
        }
        self.outer.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_known_by_its_name() {
        let layout = Layout::detect("c /u cgroup2 rw 0 0", |_| String::new()).unwrap();
        let unit = names::scope_unit("qemu-1-a");
        let path = format!("/machine.slice/{unit}");
        let inside = layout
            .clone()
            .of_process(&format!("0::{path}/libvirt/emulator"));
        assert_eq!(unit_path(&inside, &unit), Some(path.clone()));
        let inside = layout
            .clone()
            .of_process(&format!("0::{path}/container/init.scope"));
        assert_eq!(unit_path(&inside, &unit), Some(path));
        let outside = layout.of_process("0::/system.slice/x.service");
        assert_eq!(unit_path(&outside, &unit), None);
    }
}
