//! What a daemon is told by its own file. `virtqemud.conf` and `virtlxcd.conf`: the keys and
//! defaults of WIRE.md section 13.

use std::path::PathBuf;

use crate::conf::{ConfError, Document};
use crate::paths::Paths;

/// How a socket's clients prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketAuth {
    /// Whoever may open the socket.
    None,
    /// Ask polkit.
    Polkit,
    /// The daemon's own user alone; others are closed without a word.
    OwnUser,
    /// Root and the daemon's own user; others are closed without a word.
    RootAndOwnUser,
}

/// The limits of one server: the main one or the admin one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Clients at once.
    pub max_clients: u32,
    /// Length of the listening queue.
    pub max_queued_clients: u32,
    /// Clients that have not authenticated yet; 0 is no limit.
    pub max_anonymous_clients: u32,
    /// Calls of one client that are under way.
    pub max_client_requests: u32,
    /// Shown by the admin interface; work is not bound to threads here.
    pub min_workers: u32,
    /// As `min_workers`.
    pub max_workers: u32,
    /// As `min_workers`.
    pub prio_workers: u32,
    /// Seconds of silence before a ping; `None` is never.
    pub keepalive_interval: Option<u32>,
    /// Unanswered pings before the connection is given up.
    pub keepalive_count: u32,
}

/// What a daemon is told by its own file: of a driver ([`Self::read`]) or of a service that
/// drivers use ([`Self::read_service`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonConf {
    /// The client-facing server.
    pub server: Pool,
    /// The admin server.
    pub admin: Pool,
    /// On the main socket.
    pub auth_rw: SocketAuth,
    /// On the read-only socket.
    pub auth_ro: SocketAuth,
    /// Permissions of the main socket.
    pub rw_perms: u32,
    /// Permissions of the read-only socket; none where there is no such socket.
    pub ro_perms: Option<u32>,
    /// Permissions of the admin socket.
    pub admin_perms: u32,
    /// The group of the sockets.
    pub socket_group: Option<String>,
    /// The folder of the sockets.
    pub socket_dir: PathBuf,
    /// Access drivers, of [`ACCESS_DRIVERS`]; all must allow. virtacld is asked about them.
    pub access_drivers: Vec<String>,
    /// Root may do everything while virtacld does not answer.
    pub access_root_in_emergency: bool,
    /// 1 debug, 2 info, 3 warning, 4 error.
    pub log_level: Option<u8>,
    /// `N:pattern` words.
    pub log_filters: Option<String>,
    /// `N:output` words.
    pub log_outputs: Option<String>,
    /// The host's UUID, where it is not to be read from the firmware.
    pub host_uuid: Option<String>,
    /// `smbios` or `machine-id`.
    pub host_uuid_source: Option<String>,
    /// 0 off, 1 where the kernel has audit, 2 required.
    pub audit_level: u8,
    /// Also write audit records to the log.
    pub audit_logging: bool,
    /// Seconds to wait for Open vSwitch.
    pub ovs_timeout: u32,
    /// A port of the loopback interface on which figures are told, beside the socket; a key of our own.
    pub metrics_port: Option<u16>,
}

/// Names in `access_drivers`.
pub const ACCESS_DRIVERS: &[&str] = &["none", "polkit", "cedar"];

const AUTH: &[(&str, SocketAuth)] = &[("none", SocketAuth::None), ("polkit", SocketAuth::Polkit)];

