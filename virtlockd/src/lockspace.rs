//! One lock space: its resources, and who holds them. The rules are WIRE.md section 16; sentences
//! that clients see are the stock daemon's, continued by who stands in the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::holder::Holder;
use crate::lease_file::{self, Elsewhere, Kept, LeaseFile, Mode, Refusal};

/// A folder of resources, or none: then resources are named by their paths.
#[derive(Debug)]
pub struct Lockspace {
    folder: Option<PathBuf>,
    resources: BTreeMap<String, Resource>,
}

/// Something that is held.
#[derive(Debug)]
pub struct Resource {
    /// The lock.
    pub file: LeaseFile,
    /// How.
    pub mode: Mode,
    /// By whom; one who shares it twice is here twice.
    pub holders: Vec<Holder>,
}

/// What a release did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// Others still hold it.
    Shared,
    /// Nobody holds it any more.
    Free,
}

impl Lockspace {
    /// The resources in `folder`, which is there.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            resources: BTreeMap::new(),
        }
    }

    /// The space whose resources are named by their paths.
    pub fn of_paths() -> Self {
        Self {
            folder: None,
            resources: BTreeMap::new(),
        }
    }

    /// What is held, by name.
    pub fn held(&self) -> impl Iterator<Item = (&str, &Resource)> {
        self.resources
            .iter()
            .map(|(name, held)| (name.as_str(), held))
    }

    /// One that is held.
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.get(name)
    }

    /// The same, to change.
    pub fn resource_mut(&mut self, name: &str) -> Option<&mut Resource> {
        self.resources.get_mut(name)
    }

    /// Puts back what was held before.
    pub fn restore(&mut self, name: String, resource: Resource) {
        self.resources.insert(name, resource);
    }

    /// Makes the resource's file, for a later acquisition that does not.
    pub fn create(&self, name: &str) -> Result<()> {
        self.check_free(name)?;
        lease_file::create(&self.path(name)?).map_err(|refusal| error(name, &refusal))
    }

    /// Removes the resource's file.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.check_free(name)?;
        lease_file::remove(&self.path(name)?).map_err(|refusal| error(name, &refusal))
    }

    /// Whether nobody who is known here keeps the resource from being acquired.
    ///
    /// # Errors
    /// RESOURCE_BUSY with who does.
    pub fn check(&self, name: &str, mode: Mode) -> Result<()> {
        match self.resources.get(name) {
            Some(held) if (held.mode, mode) != (Mode::Shared, Mode::Shared) => {
                Err(locked(name, &held.holders))
            }
            _ => Ok(()),
        }
    }

    /// Takes the resource for `holder`, or says who is in the way. Never waits.
    pub fn acquire(&mut self, name: &str, holder: Holder, mode: Mode, kept: Kept) -> Result<()> {
        self.check(name, mode)?;
        if let Some(held) = self.resources.get_mut(name) {
            held.holders.push(holder);
            return Ok(());
        }
        let path = self.path(name)?;
        let file = LeaseFile::lock(&path, mode, kept).map_err(|refusal| error(name, &refusal))?;
        let holders = vec![holder];
        let resource = Resource {
            file,
            mode,
            holders,
        };
        self.resources.insert(name.to_owned(), resource);
        Ok(())
    }

    /// Gives the resource back for the process `pid`.
    pub fn release(&mut self, name: &str, pid: u32) -> Result<Released> {
        let Some(held) = self.resources.get_mut(name) else {
            let detail = format!("Lockspace resource '{name}' is not locked");
            return Err(busy(detail));
        };
        let Some(place) = held.holders.iter().position(|holder| holder.pid == pid) else {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Lockspace,
                format!("owner {pid} does not hold the resource lock"),
            ));
        };
        held.holders.remove(place);
        if !held.holders.is_empty() {
            return Ok(Released::Shared);
        }
        self.free(name);
        Ok(Released::Free)
    }

    /// The names of what the process `pid` holds, as often as it holds it.
    pub fn held_by(&self, pid: u32) -> Vec<String> {
        let times = |held: &Resource| {
            held.holders
                .iter()
                .filter(|holder| holder.pid == pid)
                .count()
        };
        self.resources
            .iter()
            .flat_map(|(name, held)| std::iter::repeat_n(name.clone(), times(held)))
            .collect()
    }

    /// Frees a resource whoever holds it; what that was.
    pub fn take_away(&mut self, name: &str) -> Option<(Mode, Kept, Vec<Holder>)> {
        let held = self.resources.get_mut(name)?;
        let holders = std::mem::take(&mut held.holders);
        let what = (held.mode, held.file.kept(), holders);
        self.free(name);
        Some(what)
    }

    fn free(&mut self, name: &str) {
        if let Some(held) = self.resources.remove(name) {
            held.file.unlock(held.mode);
        }
    }

    fn check_free(&self, name: &str) -> Result<()> {
        match self.resources.get(name) {
            Some(held) => Err(locked(name, &held.holders)),
            None => Ok(()),
        }
    }

    /// Where the resource's file is. In a folder a name is a name: nothing outside can be meant.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let refuse = |why: &str| {
            Err(Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::Lockspace,
                format!(
                    "'{}' can't be a resource's name: {why}",
                    name.escape_debug()
                ),
            ))
        };
        if name.contains('\0') {
            return refuse("it contains a NUL byte");
        }
        let Some(folder) = &self.folder else {
            if !Path::new(name).is_absolute() {
                return refuse("without a lock space it has to be an absolute path");
            }
            return Ok(PathBuf::from(name));
        };
        match name {
            "" | "." | ".." => refuse("it names a folder"),
            _ if name.contains('/') => refuse("in a lock space it must not contain '/'"),
            _ => Ok(folder.join(name)),
        }
    }
}

