//! Who is at the other end of a socket.

use std::io;
use std::os::fd::AsFd;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::protocol::typed_param::{TypedParam, TypedParamValue as Value};

/// What the kernel says about a client's process, or what a trusted daemon says about its own
/// client (WIRE.md section 14).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Process id, when it has one in our namespace.
    pub pid: Option<i32>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// When the process started, in clock ticks since the boot (field 22 of `/proc/PID/stat`):
    /// with the process id it names a process that cannot be replaced unseen.
    pub start_time: Option<u64>,
    /// Name of the user, when another daemon told it.
    pub user_name: Option<String>,
    /// Name of the group, when another daemon told it.
    pub group_name: Option<String>,
    /// SELinux context, when another daemon told it.
    pub selinux_context: Option<String>,
}

impl Identity {
    /// The peer of a connected UNIX socket.
    pub fn of_peer(socket: impl AsFd) -> io::Result<Self> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        let pid = credentials.pid.as_raw_nonzero().get();
        Ok(Self {
            pid: Some(pid),
            uid: credentials.uid.as_raw(),
            gid: credentials.gid.as_raw(),
            start_time: start_time(pid),
            ..Self::default()
        })
    }

    /// The calling process.
    pub fn of_this_process() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self {
            pid: Some(pid),
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            start_time: start_time(pid),
            ..Self::default()
        }
    }

    /// Whom another daemon acts for, as it says in CONNECT_SET_IDENTITY.
    pub(super) fn told(parameters: &[TypedParam]) -> Result<Self> {
        let mut identity = Self::default();
        let (mut uid, mut gid) = (None, None);
        for parameter in parameters {
            match (parameter.field.as_str(), &parameter.value) {
                ("user-name", Value::String(name)) => identity.user_name = Some(name.clone()),
                ("group-name", Value::String(name)) => identity.group_name = Some(name.clone()),
                ("selinux-context", Value::String(context)) => {
                    identity.selinux_context = Some(context.clone());
                }
                ("unix-user-id", Value::Ullong(id)) => uid = Some(narrow(&parameter.field, *id)?),
                ("unix-group-id", Value::Ullong(id)) => {
                    gid = Some(narrow(&parameter.field, *id)?);
                }
                ("process-id", Value::Llong(id)) => {
                    identity.pid = Some(narrow(&parameter.field, *id)?);
                }
                ("process-time", Value::Ullong(time)) => identity.start_time = Some(*time),
                // Of no use to us: other ways to log in, and a token for other daemons' secrets.
                (
                    "sasl-user-name" | "x509-distinguished-name" | "system.token",
                    Value::String(_),
                ) => {}
                (field, _) => {
                    return Err(Error::new(
                        ErrorCode::InvalidArg,
                        ErrorDomain::Identity,
                        format!("identity parameter '{field}' is unknown or has the wrong type"),
                    ));
                }
            }
        }
        // Without them everyone would be taken for root.
        let (Some(uid), Some(gid)) = (uid, gid) else {
            return Err(Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::Identity,
                "identity parameters 'unix-user-id' and 'unix-group-id' are needed",
            ));
        };
        Ok(Self {
            uid,
            gid,
            ..identity
        })
    }
}

fn narrow<Wide: Copy + std::fmt::Display, Narrow: TryFrom<Wide>>(
    field: &str,
    value: Wide,
) -> Result<Narrow> {
    Narrow::try_from(value).map_err(|_| {
        Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Identity,
            format!("identity parameter '{field}' has the impossible value {value}"),
        )
    })
}

/// When the process started, in clock ticks since the boot (proc_pid_stat(5), field 22); `None` when
/// it is gone.
pub fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_start_time(&stat)
}

/// The program's name, in parentheses, is the second field and may contain anything: count from
/// the last parenthesis.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_fields_does_not_move_the_start_time() {
        let fields: Vec<String> = (3..30).map(|field| field.to_string()).collect();
        let stat = format!("77 (a) S 1 2 (b c) {}\n", fields.join(" "));
        assert_eq!(parse_start_time(&stat), Some(22));
        assert_eq!(parse_start_time("77 (a) S 1"), None);
    }

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = Identity::of_peer(&one).unwrap();
        assert_eq!(peer.pid, i32::try_from(std::process::id()).ok());
        assert!(peer.start_time.is_some());
    }
}
