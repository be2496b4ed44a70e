//! Secrets that QEMU is given: looked up when a guest starts, and encrypted with the guest's own
//! key before they are put into a command line or a monitor command (WIRE.md section 30), where
//! everybody who lists processes would read them.

mod seal;

use virt_domain::devices::storage::SecretRef;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use zeroize::Zeroizing;

pub use seal::{MasterKey, Sealed};

/// A secret's value; wiped when it is dropped.
pub type SecretValue = Zeroizing<Vec<u8>>;

/// What a secret is for: by usage it is only found among those of its kind. The numbers are those
/// of libvirt's `virSecretUsageType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUsage {
    /// An encrypted volume.
    Volume = 1,
    /// A Ceph user's key.
    Ceph = 2,
    /// An iSCSI user's password.
    Iscsi = 3,
    /// The key of a TLS certificate.
    Tls = 4,
    /// A TPM's state.
    Vtpm = 5,
}

impl SecretUsage {
    /// By the word in `type` of `<secret>`; a passphrase is a volume's.
    pub fn of(secret: &SecretRef) -> Self {
        match secret.kind.as_deref() {
            Some("ceph") => Self::Ceph,
            Some("iscsi") => Self::Iscsi,
            Some("tls") => Self::Tls,
            Some("vtpm") => Self::Vtpm,
            _ => Self::Volume,
        }
    }
}

/// Finds the values of secrets.
pub trait SecretLookup {
    /// The value of the secret. May block.
    ///
    /// # Errors
    /// NO_SECRET where there is none; what the daemon that has them says.
    fn value(&mut self, secret: &SecretRef) -> Result<SecretValue>;
}

/// Gives a guest's secrets in the form in which QEMU takes them.
pub struct Secrets<'a> {
    lookup: &'a mut dyn SecretLookup,
    key: MasterKey,
    random: fn(&mut [u8]),
}

impl<'a> Secrets<'a> {
    /// Of a guest with that key; `random` fills a buffer with random bytes.
    pub fn new(lookup: &'a mut dyn SecretLookup, key: MasterKey, random: fn(&mut [u8])) -> Self {
        Self {
            lookup,
            key,
            random,
        }
    }

    /// The secret's value, as it is.
    ///
    /// # Errors
    /// As [`SecretLookup::value`].
    pub fn value(&mut self, secret: &SecretRef) -> Result<SecretValue> {
        self.lookup.value(secret)
    }

    /// The secret's value, encrypted.
    ///
    /// # Errors
    /// As [`SecretLookup::value`].
    pub fn sealed(&mut self, secret: &SecretRef) -> Result<Sealed> {
        let value = self.lookup.value(secret)?;
        Ok(self.seal(&value))
    }

    /// Any value, encrypted.
    pub fn seal(&self, value: &[u8]) -> Sealed {
        let mut iv = [0; seal::BLOCK];
        (self.random)(&mut iv);
        self.key.seal(value, iv)
    }
}

impl std::fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// The refusal of a secret that nobody has.
pub fn not_found(secret: &SecretRef) -> Error {
    let text = match (&secret.uuid, &secret.usage) {
        (Some(uuid), _) => format!("no secret with matching uuid '{uuid}'"),
        (None, usage) => format!(
            "no secret with matching usage '{}'",
            usage.as_deref().unwrap_or_default()
        ),
    };
    Error::new(ErrorCode::NoSecret, ErrorDomain::Secret, text)
}