fn busy(detail: String) -> Error {
    Error::new(ErrorCode::ResourceBusy, ErrorDomain::Lockspace, detail)
}

fn locked(name: &str, holders: &[Holder]) -> Error {
    let who: Vec<_> = holders.iter().take(3).map(Holder::to_string).collect();
    let more = match holders.len().saturating_sub(3) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    busy(format!(
        "Lockspace resource '{name}' is locked by {}{more}",
        who.join(", ")
    ))
}

fn error(name: &str, refusal: &Refusal) -> Error {
    match refusal {
        Refusal::Busy(Elsewhere { pid: Some(pid) }) => busy(format!(
            "Lockspace resource '{name}' is locked by process {pid} of this host, which is no \
             client of this daemon"
        )),
        Refusal::Busy(Elsewhere { pid: None }) => busy(format!(
            "Lockspace resource '{name}' is locked by another host, or by a guest whose virtlockd \
             is not this one"
        )),
        Refusal::System(what, cause) => Error::system(ErrorDomain::Lockspace, what, cause),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use virt_rpc::protocol::lock::Owner;

    use super::*;

    fn guest(pid: u32) -> Holder {
        let owner = Owner {
            uuid: [0; 16],
            name: format!("guest-{pid}"),
            id: pid,
            pid,
        };
        Holder::new(&owner, SystemTime::now())
    }

    fn space() -> (tempfile::TempDir, Lockspace) {
        let folder = tempfile::tempdir().unwrap();
        let space = Lockspace::in_folder(folder.path().to_owned());
        (folder, space)
    }

    #[test]
    fn the_error_says_who_holds_it() {
        let (_folder, mut space) = space();
        let mut take = |pid| space.acquire("x", guest(pid), Mode::Exclusive, Kept::Lease);
        take(7).unwrap();
        let error = take(8).unwrap_err();
        assert!(error.is(ErrorCode::ResourceBusy));
        assert!(
            error.message().starts_with(
                "resource busy: Lockspace resource 'x' is locked by guest 'guest-7' (UUID "
            ),
            "{error}"
        );
        assert!(take(7).is_err(), "not even the holder takes it twice");
    }

    #[test]
    fn a_shared_one_is_free_when_all_have_given_it_back_as_often_as_they_took_it() {
        let (folder, mut space) = space();
        for pid in [1, 1, 2] {
            space
                .acquire("x", guest(pid), Mode::Shared, Kept::Lease)
                .unwrap();
        }
        assert_eq!(space.held_by(1), ["x", "x"]);
        assert_eq!(space.release("x", 1).unwrap(), Released::Shared);
        assert_eq!(space.release("x", 1).unwrap(), Released::Shared);
        let error = space.release("x", 1).unwrap_err();
        assert_eq!(
            error.message(),
            "internal error: owner 1 does not hold the resource lock"
        );
        assert_eq!(space.release("x", 2).unwrap(), Released::Free);
        assert!(
            space
                .release("x", 2)
                .unwrap_err()
                .is(ErrorCode::ResourceBusy)
        );
        assert!(!folder.path().join("x").exists());
    }

    #[test]
    fn names_lead_nowhere_else() {
        let (_folder, mut space) = space();
        for name in ["", ".", "..", "../x", "/x", "a/b", "a\0b"] {
            let error = space
                .acquire(name, guest(1), Mode::Exclusive, Kept::Lease)
                .unwrap_err();
            assert!(error.is(ErrorCode::InvalidArg), "{name:?}: {error}");
        }
        let mut paths = Lockspace::of_paths();
        let error = paths
            .acquire("relative", guest(1), Mode::Exclusive, Kept::File)
            .unwrap_err();
        assert!(error.is(ErrorCode::InvalidArg), "{error}");
    }
}
