//! Who may use a source and how it is encrypted.

use virt_xml::{Element, Words};

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
