//! One group: its folders in all hierarchies, as one thing.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use virt_error::{Error, ErrorDomain, Result};

use crate::{Controller, Layout, file};

/// How often a folder that the kernel still holds is tried again, every [`RETRY`]: processes that
/// ended leave their groups a moment later.
const TRIES: u32 = 100;
const RETRY: Duration = Duration::from_millis(10);

/// A group's files that go to whom it is delegated.
const DELEGATED: [&str; 3] = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

/// A group's folder in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    /// Where the hierarchy is mounted.
    mount: PathBuf,
    /// What it controls.
    pub(crate) controllers: Vec<Controller>,
    /// Whether it is version 2's.
    pub(crate) unified: bool,
}

/// A group. Its folders may or may not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    folders: Vec<Folder>,
}

impl Group {
    /// The group of that path in all hierarchies.
    pub fn at(layout: &Layout, path: &str) -> Self {
        Self::placed(layout, |_| Some(path))
    }

    /// The group of that path in the hierarchies where the layout's process is in it or below it.
    pub fn of_process(layout: &Layout, path: &str) -> Self {
        Self::placed(layout, |placement| {
            let rest = placement.strip_prefix(path)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(path)
        })
    }

    fn placed<'a>(layout: &Layout, path: impl Fn(&str) -> Option<&'a str>) -> Self {
        let mut folders: Vec<Folder> = Vec::new();
        if let Some(unified) = &layout.unified
            && let Some(path) = path(&unified.placement)
        {
            folders.push(Folder {
                path: below(&unified.mount, path),
                mount: unified.mount.clone(),
                controllers: unified.controllers.clone(),
                unified: true,
            });
        }
        for (controller, legacy) in &layout.legacy {
            let Some(path) = path(&legacy.placement).filter(|_| controller.holds_guests()) else {
                continue;
            };
            let path = below(&legacy.mount, path);
            match folders.iter_mut().find(|folder| folder.path == path) {
                Some(folder) => folder.controllers.push(*controller),
                None => folders.push(Folder {
                    path,
                    mount: legacy.mount.clone(),
                    controllers: vec![*controller],
                    unified: false,
                }),
            }
        }
        Self { folders }
    }

    /// A group below this one.
    pub fn child(&self, name: &str) -> Self {
        self.child_where(name, |_| true)
    }

    /// A group for some of the threads of the processes in this one.
    pub fn threads(&self, name: &str) -> Self {
        self.child_where(name, |controller| controller.is_threaded())
    }

    fn child_where(&self, name: &str, wanted: impl Fn(Controller) -> bool) -> Self {
        let folders = self.folders.iter().filter_map(|folder| {
            let mut child = folder.clone();
            child.controllers.retain(|one| wanted(*one));
            child.path.push(name);
            // In version 2 the threads are told apart even where nothing controls them.
            (child.unified || !child.controllers.is_empty()).then_some(child)
        });
        Self {
            folders: folders.collect(),
        }
    }

    /// Whether there is no hierarchy to be in.
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Whether the controller acts on it.
    pub fn has(&self, controller: Controller) -> bool {
        self.folder(controller).is_some()
    }

    /// The folder of a controller.
    pub(crate) fn folder(&self, controller: Controller) -> Option<&Folder> {
        let mut folders = self.folders.iter();
        folders.find(|folder| folder.controllers.contains(&controller))
    }

    /// The folder of a controller that has to be there.
    ///
    /// # Errors
    /// INTERNAL_ERROR.
    pub(crate) fn of(&self, controller: Controller) -> Result<&Folder> {
        let folder = self.folder(controller);
        folder.ok_or_else(|| file::absent(controller))
    }

    /// The folder of version 2.
    pub(crate) fn unified(&self) -> Option<&Folder> {
        self.folders.iter().find(|folder| folder.unified)
    }

    /// The path of its folder in version 2.
    pub fn unified_path(&self) -> Option<&Path> {
        self.unified().map(|folder| folder.path.as_path())
    }

    /// The group in version 2, and in version 1.
    pub(crate) fn by_version(&self) -> (Self, Self) {
        let folders = self.folders.iter().cloned();
        let (unified, legacy) = folders.partition(|folder| folder.unified);
        (Self { folders: unified }, Self { folders: legacy })
    }

    /// The paths of its folders.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.folders.iter().map(|folder| folder.path.as_path())
    }

    /// Makes the group, with all that its controllers need of the groups above. `parents` of it are
    /// made as well, where they are not there. One that a guest of an earlier life left behind goes
    /// first.
    ///
    /// # Errors
    /// SYSTEM_ERROR with the folder that can't be made.
    pub fn create(&mut self, parents: usize) -> Result<()> {
        for folder in &self.folders {
            // Processes in it keep it: then it is used as it is.
            let _ = remove_tree(&folder.path);
            for above in (1..=parents).rev() {
                if let Some(parent) = folder.path.ancestors().nth(above) {
                    folder.make(parent)?;
                }
            }
            if folder.unified {
                folder.enable_above();
            }
            folder.make(&folder.path)?;
        }
        self.is_made();
        Ok(())
    }

    /// Makes the group in one that systemd made and that has processes in it: what it passes on is
    /// left as it is until they are gone from it ([`Group::pass_on`]). A controller of threads among
    /// it would have no process enter the new group.
    ///
    /// # Errors
    /// As [`Group::create`].
    pub(crate) fn create_inside(&mut self) -> Result<()> {
        for folder in &self.folders {
            folder.make(&folder.path)?;
        }
        self.is_made();
        Ok(())
    }

    fn is_made(&mut self) {
        self.forget_what_is_not_there();
        for folder in &self.folders {
            if folder.controllers.contains(&Controller::Memory) && !folder.unified {
                // Kernels that can't do without it have no such file any more.
                let _ = file::write(&folder.path, "memory.use_hierarchy", "1");
            }
        }
    }

    /// Makes what is missing of a group that others made, and of the groups above it.
    ///
    /// # Errors
    /// As [`Group::create`].
    pub(crate) fn complete(&mut self, parents: usize) -> Result<()> {
        for folder in self.folders.iter().filter(|folder| !folder.unified) {
            for above in (0..=parents).rev() {
                if let Some(group) = folder.path.ancestors().nth(above) {
                    folder.make(group)?;
                }
            }
        }
        self.forget_what_is_not_there();
        Ok(())
    }

    /// Has the groups above pass the controllers on, now that no process is in them.
    /// What they don't is left out.
    pub(crate) fn pass_on(&mut self, offered: &Self) {
        for folder in self.folders.iter_mut().filter(|folder| folder.unified) {
            if let Some(above) = offered.folders.iter().find(|above| above.unified) {
                folder.controllers.clone_from(&above.controllers);
                folder.enable_in(&above.path);
            }
        }
        self.forget_what_is_not_there();
    }

    /// Makes a group of threads.
    ///
    /// # Errors
    /// As [`Group::create`].
    pub fn create_for_threads(&mut self) -> Result<()> {
        for folder in &self.folders {
            folder.make(&folder.path)?;
            if folder.unified {
                file::write(&folder.path, "cgroup.type", "threaded")?;
                folder.enable_in(folder.path.parent().unwrap_or(&folder.mount));
            }
        }
        self.forget_what_is_not_there();
        Ok(())
    }

    /// Leaves out controllers that the groups above don't pass on.
    pub(crate) fn forget_what_is_not_there(&mut self) {
        for folder in self.folders.iter_mut().filter(|folder| folder.unified) {
            let there = file::read(&folder.path, "cgroup.controllers").unwrap_or_default();
            let there: Vec<&str> = there.split_ascii_whitespace().collect();
            folder.controllers.retain(|one| {
                let name = one.unified_name();
                name.is_none_or(|name| there.contains(&name))
            });
        }
    }

    /// Puts a process with all its threads into the group.
    ///
    /// # Errors
    /// SYSTEM_ERROR with the file that can't be written.
    pub fn add_process(&self, pid: i32) -> Result<()> {
        for folder in &self.folders {
            file::write(&folder.path, "cgroup.procs", &pid.to_string())?;
        }
        Ok(())
    }

    /// Lets a user arrange groups below this one in version 2, and nothing else: not what limits this one
    /// (cgroups(7), "Cgroups delegation").
    ///
    /// # Errors
    /// SYSTEM_ERROR with the file that can't be given.
    pub fn delegate(&self, user: u32, group: u32) -> Result<()> {
        let Some(folder) = self.unified() else {
            return Ok(());
        };
        let files = DELEGATED.iter().map(|name| folder.path.join(name));
        for path in std::iter::once(folder.path.clone()).chain(files) {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).map_err(|cause| {
                let what = format!("Unable to give '{}' to user {user}", path.display());
                Error::system(ErrorDomain::Cgroup, what, &cause)
            })?;
        }
        Ok(())
    }

    /// Puts one thread into the group.
    ///
    /// # Errors
    /// As [`Group::add_process`].
    pub fn add_thread(&self, thread: i32) -> Result<()> {
        for folder in &self.folders {
            let name = match folder.unified {
                true => "cgroup.threads",
                false => "tasks",
            };
            file::write(&folder.path, name, &thread.to_string())?;
        }
        Ok(())
    }

    /// Removes groups directly below this one by name, where no process is in them.
    pub(crate) fn sweep(&self, is_left: impl Fn(&str) -> bool) {
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(&folder.path) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_name().to_str().is_some_and(&is_left) {
                    let path = entry.path();
                    match remove_tree(&path) {
                        Ok(()) => {
                            tracing::info!(group = %path.display(), "an old group is removed")
                        }
                        Err(error) => tracing::debug!(group = %path.display(), %error, "it stays"),
                    }
                }
            }
        }
    }

    /// Removes the group and all below it, waiting a moment for processes that are about to leave.
    /// What can't be removed is told in the log. Blocks.
    pub fn remove(&self) {
        for folder in &self.folders {
            let mut tries = 0;
            let error = loop {
                match remove_tree(&folder.path) {
                    Ok(()) => break None,
                    Err(error) if tries < TRIES && error.kind() == ErrorKind::ResourceBusy => {
                        tries += 1;
                        std::thread::sleep(RETRY);
                    }
                    Err(error) => break Some(error),
                }
            };
            if let Some(error) = error {
                tracing::warn!(group = %folder.path.display(), %error, "not removed");
            }
        }
    }
}

