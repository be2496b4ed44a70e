//! What travels, version 1. A later version is another type beside this one, made of it; nothing
//! here changes any more.

use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use virt_rpc::codec;
use virt_rpc::server::{Identity, Role, SocketFile, Suspended};

use super::envelope::Envelope;

const VERSION: u32 = 1;

/// A daemon between two programs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StateV1 {
    /// The daemon's name.
    pub daemon: String,
    pub servers: Vec<ServerV1>,
    /// What the daemon keeps beside clients.
    pub own: Vec<u8>,
    /// All descriptors that come along.
    pub descriptors: Vec<RawFd>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServerV1 {
    pub name: String,
    pub next_id: u64,
    pub listeners: Vec<ListenerV1>,
    pub clients: Vec<ClientV1>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListenerV1 {
    pub fd: RawFd,
    role: u8,
    /// Path, device and inode.
    file: Option<(Vec<u8>, u64, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClientV1 {
    pub fd: RawFd,
    id: u64,
    role: u8,
    /// Nanoseconds since the epoch.
    since: u64,
    readonly: bool,
    pid: Option<i32>,
    uid: u32,
    gid: u32,
    start_time: Option<u64>,
    session: Option<Vec<u8>>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl StateV1 {
    pub(crate) fn new(daemon: &str, servers: Vec<ServerV1>, own: Vec<u8>) -> Self {
        Self {
            daemon: daemon.to_owned(),
            servers,
            own,
            descriptors: Vec::new(),
        }
    }

    /// For the program that takes over in this process.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let body = codec::to_bytes(self).map_err(|e| format!("the state can't be written: {e}"))?;
        let envelope = Envelope {
            version: VERSION,
            pid: std::process::id(),
            body: &body,
        };
        Ok(envelope.to_bytes())
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let envelope = Envelope::read(bytes)?;
        match envelope.version {
            VERSION => codec::from_bytes(envelope.body)
                .map_err(|e| format!("the state of version {VERSION} can't be read: {e}")),
            version => Err(format!(
                "the state is of version {version}, this program knows version {VERSION}"
            )),
        }
    }

    /// The process whose state it is.
    pub(crate) fn process(bytes: &[u8]) -> Result<u32, String> {
        Ok(Envelope::read(bytes)?.pid)
    }
}

impl ServerV1 {
    pub(crate) fn new(name: &str, next_id: u64) -> Self {
        Self {
            name: name.to_owned(),
            next_id,
            listeners: Vec::new(),
            clients: Vec::new(),
        }
    }
}

impl ListenerV1 {
    pub(crate) fn new(fd: RawFd, role: Role, file: Option<SocketFile>) -> Self {
        let file = file.map(|file| {
            let (device, inode) = file.inode;
            (file.path.as_os_str().as_bytes().to_vec(), device, inode)
        });
        Self {
            fd,
            role: role_number(role),
            file,
        }
    }

    pub(crate) fn parts(self) -> Result<(Role, Option<SocketFile>), String> {
        let file = self.file.map(|(path, device, inode)| SocketFile {
            path: PathBuf::from(std::ffi::OsString::from_vec(path)),
            inode: (device, inode),
        });
        Ok((role(self.role)?, file))
    }
}

impl ClientV1 {
    pub(crate) fn new<S>(client: &Suspended<S>, fd: RawFd, session: Option<Vec<u8>>) -> Self {
        let since = client.since.duration_since(SystemTime::UNIX_EPOCH);
        Self {
            fd,
            id: client.id,
            role: role_number(client.role),
            since: u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX),
            readonly: client.readonly,
            pid: client.identity.pid,
            uid: client.identity.uid,
            gid: client.identity.gid,
            start_time: client.identity.start_time,
            session,
            input: client.input.clone(),
            output: client.output.clone(),
        }
    }

    pub(crate) fn suspended<S>(
        self,
        socket: OwnedFd,
        session: impl Fn(&[u8], &Arc<UnixStream>) -> Result<S, String>,
    ) -> Result<Suspended<S>, String> {
        let socket = Arc::new(UnixStream::from(socket));
        Ok(Suspended {
            id: self.id,
            role: role(self.role)?,
            since: SystemTime::UNIX_EPOCH + Duration::from_nanos(self.since),
            readonly: self.readonly,
            identity: Identity {
                pid: self.pid,
                uid: self.uid,
                gid: self.gid,
                start_time: self.start_time,
                ..Identity::default()
            },
            session: match self.session {
                Some(bytes) => Some(Arc::new(session(&bytes, &socket)?)),
                None => None,
            },
            socket,
            input: self.input,
            output: self.output,
        })
    }
}

fn role_number(role: Role) -> u8 {
    match role {
        Role::Main => 0,
        Role::ReadOnly => 1,
        Role::Admin => 2,
        Role::Records => 3,
        Role::Metrics => 4,
    }
}

fn role(number: u8) -> Result<Role, String> {
    match number {
        0 => Ok(Role::Main),
        1 => Ok(Role::ReadOnly),
        2 => Ok(Role::Admin),
        3 => Ok(Role::Records),
        4 => Ok(Role::Metrics),
        number => Err(format!("a socket of unknown kind {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_version_is_named() {
        let envelope = Envelope {
            version: 2,
            pid: 1,
            body: b"",
        };
        let text = StateV1::read(&envelope.to_bytes()).unwrap_err();
        assert!(text.contains("version 2"), "{text}");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut server = ServerV1::new("virtd", 7);
        let file = SocketFile {
            path: "/run/x".into(),
            inode: (1, 2),
        };
        server
            .listeners
            .push(ListenerV1::new(5, Role::Admin, Some(file.clone())));
        let state = StateV1 {
            daemon: "virtd".to_owned(),
            servers: vec![server],
            own: vec![1, 2, 3],
            descriptors: vec![5],
        };
        let mut read = StateV1::read(&state.to_bytes().unwrap()).unwrap();
        assert_eq!((read.own, read.descriptors), (vec![1, 2, 3], vec![5]));
        let listener = read.servers[0].listeners.remove(0);
        assert_eq!(listener.parts().unwrap(), (Role::Admin, Some(file)));
    }
}
