//! Secrets and pools of a host that is made up (`fixtures`).

use std::path::{Path, PathBuf};

use virt_domain::devices::storage::SecretRef;
use virt_driver::volumes::Volume;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::secrets::{self, SecretLookup, SecretUsage, SecretValue};

/// The value of every secret.
const VALUE: &[u8] = b"AQCVn5hO6HzFAhAAq0NCv8jtJcIcE+HOBlMQ1A";

/// Secrets that all have the same value: all UUIDs are known, of the usages some.
pub(super) struct Secrets;

impl SecretLookup for Secrets {
    fn value(&mut self, secret: &SecretRef) -> Result<SecretValue> {
        let usage = secret.usage.as_deref().unwrap_or_default();
        let known = secret.uuid.is_some()
            || match SecretUsage::of(secret) {
                SecretUsage::Volume => usage.starts_with("/storage/guest_disks/"),
                _ => ["mycluster_myname", "client.admin secret"].contains(&usage),
            };
        match known {
            true => Ok(SecretValue::new(VALUE.to_vec())),
            false => Err(secrets::not_found(secret)),
        }
    }
}

/// The pools of the fixtures.
pub(super) struct Pools(PathBuf);

impl Pools {
    pub(super) fn of(fixtures: &Path) -> Self {
        Self(fixtures.join("storage-pools"))
    }

    /// A volume of a pool.
    pub(super) fn find(&self, pool: &str, volume: &str) -> Result<Option<Volume>> {
        if pool == "inactive" {
            return Ok(None);
        }
        let missing = |code, text: String| Error::new(code, ErrorDomain::Storage, text);
        let file = self.0.join(format!("{pool}.xml"));
        let described = std::fs::read_to_string(file).map_err(|_| {
            missing(
                ErrorCode::NoStoragePool,
                format!("no storage pool with matching name '{pool}'"),
            )
        })?;
        if volume == "nonexistent" {
            return Err(missing(
                ErrorCode::NoStorageVol,
                format!("no storage vol with matching name '{volume}'"),
            ));
        }
        let (kind, path) = volume.split_once('+').unwrap_or(("block", volume));
        let number = ["file", "block", "dir", "network", "netdir"]
            .iter()
            .position(|word| *word == kind)
            .unwrap_or(1);
        Ok(Some(Volume {
            pool: described,
            kind: i32::try_from(number).unwrap_or(1),
            path: format!("/some/{kind}/device/{path}"),
        }))
    }
}
