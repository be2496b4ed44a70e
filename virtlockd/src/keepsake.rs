//! What a guest's own process keeps for us: its locks.
//!
//! A guest's process has a connection to this daemon that it never reads after it said RESTRICT
//! (WIRE.md section 16). Into it goes one message with a pair of connected sockets; into that pair
//! go, as messages, what the guest takes and gives back, each lock with its descriptor. All of it
//! waits in the kernel, in the guest's hands, and ends with the guest. This daemon has the pair as
//! well. When it dies, the locks stay where they are, and the next one finds the pair in the
//! guest's process ([`crate::recovery`]) and reads what happened.
//!
//! The messages are a log: nothing is taken out but when the log is written anew behind itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair, sockopt,
};
use serde::{Deserialize, Serialize};
use virt_rpc::codec;
use virt_rpc::framing::{self, Header, MessageKind, Status};
use virt_rpc::protocol::Program;

use crate::descriptors::{receive, send};
use crate::holder::Holder;
use crate::lockspaces::Name;

/// Nobody waits for a guest that doesn't read.
const AT_ONCE: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// Version of an entry's form: the one who reads it may be another program than the one who wrote it.
const VERSION: u32 = 1;
/// Longest entry that is read, in bytes: two strings of the protocol's longest, and their holder.
const ENTRY_MAX: usize = 256 * 1024;
/// Entries after which the log is written anew, if most of it is past.
const REWRITE_AT: usize = 64;
/// Bytes that should fit into the log.
const ROOM: usize = 1024 * 1024;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// Taken; the lock's descriptor is with it.
    Taken(Taken),
    /// Given back.
    Given {
        /// The lock space's folder.
        space: String,
        /// The resource.
        resource: String,
    },
}

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The lock space's folder.
    pub space: String,
    /// The resource.
    pub resource: String,
    /// Whether several may have it.
    pub shared: bool,
    /// Whether its file goes with it.
    pub transient: bool,
    /// Who took it.
    pub holder: Holder,
}

impl Taken {
    /// Which resource it is.
    pub fn name(&self) -> Name {
        Name {
            space: self.space.clone(),
            resource: self.resource.clone(),
        }
    }
}

/// The pair of sockets that a guest's process keeps.
#[derive(Debug)]
pub struct Keepsake {
    write: OwnedFd,
    read: OwnedFd,
    entries: usize,
}

impl Keepsake {
    /// Gives a pair to the guest whose connection this is.
    ///
    /// # Errors
    /// The system's; the guest has nothing then.
    pub fn give(connection: impl AsFd) -> io::Result<Self> {
        let (write, read) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        // As much as may be had; what it comes to shows when it is full.
        let _ = sockopt::set_socket_send_buffer_size(&write, ROOM);
        send(
            connection,
            &notice(),
            &[write.as_fd(), read.as_fd()],
            AT_ONCE,
        )?;
        Ok(Self {
            write,
            read,
            entries: 0,
        })
    }

    /// The pair that was given before.
    pub fn of_ends(write: OwnedFd, read: OwnedFd, entries: usize) -> Self {
        Self {
            write,
            read,
            entries,
        }
    }

