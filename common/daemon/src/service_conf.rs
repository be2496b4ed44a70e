//! `virtlockd.conf` and `virtlogd.conf`: the few keys of the daemons that only drivers talk to
//! (the files' own comments, as packaged).

use std::path::Path;

use crate::conf::{ConfError, Document};
use crate::drivers_conf::{DaemonConf, SocketAuth, level};
use crate::paths::Paths;

impl DaemonConf {
    /// Takes every key that all services have and leaves their own ones to the caller, who calls
    /// [`Document::finish`]. What has no key is as in a driver's daemon with an empty file, but
    /// for the sockets: they are for the daemon's own user alone.
    ///
    /// # Errors
    /// A value that is wrong, with file and line.
    pub fn read_service(file: &mut Document, paths: &Paths) -> Result<Self, ConfError> {
        let mut conf = Self::read(Document::parse(Path::new(""), "")?, paths)?;
        conf.auth_rw = SocketAuth::OwnUser;
        conf.rw_perms = 0o700;
        conf.ro_perms = None;
        // They never ping (WIRE.md section 16).
        conf.server.keepalive_interval = None;
        conf.server.max_anonymous_clients = 0;
        conf.server.max_clients = file.number("max_clients")?.unwrap_or(1024);
        conf.admin.max_clients = file.number("admin_max_clients")?.unwrap_or(5);
        conf.log_level = level(file)?;
        conf.log_filters = file.text("log_filters")?;
        conf.log_outputs = file.text("log_outputs")?;
        conf.metrics_port = file.number("metrics_port")?;
        Ok(conf)
    }
}

impl DaemonConf {
    /// Lets root in, beside the daemon's own user, which is another one.
    pub fn let_root_in(&mut self) {
        self.auth_rw = SocketAuth::RootAndOwnUser;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_its_own_defaults_and_no_drivers_keys() {
        let paths = Paths::system(Some(Path::new("/t")));
        let mut file = Document::parse(Path::new("virtlockd.conf"), "max_clients = 7\n").unwrap();
        let conf = DaemonConf::read_service(&mut file, &paths).unwrap();
        file.finish().unwrap();
        assert_eq!((conf.server.max_clients, conf.admin.max_clients), (7, 5));
        assert_eq!((conf.rw_perms, conf.ro_perms), (0o700, None));
        let text = "unix_sock_rw_perms = \"0777\"\n";
        let mut file = Document::parse(Path::new("virtlockd.conf"), text).unwrap();
        DaemonConf::read_service(&mut file, &paths).unwrap();
        assert!(file.finish().is_err());
    }
}
