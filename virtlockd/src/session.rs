//! One connection: who it says its guest is, and whether it may still say anything.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::codec;
use virt_rpc::protocol::lock::Owner;
use virt_rpc::server::Identity;

use crate::notes::Process;

/// What is kept for a connection.
#[derive(Debug)]
pub struct Session {
    /// The process at the other end.
    peer: Option<Process>,
    socket: Weak<UnixStream>,
    said: Mutex<Said>,
}

/// What it said.
#[derive(Debug, Clone, Default, PartialEq)]
struct Said {
    owner: Option<Owner>,
    restricted: bool,
}

/// A session between two programs, version 1.
#[derive(Debug, Serialize, Deserialize)]
struct SessionV1 {
    peer: Option<Process>,
    /// Name, UUID, id and process.
    owner: Option<(String, [u8; 16], u32, u32)>,
    restricted: bool,
}

impl Session {
    /// A connection that has said nothing.
    pub fn new(identity: &Identity, socket: Weak<UnixStream>) -> Self {
        let pid = identity.pid.and_then(|pid| u32::try_from(pid).ok());
        Self {
            peer: pid
                .zip(identity.start_time)
                .map(|(pid, start_time)| Process { pid, start_time }),
            socket,
            said: Mutex::default(),
        }
    }

    /// The owner that later calls are for. May be said again.
    ///
    /// # Errors
    /// The connection is restricted, or the id is 0.
    pub fn register(&self, owner: &Owner) -> Result<()> {
        let mut said = self.open()?;
        if owner.id == 0 {
            return Err(unregistered());
        }
        said.owner = Some(owner.clone());
        Ok(())
    }

    /// Nothing more is allowed; who said that.
    ///
    /// # Errors
    /// As [`Self::owner`].
    pub fn restrict(&self) -> Result<Owner> {
        let mut said = self.open()?;
        let owner = said.owner.clone().ok_or_else(unregistered)?;
        said.restricted = true;
        Ok(owner)
    }

    /// Whom a call is for.
    ///
    /// # Errors
    /// The connection is restricted, or has not registered.
    pub fn owner(&self) -> Result<Owner> {
        self.open()?.owner.clone().ok_or_else(unregistered)
    }

    /// Whether a call that needs no owner is allowed.
    ///
    /// # Errors
    /// The connection is restricted.
    pub fn unrestricted(&self) -> Result<()> {
        self.open().map(drop)
    }

    /// The guest's own process, if that is at the other end: everything is given back when this
    /// connection ends.
    pub fn own_process(&self) -> Option<Process> {
        let pid = self.said().owner.as_ref()?.pid;
        self.peer.filter(|peer| peer.pid == pid)
    }

    /// Whether the guest's process will never read this connection again.
    pub fn is_restricted(&self) -> bool {
        self.said().restricted
    }

    /// The connection's socket, while it is open.
    pub fn socket(&self) -> Option<Arc<UnixStream>> {
        self.socket.upgrade()
    }

    /// For the next program.
    pub fn save(&self) -> Vec<u8> {
        let said = self.said();
        let owner = said.owner.as_ref();
        let saved = SessionV1 {
            peer: self.peer,
            owner: owner.map(|owner| (owner.name.clone(), owner.uuid, owner.id, owner.pid)),
            restricted: said.restricted,
        };
        // Names are bounded by the protocol far below what the codec takes.
        codec::to_bytes(&saved).unwrap_or_default()
    }

    /// From the program before.
    ///
    /// # Errors
    /// It isn't a session: a sentence.
    pub fn load(saved: &[u8], socket: Weak<UnixStream>) -> Result<Self, String> {
        let saved: SessionV1 =
            codec::from_bytes(saved).map_err(|e| format!("a client's session: {e}"))?;
        Ok(Self {
            peer: saved.peer,
            socket,
            said: Mutex::new(Said {
                owner: saved.owner.map(|(name, uuid, id, pid)| Owner {
                    uuid,
                    name,
                    id,
                    pid,
                }),
                restricted: saved.restricted,
            }),
        })
    }

    fn open(&self) -> Result<MutexGuard<'_, Said>> {
        let said = self.said();
        match said.restricted {
            false => Ok(said),
            true => Err(Error::new(
                ErrorCode::OperationDenied,
                ErrorDomain::Rpc,
                "lock manager connection has been restricted",
            )),
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // Assignments leave it whole at any time.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unregistered() -> Error {
    Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Rpc,
        "lock owner details have not been registered",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_as_it_was() {
        let identity = Identity {
            pid: Some(7),
            start_time: Some(9),
            ..Identity::default()
        };
        let session = Session::new(&identity, Weak::new());
        assert!(session.owner().is_err());
        let mut owner = Owner {
            uuid: [1; 16],
            name: "web".to_owned(),
            id: 0,
            pid: 7,
        };
        assert!(session.register(&owner).is_err());
        owner.id = 3;
        session.register(&owner).unwrap();
        session.restrict().unwrap();
        let session = Session::load(&session.save(), Weak::new()).unwrap();
        assert!(
            session
                .register(&owner)
                .unwrap_err()
                .is(ErrorCode::OperationDenied)
        );
        assert_eq!(session.own_process().map(|process| process.pid), Some(7));
    }
}
