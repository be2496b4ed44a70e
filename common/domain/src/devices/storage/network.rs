//! Sources on servers.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Words, YesNo};

/// `protocol` of a network source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum NetworkProtocol {
    /// Network block device.
    Nbd,
    /// Ceph.
    Rbd,
    /// Sheepdog.
    Sheepdog,
    /// GlusterFS.
    Gluster,
    /// iSCSI.
    Iscsi,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// FTP.
    Ftp,
    /// FTP over TLS.
    Ftps,
    /// TFTP.
    Tftp,
    /// SSH.
    Ssh,
    /// Veritas HyperScale.
    Vxhs,
    /// NFS.
    Nfs,
}

/// `transport` of a server's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum HostTransport {
    /// TCP.
    #[default]
    Tcp,
    /// RDMA.
    Rdma,
    /// A UNIX socket.
    Unix,
}

/// `<host>` of a network source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct Host {
    /// Name or address; not with a UNIX socket.
    #[xml(attr)]
    pub name: Option<String>,
    /// Port; the protocol's own when absent.
    #[xml(attr)]
    pub port: Option<u16>,
    /// TCP unless given.
    #[xml(attr)]
    pub transport: Option<HostTransport>,
    /// Path of a UNIX socket.
    #[xml(attr)]
    pub socket: Option<String>,
}

impl Host {
    /// Whether it says what its transport takes, and nothing else.
    ///
    /// # Errors
    /// XML_ERROR, naming the attribute.
    pub(in crate::devices) fn check(&self) -> Result<()> {
        let transport = self.transport.unwrap_or_default();
        let text = match transport {
            HostTransport::Unix if self.socket.is_none() => {
                "missing socket for unix transport".to_owned()
            }
            HostTransport::Tcp | HostTransport::Rdma if self.socket.is_some() => {
                format!("transport '{transport}' does not support socket attribute")
            }
            HostTransport::Tcp | HostTransport::Rdma if self.name.is_none() => {
                "missing name for host".to_owned()
            }
            _ => return Ok(()),
        };
        Err(Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text))
    }
}

/// Where on the network a source is.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Network {
    /// How.
    #[xml(attr)]
    pub protocol: NetworkProtocol,
    /// Export, image, path or target.
    #[xml(attr)]
    pub name: Option<String>,
    /// Query of an HTTP address.
    #[xml(attr)]
    pub query: Option<String>,
    /// TLS of NBD and VxHS.
    #[xml(attr)]
    pub tls: Option<YesNo>,
    /// Name expected in the server's certificate.
    #[xml(attr = "tlsHostname")]
    pub tls_hostname: Option<String>,
    /// Servers.
    #[xml(child = "host")]
    pub hosts: Vec<Host>,
    /// Snapshot of an RBD image.
    #[xml(child)]
    pub snapshot: Option<Named>,
    /// Configuration file of an RBD client.
    #[xml(child)]
    pub config: Option<ConfigFile>,
    /// Name of the iSCSI initiator.
    #[xml(child)]
    pub initiator: Option<Initiator>,
    /// Reconnection to an NBD server.
    #[xml(child)]
    pub reconnect: Option<Reconnect>,
    /// Whether certificates are verified.
    #[xml(child)]
    pub ssl: Option<Ssl>,
    /// HTTP cookies.
    #[xml(child)]
    pub cookies: Option<Cookies>,
    /// Read-ahead of the curl driver.
    #[xml(child)]
    pub readahead: Option<Readahead>,
    /// Time-out of the curl driver.
    #[xml(child)]
    pub timeout: Option<Timeout>,
    /// SSH host keys.
    #[xml(child = "knownHosts")]
    pub known_hosts: Option<KnownHosts>,
    /// SSH or NFS user.
    #[xml(child)]
    pub identity: Option<Identity>,
}

/// An element with a name.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Named {
    /// The name.
    #[xml(attr)]
    pub name: String,
}

/// `<config file=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct ConfigFile {
    /// Path.
    #[xml(attr)]
    pub file: String,
}

/// `<initiator>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Initiator {
    /// The qualified name.
    #[xml(child)]
    pub iqn: Named,
}

/// `<reconnect …/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Reconnect {
    /// Whether vhost-user reconnects.
    #[xml(attr)]
    pub enabled: Option<YesNo>,
    /// Seconds between attempts of vhost-user.
    #[xml(attr)]
    pub timeout: Option<u32>,
    /// Seconds during which NBD requests wait for the server to come back.
    #[xml(attr)]
    pub delay: Option<u32>,
}

/// `<ssl verify=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Ssl {
    /// Whether.
    #[xml(attr)]
    pub verify: YesNo,
}

/// `<cookies>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Cookies {
    /// Each one.
    #[xml(child = "cookie")]
    pub cookies: Vec<Cookie>,
}

