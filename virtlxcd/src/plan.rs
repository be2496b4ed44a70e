//! What virtlxcd and a container's controller say to each other while the container starts: one value
//! each, with its length in front, over the socket that the controller has as descriptor
//! [`DESCRIPTOR`].
//!
//! ```text
//! virtlxcd                      controller
//!          ── Plan ──────────►
//!          ◄────────── Answer::Ready   the container is made, its init waits
//!          ── Go ────────────►         the status file is written
//!          ◄────────── Answer::Started init runs
//! ```
//!
//! An end of the socket before `Started` ends the container: no half-started one outlives virtlxcd.

use std::io::{self, Read, Write};
use std::os::fd::RawFd;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use virt_label::Label;
use virt_rpc::codec;

/// The number of the controller's end of the socket.
pub const DESCRIPTOR: RawFd = 3;

/// The number of the first namespace that the controller gets; one follows the other.
pub const FIRST_SHARED: RawFd = DESCRIPTOR + 1;

/// No value is longer, in bytes.
const MAX: u32 = 8 << 20;

/// A container to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name, also that of its host.
    pub name: String,
    /// The path of its monitor socket.
    pub socket: String,
    /// Its first program, with its arguments; at least one.
    pub init: Vec<String>,
    /// The program's whole environment, `NAME=VALUE`.
    pub environment: Vec<String>,
    /// The folder it starts in.
    pub folder: String,
    /// The user and group it runs as.
    pub user: u32,
    /// See above.
    pub group: u32,
    /// What its root is.
    pub root: Source,
    /// Whether it can't write there.
    pub root_readonly: bool,
    /// What else is mounted, in this order.
    pub mounts: Vec<Mount>,
    /// Maps of its users and groups; none of both: those of the host.
    pub users: Vec<Range>,
    /// See above.
    pub groups: Vec<Range>,
    /// Whether it has network interfaces of its own, if only the loopback.
    pub own_network: bool,
    /// The folder of its control group in version 2, the topmost that it sees and whose inside it arranges;
    /// in version 1 it is where its controller is.
    pub cgroup: Option<String>,
    /// Namespaces of others that it is in, in the order of their descriptors.
    pub shared: Vec<Shared>,
    /// Devices of the host that it has beside those that all have.
    pub nodes: Vec<Node>,
    /// How many consoles it has; the first is the program's.
    pub consoles: u32,
    /// Numbers of the capabilities that it can't have.
    pub dropped: Vec<u8>,
    /// Numbers of those that its definition names as to be had.
    pub granted: Vec<u8>,
    /// What its first program is to the host's security module.
    pub label: Option<Label>,
}

/// Something mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What.
    pub what: Source,
    /// Where in the container, from its root.
    pub target: String,
    /// Whether it can't write there.
    pub readonly: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A folder of the host.
    Host(String),
    /// The file system on a block device of the host.
    Device(String),
    /// A folder of the container.
    Container(String),
    /// Memory of that many bytes.
    Memory(u64),
}

/// What of another's namespaces a container is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shared {
    /// Network interfaces.
    Network,
    /// Interprocess communication.
    Ipc,
    /// The host's name.
    Uts,
}

/// A device of the host that a container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Where, below the container's `/dev`: `sda`, `input/event0`.
    pub path: String,
    /// Whether it is a block device; else it is a character device.
    pub block: bool,
    /// Its number's major part.
    pub major: u32,
    /// Its number's minor part.
    pub minor: u32,
    /// Who may use it in the container, besides its root.
    pub mode: u32,
}

/// A range of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First in the container.
    pub inside: u32,
    /// First on the host.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

impl Node {
    /// A device at that path below `/dev`, which only its root uses.
    pub fn of(path: &str, rule: virt_cgroup::DeviceRule) -> Self {
        Self {
            path: path.to_owned(),
            block: rule.block,
            major: rule.major,
            minor: rule.minor.unwrap_or(0),
            mode: 0o600,
        }
    }

    /// What lets a container use it.
    pub fn rule(&self) -> virt_cgroup::DeviceRule {
        virt_cgroup::DeviceRule {
            block: self.block,
            major: self.major,
            minor: Some(self.minor),
        }
    }
}

impl Plan {
    /// The security context of file systems that are made for it.
    pub fn files_context(&self) -> Option<&str> {
        self.label.as_ref().and_then(Label::files)
    }

    /// The host's user and group that are the container's root.
    pub fn root_ids(&self) -> (u32, u32) {
        (root(&self.users), root(&self.groups))
    }
}

/// The host's id that is the container's root.
pub fn root(ranges: &[Range]) -> u32 {
    let first = ranges.iter().find(|range| range.inside == 0);
    first.map_or(0, |range| range.outside)
}

/// What the controller answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The container is made; its init waits.
    Ready {
        /// Init's number on the host.
        init: i32,
        /// The terminals of the host that lead to its consoles.
        terminals: Vec<String>,
    },
    /// Its init runs.
    Started,
    /// It could not be made; the reason.
    Failed(String),
}

/// The word that lets init run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Go;

/// The bytes of a value.
///
/// # Errors
/// It is too long.
pub fn to_bytes<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let value = codec::to_bytes(value).map_err(io::Error::other)?;
    let length = u32::try_from(value.len()).map_err(io::Error::other)?;
    Ok([&length.to_le_bytes(), value.as_slice()].concat())
}

/// Writes a value.
///
/// # Errors
/// The socket's.
pub fn write<T: Serialize>(mut to: impl Write, value: &T) -> io::Result<()> {
    to.write_all(&to_bytes(value)?)
}

/// The length that stands in front of a value.
///
/// # Errors
/// It is more than a value may have.
pub fn length(bytes: [u8; 4]) -> io::Result<usize> {
    match u32::from_le_bytes(bytes) {
        length if length <= MAX => Ok(length as usize),
        length => Err(io::Error::other(format!("a value of {length} bytes"))),
    }
}

/// The value of these bytes.
///
/// # Errors
/// They are none.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    codec::from_bytes(bytes).map_err(io::Error::other)
}

/// Reads a value.
///
/// # Errors
/// The socket's; what is no value.
pub fn read<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut word = [0; 4];
    from.read_exact(&mut word)?;
    let mut bytes = vec![0; length(word)?];
    from.read_exact(&mut bytes)?;
    from_bytes(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_arrives_as_it_was() {
        let answer = Answer::Ready {
            init: 7,
            terminals: vec!["/dev/pts/3".into()],
        };
        let bytes = to_bytes(&answer).unwrap();
        assert_eq!(read::<Answer>(&*bytes).unwrap(), answer);
        assert!(read::<Answer>(&bytes[..bytes.len() - 1]).is_err());
        assert!(read::<Answer>(&[0xff; 8][..]).is_err());
    }
}