impl Folder {
    /// Makes one folder; a new one of cpuset gets what its parent has, without which nothing may be
    /// put into it.
    fn make(&self, path: &Path) -> Result<()> {
        match std::fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let version = if self.unified { "v2" } else { "v1" };
                let what = format!("Failed to create {version} cgroup '{}/'", path.display());
                return Err(Error::system(ErrorDomain::Cgroup, what, &error));
            }
        }
        if self.unified || !self.controllers.contains(&Controller::Cpuset) {
            return Ok(());
        }
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        for name in ["cpuset.cpus", "cpuset.mems", "cpuset.memory_migrate"] {
            let own = file::read(path, name)?;
            if own.is_empty() || own == "0" && name.ends_with("migrate") {
                file::write(path, name, &file::read(parent, name)?)?;
            }
        }
        Ok(())
    }

    /// Has every group from the root to the one above this pass our controllers on. One that does
    /// not is known by the group's own list of controllers afterwards.
    fn enable_above(&self) {
        let mut above: Vec<&Path> = self
            .path
            .ancestors()
            .skip(1)
            .take_while(|path| path.starts_with(&self.mount))
            .collect();
        above.reverse();
        for group in above {
            self.enable_in(group);
        }
    }

    fn enable_in(&self, group: &Path) {
        let enabled = file::read(group, "cgroup.subtree_control").unwrap_or_default();
        let enabled: Vec<&str> = enabled.split_ascii_whitespace().collect();
        let names = self.controllers.iter().filter_map(|one| one.unified_name());
        // One at a time: one that the host refuses does not take the others along.
        for name in names.filter(|name| !enabled.contains(name)) {
            if let Err(error) = file::write(group, "cgroup.subtree_control", &format!("+{name}")) {
                tracing::debug!(group = %group.display(), %error, "'{name}' is not passed on");
            }
        }
    }
}