impl DaemonConf {
    /// Takes every key of the file; what is left is refused by name.
    ///
    /// # Errors
    /// A key that does not exist or whose value is wrong, with file and line.
    pub fn read(mut file: Document, paths: &Paths) -> Result<Self, ConfError> {
        let system = paths.is_system();
        let default_auth = if system {
            SocketAuth::Polkit
        } else {
            SocketAuth::None
        };
        let auth_rw = file.choice("auth_unix_rw", AUTH)?.unwrap_or(default_auth);
        let auth_ro = file.choice("auth_unix_ro", AUTH)?.unwrap_or(default_auth);
        let open = |auth| {
            if auth == SocketAuth::Polkit {
                0o777
            } else {
                0o700
            }
        };
        let conf = Self {
            server: Pool {
                max_clients: file.number("max_clients")?.unwrap_or(5000),
                max_queued_clients: file.number("max_queued_clients")?.unwrap_or(1000),
                max_anonymous_clients: file.number("max_anonymous_clients")?.unwrap_or(20),
                max_client_requests: file.number("max_client_requests")?.unwrap_or(5),
                min_workers: file.number("min_workers")?.unwrap_or(5),
                max_workers: file.number("max_workers")?.unwrap_or(20),
                prio_workers: file.number("prio_workers")?.unwrap_or(5),
                keepalive_interval: interval(&mut file, "keepalive_interval")?,
                keepalive_count: file.number("keepalive_count")?.unwrap_or(5),
            },
            admin: Pool {
                max_clients: file.number("admin_max_clients")?.unwrap_or(5000),
                max_queued_clients: file.number("admin_max_queued_clients")?.unwrap_or(20),
                max_anonymous_clients: 0,
                max_client_requests: file.number("admin_max_client_requests")?.unwrap_or(5),
                min_workers: file.number("admin_min_workers")?.unwrap_or(5),
                max_workers: file.number("admin_max_workers")?.unwrap_or(20),
                prio_workers: 0,
                keepalive_interval: interval(&mut file, "admin_keepalive_interval")?,
                keepalive_count: file.number("admin_keepalive_count")?.unwrap_or(5),
            },
            auth_rw,
            auth_ro,
            rw_perms: file.mode("unix_sock_rw_perms")?.unwrap_or(open(auth_rw)),
            ro_perms: Some(file.mode("unix_sock_ro_perms")?.unwrap_or(0o777)),
            admin_perms: file.mode("unix_sock_admin_perms")?.unwrap_or(0o700),
            socket_group: file.text("unix_sock_group")?,
            socket_dir: file
                .text("unix_sock_dir")?
                .map_or_else(|| paths.run.clone(), |dir| paths.below_root(dir.as_ref())),
            access_drivers: file.list("access_drivers")?.unwrap_or_default(),
            access_root_in_emergency: file.switch("access_root_in_emergency")?.unwrap_or(false),
            log_level: level(&mut file)?,
            log_filters: file.text("log_filters")?,
            log_outputs: file.text("log_outputs")?,
            host_uuid: file.text("host_uuid")?,
            host_uuid_source: file.text("host_uuid_source")?,
            audit_level: file.number("audit_level")?.unwrap_or(1),
            audit_logging: file.switch("audit_logging")?.unwrap_or(false),
            ovs_timeout: file.number("ovs_timeout")?.unwrap_or(5),
            metrics_port: file.number("metrics_port")?,
        };
        // SASL is for the access issue; a list of allowed names without it would promise a check
        // that nobody makes.
        if let Some((line, _)) = file.take("sasl_allowed_username_list") {
            return Err(file.error(
                line,
                "'sasl_allowed_username_list': SASL is not supported; remove the key",
            ));
        }
        if conf.server.max_clients < conf.server.max_anonymous_clients {
            return Err(file.error(0, "'max_clients' is below 'max_anonymous_clients'"));
        }
        if conf.server.max_workers < 1 || conf.admin.max_workers < 1 {
            return Err(file.error(0, "'max_workers' has to be 1 or more"));
        }
        let unknown = |driver: &&String| !ACCESS_DRIVERS.contains(&driver.as_str());
        if let Some(driver) = conf.access_drivers.iter().find(unknown) {
            return Err(file.error(
                0,
                format!("'access_drivers': \"{driver}\" is unknown; there are {ACCESS_DRIVERS:?}"),
            ));
        }
        file.finish()?;
        Ok(conf)
    }
}

/// -1 is "never ping".
fn interval(file: &mut Document, key: &str) -> Result<Option<u32>, ConfError> {
    let line = file.line(key);
    match file.number::<i64>(key)? {
        None => Ok(Some(5)),
        Some(-1) => Ok(None),
        Some(seconds) => u32::try_from(seconds)
            .map(Some)
            .map_err(|_| file.error(line, format!("'{key}' is {seconds}; it is -1 or more"))),
    }
}

pub(crate) fn level(file: &mut Document) -> Result<Option<u8>, ConfError> {
    let line = file.line("log_level");
    match file.number::<u8>("log_level")? {
        Some(level) if !(1..=4).contains(&level) => {
            Err(file.error(line, format!("'log_level' is {level}; it is from 1 to 4")))
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<DaemonConf, ConfError> {
        let document = Document::parse(Path::new("virtd.conf"), text)?;
        DaemonConf::read(document, &Paths::system(Some(Path::new("/t"))))
    }

    #[test]
    fn an_empty_file_gives_the_documented_defaults() {
        let conf = read("").unwrap();
        assert_eq!(
            (conf.server.max_clients, conf.server.max_client_requests),
            (5000, 5)
        );
        assert_eq!((conf.rw_perms, conf.admin_perms), (0o777, 0o700));
        assert_eq!(conf.socket_dir, Path::new("/t/run/libvirt"));
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        assert!(read("max_clients = 3\nmax_anonymous_clients = 5\n").is_err());
        assert!(read("keepalive_interval = -2\n").is_err());
        assert_eq!(
            read("keepalive_interval = -1\n")
                .unwrap()
                .server
                .keepalive_interval,
            None
        );
    }

    #[test]
    fn an_access_driver_that_is_none_is_refused_by_name() {
        let conf = read("access_drivers = [ \"polkit\", \"cedar\" ]\n").unwrap();
        assert_eq!(conf.access_drivers, ["polkit", "cedar"]);
        let text = read("access_drivers = [ \"policykit\" ]\n")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("policykit") && text.contains("cedar"),
            "{text}"
        );
    }
}
