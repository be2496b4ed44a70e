//! `virtacld.conf`: which back ends are asked, where policies are, how long anyone is waited for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use virt_daemon::conf::{ConfError, Document};
use virt_daemon::{DaemonConf, Paths};

use crate::back_end::BackEnd;

/// Questions of one driver that are under way: each may wait for polkit.
const REQUESTS: u32 = 256;

/// What the daemon is told by its own file, beside what every service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conf {
    /// Asked for every question, beside those that the driver names.
    pub back_ends: Vec<BackEnd>,
    /// The folder of Cedar's policies.
    pub cedar_policies: PathBuf,
    /// How long polkit may take for one answer.
    pub polkit_patience: Duration,
    /// How long the name service may take for one user.
    pub names_patience: Duration,
    /// The user that the daemon runs as when root starts it.
    pub user: String,
}

impl Conf {
    /// Takes the daemon's own keys and those that all services have; what is left is refused by name.
    ///
    /// # Errors
    /// A key that does not exist or whose value is wrong, with file and line.
    pub fn read(mut file: Document, paths: &Paths) -> Result<(Self, DaemonConf), ConfError> {
        let line = file.line("access_drivers");
        let named = file.list("access_drivers")?.unwrap_or_default();
        let back_ends = named
            .iter()
            .map(|name| BackEnd::named(name))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|text| file.error(line, format!("'access_drivers': {text}")))?;
        let folder = file.text("cedar_policy_dir")?;
        let conf = Self {
            back_ends,
            cedar_policies: match folder {
                Some(folder) => paths.below_root(Path::new(&folder)),
                None => paths.config.join("virtacld"),
            },
            polkit_patience: seconds(&mut file, "polkit_timeout", 5)?,
            names_patience: seconds(&mut file, "user_lookup_timeout", 5)?,
            user: file.text("user")?.unwrap_or_else(|| "virtacld".to_owned()),
        };
        let mut daemon = DaemonConf::read_service(&mut file, paths)?;
        daemon.let_root_in();
        daemon.server.max_client_requests = REQUESTS;
        file.finish()?;
        Ok((conf, daemon))
    }
}

fn seconds(file: &mut Document, key: &str, default: u64) -> Result<Duration, ConfError> {
    let line = file.line(key);
    let seconds = file.number::<u64>(key)?.unwrap_or(default);
    match (1..=600).contains(&seconds) {
        true => Ok(Duration::from_secs(seconds)),
        false => Err(file.error(
            line,
            format!("'{key}' is {seconds}; it is from 1 to 600 seconds"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Conf, ConfError> {
        let document = Document::parse(Path::new("virtacld.conf"), text)?;
        let paths = Paths::system(Some(Path::new("/t")));
        Conf::read(document, &paths).map(|(conf, _)| conf)
    }

    #[test]
    fn keys_have_defaults_and_wrong_ones_are_named() {
        let conf = read("").unwrap();
        assert!(conf.back_ends.is_empty());
        assert_eq!(conf.cedar_policies, Path::new("/t/etc/libvirt/virtacld"));
        let conf = read("access_drivers = [ \"polkit\", \"cedar\" ]\n").unwrap();
        assert_eq!(conf.back_ends, [BackEnd::Polkit, BackEnd::Cedar]);
        let text = read("\naccess_drivers = [ \"ceder\" ]\n")
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with("virtacld.conf:2:") && text.contains("\"cedar\""),
            "{text}"
        );
        assert!(read("polkit_timeout = 0\n").is_err());
        assert!(read("auth_unix_rw = \"none\"\n").is_err());
    }
}
