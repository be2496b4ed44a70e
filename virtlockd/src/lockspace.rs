//! One lock space: its resources, and who holds them. The rules are WIRE.md section 16; sentences
//! that clients see are the stock daemon's, continued by who stands in the way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::holder::Holder;
use crate::lease_file::{Elsewhere, LeaseFile, Mode, Refusal};

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
    /// Nobody else holds it.
    Last,
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

    /// One more who shares it, or nothing when nobody has it.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn share(&mut self, name: &str, holder: &Holder, mode: Mode) -> Result<Option<&Resource>> {
        self.check(name, mode)?;
        Ok(self.resources.get_mut(name).map(|held| {
            held.holders.push(holder.clone());
            &*held
        }))
    }

    /// The first who has it.
    pub fn insert(&mut self, name: &str, file: LeaseFile, mode: Mode, holder: Holder) -> &Resource {
        let resource = Resource {
            file,
            mode,
            holders: vec![holder],
        };
        // Who else would have it would have been found by `check`.
        match self.resources.entry(name.to_owned()) {
            Entry::Vacant(entry) => entry.insert(resource),
            Entry::Occupied(mut entry) => {
                entry.insert(resource);
                entry.into_mut()
            }
        }
    }

    /// Whether the process `pid` may give the resource back.
    ///
    /// # Errors
    /// Nobody has it, or others do.
    pub fn check_release(&self, name: &str, pid: u32) -> Result<&Resource> {
        let Some(held) = self.resources.get(name) else {
            let detail = format!("Lockspace resource '{name}' is not locked");
            return Err(busy(detail));
        };
        match held.holders.iter().any(|holder| holder.pid == pid) {
            true => Ok(held),
            false => Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Lockspace,
                format!("owner {pid} does not hold the resource lock"),
            )),
        }
    }

    /// Gives back one share of the process `pid`. The last one stays, for its file is to be unlocked
    /// first: then that is left to do.
    ///
    /// # Errors
    /// As [`Self::check_release`].
    pub fn give_share(&mut self, name: &str, pid: u32) -> Result<Released> {
        self.check_release(name, pid)?;
        if let Some(held) = self.resources.get_mut(name)
            && held.holders.len() > 1
            && let Some(place) = held.holders.iter().position(|holder| holder.pid == pid)
        {
            held.holders.remove(place);
            return Ok(Released::Shared);
        }
        Ok(Released::Last)
    }

    /// It is unlocked, and nobody's.
    pub fn forget(&mut self, name: &str) -> Option<Resource> {
        self.resources.remove(name)
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

    /// Whether nobody has it.
    ///
    /// # Errors
    /// RESOURCE_BUSY with who does.
    pub fn check_free(&self, name: &str) -> Result<()> {
        match self.resources.get(name) {
            Some(held) => Err(locked(name, &held.holders)),
            None => Ok(()),
        }
    }

    /// Where the resource's file is. In a folder a name is a name: nothing outside can be meant.
    ///
    /// # Errors
    /// The name is none.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
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

/// What a client is told when its turn does not come.
pub fn silent(name: &str, what: &str) -> Error {
    Error::new(
        ErrorCode::OperationTimeout,
        ErrorDomain::Lockspace,
        format!("lockspace resource '{name}': {what} does not answer"),
    )
}

/// What a client is told when a file could not be had.
pub fn error(name: &str, refusal: &Refusal) -> Error {
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
        Refusal::Silent(path) => silent(name, &format!("the file system of '{}'", path.display())),
        Refusal::Lost(path) => Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Lockspace,
            format!(
                "the process that was to lock '{}' ended instead",
                path.display()
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use virt_rpc::protocol::lock::Owner;

    use super::*;
    use crate::lease_file::Kept;

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

    fn take(space: &mut Lockspace, name: &str, pid: u32, mode: Mode) -> Result<()> {
        if space.share(name, &guest(pid), mode)?.is_some() {
            return Ok(());
        }
        let path = space.path(name)?;
        let file =
            LeaseFile::lock(&path, mode, Kept::Lease).map_err(|refusal| error(name, &refusal))?;
        space.insert(name, file, mode, guest(pid));
        Ok(())
    }

    #[test]
    fn the_error_says_who_holds_it() {
        let (_folder, mut space) = space();
        let mut take = |pid| self::take(&mut space, "x", pid, Mode::Exclusive);
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
        let (_folder, mut space) = space();
        for pid in [1, 1, 2] {
            take(&mut space, "x", pid, Mode::Shared).unwrap();
        }
        assert_eq!(space.held_by(1), ["x", "x"]);
        assert_eq!(space.give_share("x", 1).unwrap(), Released::Shared);
        assert_eq!(space.give_share("x", 1).unwrap(), Released::Shared);
        let error = space.give_share("x", 1).unwrap_err();
        assert_eq!(
            error.message(),
            "internal error: owner 1 does not hold the resource lock"
        );
        assert_eq!(space.give_share("x", 2).unwrap(), Released::Last);
        assert!(space.forget("x").is_some());
        let error = space.give_share("x", 2).unwrap_err();
        assert!(error.is(ErrorCode::ResourceBusy));
    }

    #[test]
    fn names_lead_nowhere_else() {
        let (_folder, mut space) = space();
        for name in ["", ".", "..", "../x", "/x", "a/b", "a\0b"] {
            let error = take(&mut space, name, 1, Mode::Exclusive).unwrap_err();
            assert!(error.is(ErrorCode::InvalidArg), "{name:?}: {error}");
        }
        let mut paths = Lockspace::of_paths();
        let error = take(&mut paths, "relative", 1, Mode::Exclusive).unwrap_err();
        assert!(error.is(ErrorCode::InvalidArg), "{error}");
    }
}
