//! The encryption of secrets for QEMU: AES-256 in CBC mode with PKCS#7 padding, all in base64.
//!
//! Facts: QEMU's qapi/crypto.json `SecretProperties`; qemu-system(1) `-object secret`.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use zeroize::Zeroizing;

/// Bytes of a block.
pub(super) const BLOCK: usize = 16;

/// A guest's key; wiped when it is dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; Self::LENGTH]>);

impl MasterKey {
    /// Bytes of the key.
    pub const LENGTH: usize = 32;

    /// A key filled by `random`.
    pub fn made_with(random: fn(&mut [u8])) -> Self {
        let mut key = Zeroizing::new([0; Self::LENGTH]);
        random(&mut *key);
        Self(key)
    }

    /// A key that was kept; nothing where these bytes are none.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let key: [u8; Self::LENGTH] = bytes.try_into().ok()?;
        Some(Self(Zeroizing::new(key)))
    }

    /// The key itself.
    pub fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// Encrypts a value.
    pub(super) fn seal(&self, value: &[u8], iv: [u8; BLOCK]) -> Sealed {
        let cipher = cbc::Encryptor::<Aes256>::new((&*self.0).into(), &iv.into());
        let data = cipher.encrypt_padded_vec::<Pkcs7>(value);
        Sealed {
            data: STANDARD.encode(data),
            iv: STANDARD.encode(iv),
        }
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

/// An encrypted value, in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The value.
    pub data: String,
    /// The initialisation vector, new for each value.
    pub iv: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NIST SP 800-38A, F.2.5 (CBC-AES256.Encrypt), first block; padding adds a block of its own.
    #[test]
    fn a_known_block_is_encrypted_as_the_standard_says() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len() / 2)
                .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
                .collect()
        };
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let key = MasterKey(Zeroizing::new(key.try_into().unwrap()));
        let iv: [u8; 16] = hex("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
        let sealed = key.seal(&hex("6bc1bee22e409f96e93d7e117393172a"), iv);
        let data = STANDARD.decode(sealed.data).unwrap();
        assert_eq!(data[..16], hex("f58c4c04d6e5f1ba779eabfb5f7bfbd6"));
        assert_eq!(data.len(), 32);
        assert_eq!(sealed.iv, "AAECAwQFBgcICQoLDA0ODw==");
    }
}
