//! All lock spaces: the one of paths, which is always there, and those of folders.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::holder::Holder;
use crate::lease_file::{Kept, LeaseFile, Mode};
use crate::lockspace::{Lockspace, Resource};

/// Every lock space by the folder its clients name it by; "" is the one of paths.
#[derive(Debug)]
pub struct Lockspaces {
    paths: Lockspace,
    folders: BTreeMap<String, Lockspace>,
}

/// A resource among all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Its lock space.
    pub space: String,
    /// Its name there.
    pub resource: String,
}

impl Default for Lockspaces {
    fn default() -> Self {
        Self {
            paths: Lockspace::of_paths(),
            folders: BTreeMap::new(),
        }
    }
}

impl Lockspaces {
    /// Whether a new space may be made in a folder.
    ///
    /// # Errors
    /// There is one, or the folder's name is none.
    pub fn check_new(&self, folder: &str) -> Result<()> {
        if folder.is_empty() {
            return Err(Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Rpc,
                "the default lockspace already exists",
            ));
        }
        if self.knows(folder) {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                format!("Lockspace for path {folder} already exists"),
            ));
        }
        check_folder(folder)
    }

    /// Whether there is a space in that folder; "" is the one of paths.
    pub fn knows(&self, folder: &str) -> bool {
        folder.is_empty() || self.folders.contains_key(folder)
    }

    /// A space that was there before this program ran.
    pub fn know(&mut self, folder: String) {
        let space = Lockspace::in_folder(PathBuf::from(&folder));
        self.folders.entry(folder).or_insert(space);
    }

    /// The folders of all spaces.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.keys().map(String::as_str)
    }

    /// The space of that folder.
    pub fn space(&mut self, folder: &str) -> Result<&mut Lockspace> {
        if folder.is_empty() {
            return Ok(&mut self.paths);
        }
        self.folders.get_mut(folder).ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                format!("Lockspace for path {folder} does not exist"),
            )
        })
    }

    /// A resource that is held.
    pub fn resource(&self, name: &Name) -> Option<&Resource> {
        let space = match name.space.as_str() {
            "" => &self.paths,
            folder => self.folders.get(folder)?,
        };
        space.resource(&name.resource)
    }

    /// Everything that is held, in the order of the names.
    pub fn held(&self) -> impl Iterator<Item = (&str, &str, &Resource)> {
        let of_paths = self.paths.held().map(|(name, held)| ("", name, held));
        let in_folders = self.folders.iter().flat_map(|(folder, space)| {
            space
                .held()
                .map(|(name, held)| (folder.as_str(), name, held))
        });
        of_paths.chain(in_folders)
    }

    /// Whether anything is held.
    pub fn is_idle(&self) -> bool {
        self.held().next().is_none()
    }

    /// What the process `pid` holds, as often as it holds it.
    pub fn held_by(&self, pid: u32) -> Vec<Name> {
        let in_space = |folder: &str, space: &Lockspace| -> Vec<Name> {
            let names = space.held_by(pid).into_iter();
            names
                .map(|resource| Name {
                    space: folder.to_owned(),
                    resource,
                })
                .collect()
        };
        let mut held = in_space("", &self.paths);
        for (folder, space) in &self.folders {
            held.extend(in_space(folder, space));
        }
        held
    }

    /// Adds a holder to what was held before this program ran. The first of a resource brings the
    /// lock.
    pub fn restore(
        &mut self,
        name: Name,
        holder: Holder,
        mode: Mode,
        kept: Kept,
        lock: OwnedFd,
    ) -> Result<()> {
        if !name.space.is_empty() {
            self.know(name.space.clone());
        }
        let path = match name.space.as_str() {
            "" => PathBuf::from(&name.resource),
            folder => Path::new(folder).join(&name.resource),
        };
        let space = self.space(&name.space)?;
        if let Some(held) = space.resource_mut(&name.resource) {
            held.holders.push(holder);
            return Ok(());
        }
        let resource = Resource {
            file: LeaseFile::locked(lock, path, kept),
            mode,
            holders: vec![holder],
        };
        space.restore(name.resource, resource);
        Ok(())
    }
}

fn check_folder(folder: &str) -> Result<()> {
    let refuse = |why: &str| {
        let detail = format!("'{}' can't be a lock space: {why}", folder.escape_debug());
        Err(Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Lockspace,
            detail,
        ))
    };
    let path = Path::new(folder);
    if folder.contains('\0') {
        return refuse("it contains a NUL byte");
    }
    if !path.is_absolute() {
        return refuse("it has to be an absolute path");
    }
    if path.components().any(|part| part.as_os_str() == "..") {
        return refuse("it must not contain '..'");
    }
    Ok(())
}
