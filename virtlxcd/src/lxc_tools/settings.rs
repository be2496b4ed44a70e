//! The lines of a configuration, under the names that keys have since LXC 3.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Longest configuration in bytes.
const LENGTH_MAX: usize = 1 << 20;

/// Keys with their values, in order.
#[derive(Debug, Default)]
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    /// Reads `key = value` lines; `#` starts a comment. A key without a value takes back what was said
    /// of it before.
    ///
    /// # Errors
    /// INVALID_ARG for a text that is too long.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > LENGTH_MAX {
            return Err(Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::Lxc,
                format!("the configuration has more than {LENGTH_MAX} bytes"),
            ));
        }
        let mut all: Vec<(String, String)> = Vec::new();
        let mut networks = 0_usize;
        for line in text.lines() {
            let line = line.trim();
            let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            if key == "lxc.network.type" {
                networks += 1;
            }
            let key = today(key, networks.saturating_sub(1));
            match value {
                "" => all.retain(|(known, _)| *known != key),
                _ => all.push((key, value.to_owned())),
            }
        }
        Ok(Self(all))
    }

    /// All values of a key.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        let own = self.0.iter().filter(move |(known, _)| known == key);
        own.map(|(_, value)| value.as_str())
    }

    /// The value of a key that has one.
    pub fn last(&self, key: &str) -> Option<&str> {
        self.all(key).last()
    }

    /// All keys that begin so, without the beginning, with their values.
    pub fn below(&self, beginning: &str) -> impl Iterator<Item = (&str, &str)> {
        let each = self.0.iter();
        each.filter_map(move |(key, value)| Some((key.strip_prefix(beginning)?, value.as_str())))
    }
}

/// The key's name since LXC 3; `network` is the number of the network that the old keys are about.
fn today(key: &str, network: usize) -> String {
    if let Some(key) = key.strip_prefix("lxc.network.") {
        let key = match key {
            "ipv4" => "ipv4.address",
            "ipv6" => "ipv6.address",
            other => other,
        };
        return format!("lxc.net.{network}.{key}");
    }
    let name = match key {
        "lxc.rootfs" => "lxc.rootfs.path",
        "lxc.utsname" => "lxc.uts.name",
        "lxc.tty" => "lxc.tty.max",
        "lxc.id_map" => "lxc.idmap",
        "lxc.mount" => "lxc.mount.fstab",
        other => other,
    };
    name.to_owned()
}
