//! `<seclabel>` of a guest, `<keywrap>` and `<launchSecurity>`.

use std::borrow::Cow;

use virt_xml::{Element, OnOff, Value, Words, YesNo};

/// `<seclabel>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Seclabel {
    /// Who chooses the label.
    #[xml(attr = "type")]
    pub kind: Option<SeclabelType>,
    /// Of which security driver.
    #[xml(attr)]
    pub model: Option<String>,
    /// Whether files are labelled to match.
    #[xml(attr)]
    pub relabel: Option<YesNo>,
    /// The process's label.
    #[xml(child_text)]
    pub label: Option<String>,
    /// The files' label.
    #[xml(child_text)]
    pub imagelabel: Option<String>,
    /// What a label is made from.
    #[xml(child_text)]
    pub baselabel: Option<String>,
}

/// Who chooses a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum SeclabelType {
    /// There is none.
    None,
    /// The driver.
    Dynamic,
    /// The user.
    Static,
}

/// `<keywrap>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Keywrap {
    /// Ciphers.
    #[xml(child = "cipher")]
    pub ciphers: Vec<KeywrapCipher>,
}

/// `<cipher/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct KeywrapCipher {
    /// Which one.
    #[xml(attr)]
    pub name: KeywrapName,
    /// Whether its keys are wrapped.
    #[xml(attr)]
    pub state: OnOff,
}

/// Ciphers whose keys can be wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum KeywrapName {
    /// AES.
    Aes,
    /// DEA and TDEA.
    Dea,
}

/// `<launchSecurity>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct LaunchSecurity {
    /// Which kind.
    #[xml(attr = "type")]
    pub kind: LaunchSecurityType,
    /// Whether kernel, initrd and command line are measured.
    #[xml(attr = "kernelHashes")]
    pub kernel_hashes: Option<YesNo>,
    /// Whether there is an author's key.
    #[xml(attr = "authorKey")]
    pub author_key: Option<YesNo>,
    /// Which key signs.
    #[xml(attr)]
    pub vcek: Option<YesNo>,
    /// The bit of a page table entry that says it is encrypted.
    #[xml(child_text)]
    pub cbitpos: Option<u32>,
    /// Bits of physical addresses that are lost.
    #[xml(child_text = "reducedPhysBits")]
    pub reduced_phys_bits: Option<u32>,
    /// What is allowed.
    #[xml(child_text)]
    pub policy: Option<Policy>,
    /// The owner's Diffie-Hellman key, base64.
    #[xml(child_text = "dhCert")]
    pub dh_cert: Option<String>,
    /// The owner's session, base64.
    #[xml(child_text)]
    pub session: Option<String>,
    /// SEV-SNP: base64.
    #[xml(child_text = "guestVisibleWorkarounds")]
    pub guest_visible_workarounds: Option<String>,
    /// SEV-SNP: base64.
    #[xml(child_text = "idBlock")]
    pub id_block: Option<String>,
    /// SEV-SNP: base64.
    #[xml(child_text = "idAuth")]
    pub id_auth: Option<String>,
    /// SEV-SNP: base64.
    #[xml(child_text = "hostData")]
    pub host_data: Option<String>,
}

/// Kinds of encrypted guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum LaunchSecurityType {
    /// AMD SEV and SEV-ES.
    Sev,
    /// AMD SEV-SNP.
    SevSnp,
    /// IBM Secure Execution.
    S390Pv,
}

/// A hexadecimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy(pub u64);

impl Value for Policy {
    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        u64::from_str_radix(digits, 16).ok().map(Self)
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{:#06x}", self.0))
    }

    fn allowed() -> String {
        "a hexadecimal number".to_owned()
    }
}
