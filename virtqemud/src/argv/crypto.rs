//! Options of crypto devices.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use super::virtio;
use virt_domain::Domain;
use virt_domain::devices::crypto::CryptoBackendModel;
use virt_error::Result;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    for crypto in &domain.devices.cryptos {
        let alias = crypto.info.alias().unwrap_or_default();
        let id = format!("obj{alias}");
        let backend = match crypto.backend.model {
            CryptoBackendModel::Builtin => "cryptodev-backend-builtin",
            CryptoBackendModel::Lkcf => "cryptodev-backend-lkcf",
        };
        let object = Props::of("qom-type", backend)
            .with("id", id.clone())
            .maybe("queues", crypto.backend.queues);
        b.object(&object);
        let props = virtio::device("virtio-crypto", None, &crypto.info)
            .with_virtio(Some(&crypto.virtio))
            .with("cryptodev", id)
            .with("id", alias)
            .placed(domain, &crypto.info)?;
        b.device(&props);
    }
    Ok(())
}
