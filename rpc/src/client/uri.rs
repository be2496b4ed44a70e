//! Connection URIs (WIRE.md sections 5 and 12).

use std::fmt;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Query parameters that say how to connect; the daemon is not told them.
const OURS: [&str; 15] = [
    "name",
    "command",
    "socket",
    "auth",
    "sshauth",
    "netcat",
    "keyfile",
    "pkipath",
    "known_hosts",
    "known_hosts_verify",
    "tls_priority",
    "mode",
    "proxy",
    "no_sanity",
    "no_verify",
];
const OURS_TOO: [&str; 2] = ["no_tty", "authfile"];

/// `driver[+transport]://[server]/path[?parameters]`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uri {
    /// The driver, such as `qemu`.
    pub driver: String,
    /// The transport, if it is named.
    pub transport: Option<String>,
    /// The server, with user and port as they were written; empty for this machine.
    pub server: String,
    /// The path, such as `/system`; may be empty.
    pub path: String,
    /// The parameters in their order, as they were written.
    pub parameters: Vec<(String, String)>,
}

impl Uri {
    /// Takes a URI apart.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::Uri,
                format!("'{text}' is not a connection URI: {why}, as in qemu:///system"),
            )
        };
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| bad("it needs a driver and a colon"))?;
        let valid = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if scheme.is_empty() || !scheme.chars().all(valid) {
            return Err(bad("the driver is a word"));
        }
        let (driver, transport) = match scheme.split_once('+') {
            Some((driver, transport)) => (driver, Some(transport.to_owned())),
            None => (scheme, None),
        };
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (server, path) = match hierarchy.strip_prefix("//") {
            Some(authority) => match authority.find('/') {
                Some(slash) => authority.split_at(slash),
                None => (authority, ""),
            },
            None => ("", hierarchy),
        };
        let parameters = query
            .split(['&', ';'])
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self {
            driver: driver.to_owned(),
            transport,
            server: server.to_owned(),
            path: path.to_owned(),
            parameters,
        })
    }

    /// The value of a parameter, percent escapes decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let found = self.parameters.iter().find(|(found, _)| found == name)?;
        Some(unescape(&found.1))
    }

    /// What the daemon is told: without transport, server and the parameters that say how to
    /// connect. `name=` replaces it altogether.
    pub fn for_daemon(&self) -> String {
        if let Some(name) = self.parameter("name") {
            return name;
        }
        let mut told = Self {
            transport: None,
            server: String::new(),
            ..self.clone()
        };
        told.parameters
            .retain(|(name, _)| !OURS.iter().chain(&OURS_TOO).any(|ours| ours == name));
        told.to_string()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.driver)?;
        if let Some(transport) = &self.transport {
            write!(f, "+{transport}")?;
        }
        write!(f, "://{}{}", self.server, self.path)?;
        for (place, (name, value)) in self.parameters.iter().enumerate() {
            let separator = if place == 0 { '?' } else { '&' };
            write!(f, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_taken_apart_and_put_together() {
        let text = "qemu+unix://host/system?socket=/tmp/a%20b&x=1";
        let uri = Uri::parse(text).unwrap();
        assert_eq!(uri.driver, "qemu");
        assert_eq!(uri.transport.as_deref(), Some("unix"));
        assert_eq!(
            (uri.server.as_str(), uri.path.as_str()),
            ("host", "/system")
        );
        assert_eq!(uri.parameter("socket").as_deref(), Some("/tmp/a b"));
        assert_eq!(uri.to_string(), text);
        assert_eq!(uri.for_daemon(), "qemu:///system?x=1");
    }

    #[test]
    fn odd_uris_are_errors_or_taken_as_they_are() {
        assert!(Uri::parse("").is_err());
        assert!(Uri::parse("system").is_err());
        assert!(Uri::parse("://x").is_err());
        assert_eq!(Uri::parse("qemu:///session").unwrap().path, "/session");
        assert_eq!(Uri::parse("qemu://system").unwrap().server, "system");
        let uri = Uri::parse("qemu:///system?name=lxc:///&mode=direct").unwrap();
        assert_eq!(uri.for_daemon(), "lxc:///");
        assert_eq!(
            Uri::parse("a:b?%zz=%4")
                .unwrap()
                .parameter("%zz")
                .as_deref(),
            Some("%4")
        );
    }
}
