//! A client of the lock program: what a driver says for its guests.

use std::path::{Path, PathBuf};

use virt_error::ErrorCode;
use virt_rpc::protocol::lock::*;

use crate::wire::{Failure, Wire};

/// A connection of the lock program.
pub struct Client(pub Wire);

/// The code of an error, as [`ErrorCode::number`].
pub type Answer = Result<(), i32>;

impl Client {
    /// A connection for a guest whose process that is.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn connect(socket: &Path, name: &str, pid: u32) -> Self {
        let mut client = Client(Wire::connect(socket).expect("connect"));
        client.register(name, pid).expect("register");
        client
    }

    /// Says whose guest's it is.
    pub fn register(&mut self, name: &str, pid: u32) -> Answer {
        let owner = Owner {
            uuid: [7; 16],
            name: name.to_owned(),
            id: 1,
            pid,
        };
        answer(self.0.call::<Register>(&RegisterArgs { owner, flags: 0 }))
    }

    /// Says that it will say no more.
    pub fn restrict(&mut self) -> Answer {
        answer(self.0.call::<Restrict>(&RestrictArgs { flags: 0 }))
    }

    /// Asks for a lock space.
    pub fn space(&mut self, folder: &Path) -> Answer {
        let path = folder.to_string_lossy().into_owned();
        answer(
            self.0
                .call::<CreateLockspace>(&CreateLockspaceArgs { path }),
        )
    }

    /// Takes a resource.
    pub fn acquire(&mut self, resource: &Resource) -> Answer {
        answer(self.0.call::<AcquireResource>(&resource.acquire()))
    }

    /// Gives it back.
    pub fn release(&mut self, resource: &Resource) -> Answer {
        answer(self.0.call::<ReleaseResource>(&resource.release()))
    }
}

/// A resource by its names.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The lock space's folder; empty: the resource is an image.
    pub space: String,
    /// The name in it, or the image's path.
    pub name: String,
}

impl Resource {
    /// An image itself.
    pub fn image(path: &Path) -> Self {
        Self {
            space: String::new(),
            name: path.to_string_lossy().into_owned(),
        }
    }

    /// A name in a folder, made for the lease.
    pub fn lease(folder: &Path, name: &str) -> Self {
        Self {
            space: folder.to_string_lossy().into_owned(),
            name: name.to_owned(),
        }
    }

    /// The file that is locked.
    pub fn path(&self) -> PathBuf {
        Path::new(&self.space).join(&self.name)
    }

    /// To be taken alone.
    pub fn acquire(&self) -> AcquireResourceArgs {
        AcquireResourceArgs {
            path: self.space.clone(),
            name: self.name.clone(),
            flags: if self.space.is_empty() { 0 } else { 2 },
        }
    }

    /// To be given back.
    pub fn release(&self) -> ReleaseResourceArgs {
        ReleaseResourceArgs {
            path: self.space.clone(),
            name: self.name.clone(),
            flags: 0,
        }
    }
}

/// A call's answer.
///
/// # Panics
/// When there is none.
pub fn answer(result: Result<(), Failure>) -> Answer {
    match result {
        Ok(()) => Ok(()),
        Err(Failure::Refused(error)) => Err(error.code),
        Err(other) => panic!("no answer: {other:?}"),
    }
}

/// Whether that is what someone is told when another has the resource.
pub fn is_busy(answer: Answer) -> bool {
    answer == Err(ErrorCode::ResourceBusy.number())
}
