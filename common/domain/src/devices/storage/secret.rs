//! Who may use a source and how it is encrypted.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Words};

/// `<auth>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Auth {
    /// The user.
    #[xml(attr)]
    pub username: String,
    /// The password's secret.
    #[xml(child)]
    pub secret: Option<SecretRef>,
}

impl Auth {
    fn check(self) -> Result<Self> {
        if self.username.is_empty() {
            return Err(wrong("missing username for auth"));
        }
        let Some(secret) = &self.secret else {
            return Err(wrong("Missing <secret> element in auth"));
        };
        secret.check()?;
        Ok(self)
    }

    /// Reads `<auth>` and checks what stands in it.
    ///
    /// # Errors
    /// XML_ERROR for a missing user or secret.
    pub(crate) fn read_checked(node: &mut Node<'_>) -> Result<Option<Self>> {
        node.child_with("auth", |node| {
            let username = node.attr::<String>("username")?.unwrap_or_default();
            let secret = node.child("secret")?;
            Self { username, secret }.check()
        })
    }
}

/// `<secret …/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct SecretRef {
    /// `ceph`, `iscsi`, `passphrase`, …
    #[xml(attr = "type")]
    pub kind: Option<String>,
    /// By UUID …
    #[xml(attr)]
    pub uuid: Option<uuid::Uuid>,
    /// … or by usage.
    #[xml(attr)]
    pub usage: Option<String>,
}

impl SecretRef {
    fn check(&self) -> Result<()> {
        match (self.uuid.is_some(), self.usage.is_some()) {
            (false, false) => Err(wrong("missing secret uuid or usage attribute")),
            (true, true) => Err(wrong("either secret uuid or usage expected")),
            _ => Ok(()),
        }
    }
}

/// `<encryption>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Encryption {
    /// Which.
    #[xml(attr)]
    pub format: EncryptionFormat,
    /// Who decrypts.
    #[xml(attr)]
    pub engine: Option<EncryptionEngine>,
    /// Passphrases, outermost layer last.
    #[xml(child = "secret")]
    pub secrets: Vec<SecretRef>,
    /// Only used when a volume is created.
    #[xml(child)]
    pub cipher: Option<Cipher>,
    /// Only used when a volume is created.
    #[xml(child)]
    pub ivgen: Option<Ivgen>,
}

/// `format` of `<encryption>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum EncryptionFormat {
    /// The tool's own.
    Default,
    /// qcow's broken one.
    Qcow,
    /// LUKS.
    Luks,
    /// LUKS 2.
    Luks2,
    /// Whichever the image has.
    LuksAny,
}

/// `engine` of `<encryption>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum EncryptionEngine {
    /// QEMU.
    Qemu,
    /// Ceph's library.
    Librbd,
}

/// `<cipher …/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Cipher {
    /// Name.
    #[xml(attr)]
    pub name: String,
    /// Key size in bits.
    #[xml(attr)]
    pub size: u32,
    /// Mode.
    #[xml(attr)]
    pub mode: Option<String>,
    /// Hash.
    #[xml(attr)]
    pub hash: Option<String>,
}

/// `<ivgen …/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Ivgen {
    /// Name.
    #[xml(attr)]
    pub name: String,
    /// Hash.
    #[xml(attr)]
    pub hash: Option<String>,
}

impl Encryption {
    /// Checks what an image of a guest may have.
    ///
    /// # Errors
    /// XML_ERROR for a secret that names none; CONFIG_UNSUPPORTED for what only belongs to a new
    /// volume, and for secrets of another kind.
    pub(crate) fn check(&self) -> Result<()> {
        for secret in &self.secrets {
            if let Some(kind) = secret.kind.as_deref().filter(|kind| *kind != "passphrase") {
                return Err(unsupported(format!(
                    "unknown volume encryption secret type {kind}"
                )));
            }
            secret.check()?;
        }
        if self.cipher.is_some() {
            return Err(unsupported(
                "supplying <cipher> for domain disk definition is unnecessary",
            ));
        }
        if self.ivgen.is_some() {
            return Err(unsupported(
                "supplying <ivgen> for domain disk definition is unnecessary",
            ));
        }
        Ok(())
    }
}

fn wrong(text: &str) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, text)
}