fn below(mount: &Path, path: &str) -> PathBuf {
    let path = path.trim_matches('/');
    match path.is_empty() {
        true => mount.to_owned(),
        false => mount.join(path),
    }
}

/// Removes a group's folder and those below it. The kernel's files in them go with them.
fn remove_tree(path: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(root: &Path) -> Layout {
        let mounts = format!(
            "c {0}/unified cgroup2 rw 0 0\nc {0}/cpu,cpuacct cgroup rw,cpuacct,cpu 0 0\n\
             c {0}/memory cgroup rw,memory 0 0\nc {0}/cpuset cgroup rw,cpuset 0 0\n\
             c {0}/systemd cgroup rw,name=systemd 0 0\n",
            root.display()
        );
        Layout::detect(&mounts, |_| String::new()).unwrap()
    }

    #[test]
    fn a_group_has_one_folder_in_each_hierarchy() {
        let group = Group::at(&layout(Path::new("/r")), "/machine/g");
        let paths: Vec<_> = group
            .paths()
            .map(|p| p.to_str().unwrap().to_owned())
            .collect();
        let all = ["unified", "cpu,cpuacct", "cpuset", "memory"];
        assert_eq!(paths, all.map(|name| format!("/r/{name}/machine/g")));
        assert!(group.has(Controller::Devices) && !group.has(Controller::Blkio));
        // cpuacct is the unified one's; threads are not told apart by memory.
        let threads = group.threads("vcpu0");
        assert!(threads.has(Controller::Cpu) && !threads.has(Controller::Memory));
        assert_eq!(threads.paths().count(), 3);
        assert!(
            threads
                .paths()
                .all(|path| path.ends_with("machine/g/vcpu0"))
        );
    }

    #[test]
    fn what_is_another_group_is_left_alone() {
        let text = "1:cpu,cpuacct:/machine/q.libvirt-qemu/emulator\n2:memory:/other\n\
                    3:cpuset:/machine/q.libvirt-qemu2\n0::/\n";
        let layout = layout(Path::new("/r")).of_process(text);
        let group = Group::of_process(&layout, "/machine/q.libvirt-qemu");
        let paths: Vec<_> = group.paths().collect();
        assert_eq!(paths, [Path::new("/r/cpu,cpuacct/machine/q.libvirt-qemu")]);
    }

    #[test]
    fn making_inherits_cpus_and_removing_takes_all_below() {
        let root = tempfile::tempdir().unwrap();
        for name in ["unified", "cpu,cpuacct", "memory", "cpuset"] {
            std::fs::create_dir_all(root.path().join(name).join("machine")).unwrap();
        }
        let mut group = Group::at(&layout(root.path()), "/nowhere/g");
        let error = group.create(0).unwrap_err();
        let message = error.message();
        assert!(
            message.starts_with("Failed to create v2 cgroup '"),
            "{message}"
        );
        assert!(message.ends_with("/unified/nowhere/g/': No such file or directory"));
        let memory = layout(root.path()).only(|one| one == Controller::Memory);
        let mut group = Group::at(&memory, "/machine/g");
        group.folders.retain(|folder| !folder.unified);
        group.create(1).unwrap();
        std::fs::create_dir(root.path().join("memory/machine/g/emulator")).unwrap();
        group.remove();
        assert!(!root.path().join("memory/machine/g").exists());
        assert!(root.path().join("memory/machine").exists());
    }
}
