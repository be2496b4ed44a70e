//! What one run of a guest has on the host and must not outlive it.

use std::path::{Path, PathBuf};

use virt_net::OfInterfaces;

use crate::ownership::Given;

/// Files and folders of one run of a guest, and what is to be done when it is over.
#[derive(Default)]
pub struct Belongings {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    steps: Vec<Box<dyn FnOnce() + Send>>,
    given: Given,
    interfaces: OfInterfaces,
}

impl Belongings {
    /// What the guest's interfaces have.
    pub fn of_interfaces(&self) -> &OfInterfaces {
        &self.interfaces
    }

    /// A file or socket that goes with the guest.
    pub fn file(&mut self, path: impl Into<PathBuf>) {
        self.files.push(path.into());
    }

    /// A folder that goes with the guest, and all in it.
    pub fn folder(&mut self, path: impl Into<PathBuf>) {
        self.folders.push(path.into());
    }

    /// Something to be done when the guest's run is over, such as giving back a port. It may block.
    pub fn at_end(&mut self, step: impl FnOnce() + Send + 'static) {
        self.steps.push(Box::new(step));
    }

    /// Files of the host that are QEMU's user's as long as the guest runs.
    pub fn given(&mut self, given: Given) {
        self.given = given;
    }

    /// More of them, of a disk that came while the guest runs.
    pub fn give_too(&mut self, given: Given) {
        self.given.add(given);
    }

    /// Files that the guest does not use any more: they are to be given back now, and not at its end.
    pub fn take_out(&mut self, given: Given) -> Given {
        self.given.take_out(given)
    }

    /// What a device has that came while the guest runs.
    pub fn adopt(&mut self, mut device: Self) {
        self.files.append(&mut device.files);
        self.folders.append(&mut device.folders);
        self.steps.append(&mut device.steps);
        self.given.add(device.given);
        self.interfaces.adopt(&device.interfaces);
    }

    /// Removes everything, the latest first; what is not there any more is fine. Blocks.
    pub fn remove(self) {
        for step in self.steps.into_iter().rev() {
            step();
        }
        for file in self.files.iter().rev() {
            report(file, std::fs::remove_file(file));
        }
        for folder in self.folders.iter().rev() {
            report(folder, std::fs::remove_dir_all(folder));
        }
        self.given.give_back();
    }
}

fn report(path: &Path, removed: std::io::Result<()>) {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "not removed");
        }
        _ => {}
    }
}

/// Belongings of a start under way: removed when it fails or panics.
#[derive(Default)]
pub struct Provisional(Option<Belongings>);

impl Provisional {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(Some(Belongings::default()))
    }

    /// The start succeeded: they stay.
    pub fn keep(mut self) -> Belongings {
        self.0.take().unwrap_or_default()
    }
}

impl std::ops::Deref for Provisional {
    type Target = Belongings;

    #[allow(
        clippy::expect_used,
        reason = "only `keep`, which takes self, empties it"
    )]
    fn deref(&self) -> &Belongings {
        self.0.as_ref().expect("not kept yet")
    }
}

impl std::ops::DerefMut for Provisional {
    #[allow(
        clippy::expect_used,
        reason = "only `keep`, which takes self, empties it"
    )]
    fn deref_mut(&mut self) -> &mut Belongings {
        self.0.as_mut().expect("not kept yet")
    }
}

impl Drop for Provisional {
    fn drop(&mut self) {
        if let Some(belongings) = self.0.take() {
            belongings.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_leaves_nothing_and_a_good_one_all() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("domain-1-a");
        let make = || {
            let mut belongings = Provisional::new();
            std::fs::create_dir(&folder).unwrap();
            belongings.folder(&folder);
            std::fs::write(folder.join("x"), "").unwrap();
            std::fs::write(dir.path().join("a.pid"), "").unwrap();
            belongings.file(dir.path().join("a.pid"));
            belongings.file(dir.path().join("never-made"));
            belongings
        };
        drop(make());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let kept = make().keep();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        kept.remove();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
