//! Secrets and volumes as a start finds them: with the daemons that keep them.

use tokio::runtime::Handle;
use virt_domain::devices::storage::SecretRef;
use virt_driver::secondary::Neighbours;
use virt_driver::secrets::{self, Wanted};
use virt_driver::volumes::{self, Volume};
use virt_error::Result;

use crate::secrets::{SecretLookup, SecretUsage, SecretValue, not_found};

/// Asks the daemon of secrets. Blocks: for threads of their own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptSecrets<'a>(pub(crate) &'a Neighbours);

impl SecretLookup for KeptSecrets<'_> {
    fn value(&mut self, secret: &SecretRef) -> Result<SecretValue> {
        let wanted = match (secret.uuid, &secret.usage) {
            (Some(uuid), _) => Wanted::Uuid(uuid),
            (None, Some(of)) => Wanted::Usage {
                kind: SecretUsage::of(secret) as i32,
                of: of.clone(),
            },
            (None, None) => return Err(not_found(secret)),
        };
        // This thread may wait; the daemon's own drives the runtime.
        let value = Handle::current().block_on(secrets::value(self.0, wanted))?;
        Ok(SecretValue::new(value))
    }
}

/// Asks the daemon of storage pools. Blocks.
pub(crate) fn find_volume(
    neighbours: &Neighbours,
    pool: &str,
    volume: &str,
) -> Result<Option<Volume>> {
    Handle::current().block_on(volumes::find(neighbours, pool, volume))
}
