//! A client between two programs of one process: a daemon that replaces itself hands its
//! connections to its successor, and the clients notice nothing.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::SystemTime;

use super::identity::Identity;
use super::listener::Role;

/// A client that nobody serves at the moment. Its socket is open, none of its calls is under way,
/// and its bytes in both directions are here or still in the socket.
///
/// What only connections of the remote program have (pings that the daemon sends, callbacks,
/// clients that have not authenticated) is not carried over: the daemons that replace themselves
/// don't speak it.
#[derive(Debug)]
pub struct Suspended<S> {
    /// The connection.
    pub socket: Arc<UnixStream>,
    /// The client's number.
    pub id: u64,
    /// The socket it came through.
    pub role: Role,
    /// When it connected.
    pub since: SystemTime,
    /// Whether it may only look.
    pub readonly: bool,
    /// Who it is.
    pub identity: Identity,
    /// What the daemon keeps for it; none before its first call.
    pub session: Option<Arc<S>>,
    /// Bytes it sent that were not dispatched: messages, and the beginning of one.
    pub input: Vec<u8>,
    /// Bytes of replies that its socket had no room for yet.
    pub output: Vec<u8>,
}