/// `<cookie name=…>value</cookie>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Cookie {
    /// Its name.
    #[xml(attr)]
    pub name: String,
    /// Its value.
    #[xml(text)]
    pub value: String,
}

impl Cookie {
    /// What a cookie may consist of: RFC 6265, section 4.1.1.
    fn check(&self) -> Result<()> {
        let refused = |text| Err(Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text));
        let separator = |b: u8| b"()<>@,;:\\\"/[]?={} \t".contains(&b);
        let name = &self.name;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && !separator(b)) {
            return refused(format!("cookie name '{name}' contains invalid characters"));
        }
        // The value may stand in quotation marks.
        let bare = self
            .value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'));
        let value = bare.unwrap_or(&self.value);
        if !value
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\",;\\".contains(&b))
        {
            return refused(format!(
                "value of cookie '{name}' contains invalid characters"
            ));
        }
        Ok(())
    }
}

/// `<readahead size=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Readahead {
    /// Bytes.
    #[xml(attr)]
    pub size: u64,
}

/// `<timeout seconds=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Timeout {
    /// Seconds.
    #[xml(attr)]
    pub seconds: u64,
}

/// `<knownHosts path=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct KnownHosts {
    /// The file.
    #[xml(attr)]
    pub path: String,
}

/// `<identity …/>` of SSH (user name, key or agent) and NFS (user, group).
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Identity {
    /// NFS user.
    #[xml(attr)]
    pub user: Option<String>,
    /// NFS group.
    #[xml(attr)]
    pub group: Option<String>,
    /// SSH user.
    #[xml(attr)]
    pub username: Option<String>,
    /// SSH key file.
    #[xml(attr)]
    pub keyfile: Option<String>,
    /// Socket of an SSH agent.
    #[xml(attr)]
    pub agentsock: Option<String>,
}

impl Network {
    /// A source of which nothing is said yet.
    pub fn new(protocol: NetworkProtocol) -> Self {
        Self {
            protocol,
            name: None,
            query: None,
            tls: None,
            tls_hostname: None,
            hosts: Vec::new(),
            snapshot: None,
            config: None,
            initiator: None,
            reconnect: None,
            ssl: None,
            cookies: None,
            readahead: None,
            timeout: None,
            known_hosts: None,
            identity: None,
        }
    }

    /// Only NBD waits for its server; no time is no wish to.
    pub(super) fn settle(&mut self) {
        // Only SSH asks which servers are known; a socket has neither name nor port.
        if self.protocol != NetworkProtocol::Ssh {
            self.known_hosts = None;
        }
        let hosts = self.hosts.iter_mut();
        for host in hosts.filter(|host| host.transport == Some(HostTransport::Unix)) {
            (host.name, host.port) = (None, None);
        }
        let nbd = self.protocol == NetworkProtocol::Nbd;
        let delay = self.reconnect.and_then(|reconnect| reconnect.delay);
        let delay = delay.filter(|delay| *delay > 0 && nbd);
        self.reconnect = delay.map(|delay| Reconnect {
            enabled: None,
            timeout: None,
            delay: Some(delay),
        });
    }

    pub(super) fn check(&self) -> Result<()> {
        use NetworkProtocol as P;
        let refused = |code, text: String| Err(Error::new(code, ErrorDomain::Domain, text));
        if self.name.is_none() && self.protocol != P::Nbd {
            return refused(
                ErrorCode::XmlError,
                "missing name for disk source".to_owned(),
            );
        }
        if matches!(self.protocol, P::Rbd | P::Gluster)
            && let Some(name) = &self.name
            && name.split_once('/').is_none_or(|(pool, _)| pool.is_empty())
        {
            return refused(
                ErrorCode::XmlError,
                format!("can't split path '{name}' into pool name and image name"),
            );
        }
        if self.protocol == P::Ssh
            && let Some(identity) = &self.identity
        {
            if identity.username.is_none() {
                return refused(
                    ErrorCode::XmlError,
                    "Missing required attribute 'username' in element 'identity'".to_owned(),
                );
            }
            if identity.keyfile.is_none() && identity.agentsock.is_none() {
                return refused(
                    ErrorCode::XmlError,
                    "element 'identity' requires either 'keyfile' or 'agentsock' attribute"
                        .to_owned(),
                );
            }
        }
        for cookie in self.cookies.iter().flat_map(|c| &c.cookies) {
            cookie.check()?;
        }
        if self.tls == Some(YesNo::Yes) && !matches!(self.protocol, P::Nbd | P::Vxhs) {
            return refused(
                ErrorCode::XmlError,
                format!(
                    "tls configuration is not supported for protocol '{}'; remove the attribute",
                    self.protocol
                ),
            );
        }
        self.hosts.iter().try_for_each(Host::check)
    }
}