    /// Both ends, the writing one first.
    pub fn ends(&self) -> [&OwnedFd; 2] {
        [&self.write, &self.read]
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Writes that a lock was taken, before the one who asked for it is told.
    ///
    /// # Errors
    /// There is no room, or the system refuses: the lock would not outlive this daemon.
    pub fn taken(&mut self, taken: Taken, lock: BorrowedFd<'_>) -> io::Result<()> {
        self.append(&Entry::Taken(taken), &[lock])
    }

    /// Writes that a lock is about to be given back.
    ///
    /// # Errors
    /// As [`Self::taken`]: a later reader would think it is still held.
    pub fn given(&mut self, name: &Name) -> io::Result<()> {
        let entry = Entry::Given {
            space: name.space.clone(),
            resource: name.resource.clone(),
        };
        self.append(&entry, &[])
    }

    /// Whether the log is worth writing anew when the guest has so many locks.
    pub fn is_long(&self, held: usize) -> bool {
        self.entries >= REWRITE_AT.max(2 * held)
    }

    /// Writes what is held now behind the log, then drops what was before. At any moment all that
    /// is held is in it, maybe twice.
    ///
    /// # Errors
    /// As [`Self::taken`]; what was there is still there then.
    pub fn rewrite<'a>(
        &mut self,
        held: impl Iterator<Item = (Taken, BorrowedFd<'a>)>,
    ) -> io::Result<()> {
        let before = self.entries;
        for (taken, lock) in held {
            self.taken(taken, lock)?;
        }
        let mut buffer = vec![0; ENTRY_MAX];
        for _ in 0..before {
            receive(&self.read, &mut buffer, RecvFlags::DONTWAIT)?;
            self.entries -= 1;
        }
        Ok(())
    }

    /// Reads the whole log and leaves it as it is.
    ///
    /// # Errors
    /// The system's, or an entry that can't be read.
    pub fn read(&mut self) -> io::Result<Vec<(Entry, Option<OwnedFd>)>> {
        let mut entries = Vec::new();
        let mut buffer = vec![0; ENTRY_MAX];
        peek_from(&self.read, 0)?;
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        loop {
            let (size, descriptors) = match receive(&self.read, &mut buffer, flags) {
                Ok(received) => received,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            };
            if size == 0 {
                break;
            }
            let bytes = buffer.get(..size).unwrap_or_default();
            let entry = read_entry(bytes)?;
            entries.push((entry, descriptors.into_iter().next()));
        }
        peek_from(&self.read, -1)?;
        self.entries = entries.len();
        Ok(entries)
    }

    fn append(&mut self, entry: &Entry, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = codec::to_bytes(&(VERSION, entry)).map_err(io::Error::other)?;
        send(&self.write, &bytes, descriptors, AT_ONCE)?;
        self.entries += 1;
        Ok(())
    }
}

fn read_entry(bytes: &[u8]) -> io::Result<Entry> {
    let version: u32 = codec::from_bytes(bytes).map_err(io::Error::other)?;
    if version != VERSION {
        let what = format!("an entry of version {version}, this program knows version {VERSION}");
        return Err(io::Error::other(what));
    }
    let (_, entry): (u32, Entry) = codec::from_bytes(bytes).map_err(io::Error::other)?;
    Ok(entry)
}

/// What a log says.
#[derive(Debug, Default)]
pub struct Replayed {
    /// What is still held.
    pub held: Vec<(Taken, OwnedFd)>,
    /// What was given back, or was about to be.
    pub past: Vec<(Name, OwnedFd)>,
}

/// Reads a log from its beginning.
pub fn replay(entries: Vec<(Entry, Option<OwnedFd>)>) -> Replayed {
    let mut log = Replayed::default();
    for (entry, descriptor) in entries {
        match (entry, descriptor) {
            (Entry::Taken(taken), Some(lock)) => {
                // A log that was written anew and not cut yet says everything twice.
                match log.held.iter_mut().find(|(known, _)| *known == taken) {
                    Some((_, known)) => *known = lock,
                    None => log.held.push((taken, lock)),
                }
            }
            (Entry::Taken(_), None) => {}
            (Entry::Given { space, resource }, _) => {
                let given = |taken: &Taken| taken.space == space && taken.resource == resource;
                if let Some(place) = log.held.iter().position(|(taken, _)| given(taken)) {
                    let (taken, lock) = log.held.remove(place);
                    log.past.push((taken.name(), lock));
                }
            }
        }
    }
    log
}

/// The pair that waits in a guest's connection, if this is one.
pub fn find_in(connection: impl AsFd) -> Option<(OwnedFd, OwnedFd)> {
    let expected = notice();
    let mut buffer = vec![0; expected.len()];
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    let (size, descriptors) = receive(connection, &mut buffer, flags).ok()?;
    if size != expected.len() || buffer != expected {
        return None;
    }
    let mut descriptors = descriptors.into_iter();
    Some((descriptors.next()?, descriptors.next()?))
}

/// A message of the lock program that means nothing to a client that should read it after all: an
/// event of a number that no event has.
fn notice() -> Vec<u8> {
    let header = Header {
        prog: Program::Lock.number(),
        vers: Program::VERSION,
        proc: 0,
        kind: MessageKind::Message,
        serial: 0,
        status: Status::Ok,
    };
    let mut bytes = Vec::new();
    // A header alone is never too long.
    let _ = framing::append_with(&mut bytes, &header, 0, |_| Ok(()));
    bytes
}

#[allow(
    unsafe_code,
    reason = "no library knows this option (socket(7), SO_PEEK_OFF)"
)]
fn peek_from(socket: &OwnedFd, offset: i32) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let length = u32::try_from(size_of_val(&offset)).unwrap_or(4);
    // SAFETY: the kernel reads one int from the address of one, of the length given.
    let set = unsafe {
        nix::libc::setsockopt(
            socket.as_raw_fd(),
            nix::libc::SOL_SOCKET,
            nix::libc::SO_PEEK_OFF,
            (&raw const offset).cast(),
            length,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::SystemTime;

    use virt_rpc::protocol::lock::Owner;

    use super::*;
    use crate::lease_file::{Kept, LeaseFile, Mode};

    fn taken(resource: &str) -> Taken {
        let owner = Owner {
            uuid: [1; 16],
            name: "web".to_owned(),
            id: 1,
            pid: 5,
        };
        Taken {
            space: "/space".to_owned(),
            resource: resource.to_owned(),
            shared: false,
            transient: true,
            holder: Holder::new(&owner, SystemTime::now()),
        }
    }

    #[test]
    fn the_locks_live_in_the_guests_connection_and_end_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let lock = || LeaseFile::lock(&path, Mode::Exclusive, Kept::Lease);
        let (ours, guests) = UnixStream::pair().unwrap();
        let mut keepsake = Keepsake::give(&ours).unwrap();
        let lease = lock().unwrap();
        keepsake.taken(taken("x"), lease.descriptor()).unwrap();
        // This daemon is no more.
        drop((ours, keepsake, lease));
        assert!(lock().is_err());
        // The next one finds all of it, and the guest keeps it.
        let (write, read) = find_in(&guests).unwrap();
        let mut keepsake = Keepsake::of_ends(write, read, 0);
        let log = replay(keepsake.read().unwrap());
        assert_eq!((log.held.len(), log.past.len()), (1, 0));
        assert_eq!(log.held[0].0.name().resource, "x");
        drop((log, keepsake));
        assert!(lock().is_err());
        drop(guests);
        assert!(lock().is_ok());
    }

    #[test]
    fn what_was_given_back_is_past_and_the_log_stays_short() {
        let (ours, guests) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let mut keepsake = Keepsake::give(&ours).unwrap();
        let stays = taken("stays");
        keepsake.taken(stays.clone(), null.as_fd()).unwrap();
        for _ in 0..1000 {
            let goes = taken("goes");
            keepsake.taken(goes.clone(), null.as_fd()).unwrap();
            keepsake.given(&goes.name()).unwrap();
            if keepsake.is_long(1) {
                let held = [(stays.clone(), null.as_fd())];
                keepsake.rewrite(held.into_iter()).unwrap();
            }
        }
        assert!(keepsake.entries() < 2 * REWRITE_AT);
        let (write, read) = find_in(&guests).unwrap();
        let entries = Keepsake::of_ends(write, read, 0).read().unwrap();
        assert_eq!(entries.len(), keepsake.entries());
        let held = replay(entries).held;
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].0, stays);
    }

    #[test]
    fn an_entry_of_a_later_version_is_named() {
        let entry = Entry::Given {
            space: String::new(),
            resource: "x".to_owned(),
        };
        let bytes = |version: u32| codec::to_bytes(&(version, &entry)).unwrap();
        assert_eq!(read_entry(&bytes(VERSION)).unwrap(), entry);
        let later = read_entry(&bytes(VERSION + 1)).unwrap_err();
        assert!(later.to_string().contains("version 2"), "{later}");
    }

    #[test]
    fn other_connections_have_nothing_for_us() {
        use std::io::Write;
        let (mut ours, guests) = UnixStream::pair().unwrap();
        assert!(find_in(&guests).is_none());
        ours.write_all(&[0; 100]).unwrap();
        assert!(find_in(&guests).is_none());
    }
}
