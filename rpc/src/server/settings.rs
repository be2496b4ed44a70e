//! What a server is told by its daemon's configuration (WIRE.md section 13).

use std::time::Duration;

/// How many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Clients. At the limit the server stops accepting; newcomers wait in the backlog.
    pub clients: usize,
    /// Clients that have not authenticated yet; 0 is no limit. As for `clients`.
    pub anonymous: usize,
    /// Calls of one client under way, upload packets not consumed yet included. At the limit
    /// only pings are answered.
    pub requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 5000,
            anonymous: 20,
            requests: 5,
        }
    }
}

/// When a silent client is given up (WIRE.md section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepaliveSettings {
    /// Silence before a ping; `None` never pings and never gives up.
    pub interval: Option<Duration>,
    /// Unanswered pings before the connection is closed.
    pub count: u32,
}

impl Default for KeepaliveSettings {
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(5)),
            count: 5,
        }
    }
}

/// How the clients of a socket prove who they are (WIRE.md section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Whoever may open the socket.
    None,
    /// Root and the daemon's own user at once; others would have to ask polkit, which there is no
    /// way to yet: they are refused when they try.
    Polkit,
    /// The daemon's own user alone; others are closed without a word.
    OwnUser,
    /// Root and the daemon's own user; others are closed without a word.
    RootAndOwnUser,
    /// As [`Self::RootAndOwnUser`], and the users of these numbers.
    Also(&'static [u32]),
}

/// Everything a server is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many at once.
    pub limits: Limits,
    /// When a silent client is given up.
    pub keepalive: KeepaliveSettings,
    /// For the main socket.
    pub main: Authentication,
    /// For the read-only socket.
    pub readonly: Authentication,
    /// For the admin socket.
    pub admin: Authentication,
    /// For the socket of records.
    pub records: Authentication,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            keepalive: KeepaliveSettings::default(),
            main: Authentication::Polkit,
            readonly: Authentication::Polkit,
            admin: Authentication::OwnUser,
            records: Authentication::RootAndOwnUser,
        }
    }
}
