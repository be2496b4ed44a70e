//! What nodes are given besides their place: passwords, cookies, certificates, passphrases, and the
//! helpers for reservations.
//!
//! Facts: QEMU's QAPI schema (`SecretProperties`, `TlsCredsX509Properties`,
//! `PrManagerHelperProperties`); command lines of the stock daemon.

use super::{Needs, Nodes, unsupported};
use crate::argv::context::{DriverConfig, StartContext};
use crate::argv::props::Props;
use crate::secrets::Sealed;
use std::path::Path;
use virt_domain::Domain;
use virt_domain::devices::storage::{
    Auth, Encryption, Network, NetworkProtocol, Reservations, StorageSource,
};
use virt_error::Result;
use virt_xml::YesNo;

/// A user, and the object with the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuthSecret {
    pub(super) user: String,
    pub(super) object: String,
}

/// Certificates of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsObject {
    pub(super) object: String,
    /// Name that the server's certificate must have.
    pub(super) hostname: Option<String>,
}

fn secret(name: &str, sealed: Sealed) -> Props {
    Props::of("qom-type", "secret")
        .with("id", name)
        .with("data", sealed.data)
        .with("keyid", "masterKey0")
        .with("iv", sealed.iv)
        .with("format", "base64")
}

/// The object with a user's password.
pub(super) fn auth(
    out: &mut Nodes,
    auth: Option<&Auth>,
    name: String,
    needs: &mut Needs,
) -> Result<Option<AuthSecret>> {
    let Some(auth) = auth else { return Ok(None) };
    let Some(reference) = &auth.secret else {
        return Err(unsupported(format!(
            "<auth> of user '{}' without a <secret>",
            auth.username
        )));
    };
    let sealed = needs.secrets.sealed(reference)?;
    out.object(secret(&name, sealed));
    Ok(Some(AuthSecret {
        user: auth.username.clone(),
        object: name,
    }))
}

/// The object with the cookies of an HTTP server.
pub(super) fn cookies(
    out: &mut Nodes,
    server: &Network,
    node: &str,
    needs: &Needs,
) -> Option<String> {
    let cookies = &server.cookies.as_ref()?.cookies;
    if cookies.is_empty() {
        return None;
    }
    let name = format!("{node}-httpcookie-secret0");
    let sealed = needs.secrets.seal(cookie_header(cookies).as_bytes());
    out.object(secret(&name, sealed));
    Some(name)
}

/// As they stand in a request's header.
pub(crate) fn cookie_header(cookies: &[virt_domain::devices::storage::Cookie]) -> String {
    let pairs: Vec<_> = cookies
        .iter()
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    pairs.join("; ")
}

/// The object with the certificates of an NBD connection.
pub(super) fn tls(
    out: &mut Nodes,
    server: &Network,
    node: &str,
    needs: &mut Needs,
) -> Result<Option<TlsObject>> {
    let config = &needs.config.nbd_tls;
    let wanted = match server.tls {
        Some(tls) => tls == YesNo::Yes,
        // As the configuration says for all of them, where TLS goes over TCP.
        None => config.by_default && server.hosts.iter().any(|h| h.socket.is_none()),
    };
    if !wanted || server.protocol != NetworkProtocol::Nbd {
        return Ok(None);
    }
    let object = format!("obj{node}_tls0");
    let mut props = Props::of("qom-type", "tls-creds-x509")
        .with("id", object.clone())
        .with("dir", config.dir.display().to_string())
        .with("endpoint", "client")
        .with("verify-peer", true);
    if let Some(reference) = config.key_secret() {
        let name = format!("{node}-tls-secret0");
        let sealed = needs.secrets.sealed(&reference)?;
        out.object(secret(&name, sealed));
        props.put("passwordid", name);
    }
    out.object(props);
    Ok(Some(TlsObject {
        object,
        hostname: server.tls_hostname.clone(),
    }))
}

/// The objects with the passphrases of an encrypted image, outermost layer last; their names.
pub(super) fn passphrases(
    out: &mut Nodes,
    encryption: &Encryption,
    holder: &str,
    needs: &mut Needs,
) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(encryption.secrets.len());
    for (reference, at) in encryption.secrets.iter().zip(0..) {
        let at: u32 = at;
        let name = format!("{holder}-encryption-secret{at}");
        let sealed = needs.secrets.sealed(reference)?;
        out.object(secret(&name, sealed));
        names.push(name);
    }
    Ok(names)
}

/// The helper that does a unit's reservations, whose object is made here unless the guest has one
/// for all of them; its name.
pub(super) fn reservations(out: &mut Nodes, source: &StorageSource, node: &str) -> Option<String> {
    let reservations = source.reservations.as_ref()?;
    if is_managed(reservations) {
        return Some(MANAGED.to_owned());
    }
    let path = reservations.source.as_ref()?.path.clone()?;
    let name = format!("pr-helper-{node}");
    out.object(
        Props::of("qom-type", "pr-manager-helper")
            .with("id", name.clone())
            .with("path", path),
    );
    Some(name)
}

fn is_managed(reservations: &Reservations) -> bool {
    reservations.managed != Some(YesNo::No)
}

/// Name of the helper that is started for the guest.
const MANAGED: &str = "pr-helper0";

/// Whether a helper for reservations is started for the guest.
pub(crate) fn managed_reservations(domain: &Domain) -> bool {
    let sources = domain.devices.disks.iter().flat_map(super::sources);
    sources
        .filter_map(|(source, _)| source.reservations.as_ref())
        .any(is_managed)
}

/// Socket of the helper for reservations that is started for the guest.
pub(crate) fn reservations_socket(guest_dir: &Path) -> std::path::PathBuf {
    guest_dir.join(format!("{MANAGED}.sock"))
}

/// The object of the helper that is started for the guest.
pub(crate) fn managed_reservations_object(
    domain: &Domain,
    context: &StartContext,
) -> Option<Props> {
    managed_reservations(domain).then(|| {
        Props::of("qom-type", "pr-manager-helper")
            .with("id", MANAGED)
            .with(
                "path",
                reservations_socket(&context.guest_dir)
                    .display()
                    .to_string(),
            )
    })
}

/// Whether nbdkit is started for a source.
pub(crate) fn uses_nbdkit(server: &Network, config: &DriverConfig) -> bool {
    use NetworkProtocol as P;
    config
        .nbdkit
        .as_ref()
        .is_some_and(|nbdkit| match server.protocol {
            P::Http | P::Https | P::Ftp | P::Ftps | P::Tftp => nbdkit.has_curl,
            P::Ssh => nbdkit.has_ssh,
            _ => false,
        })
}

/// The socket of the nbdkit that is started for the node.
pub(crate) fn nbdkit_path(guest_dir: &Path, node: &str) -> std::path::PathBuf {
    guest_dir.join(format!("nbdkit-{node}.socket"))
}

/// The same for a source that nbdkit serves.
pub(crate) fn nbdkit_socket(server: &Network, node: &str, needs: &Needs) -> Option<String> {
    uses_nbdkit(server, needs.config)
        .then(|| nbdkit_path(needs.guest_dir, node).display().to_string())
}
