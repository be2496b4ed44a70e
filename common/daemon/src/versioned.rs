//! State that is to survive a version of the program: a number in front says how to read it. It is
//! bincode, for our own programs alone.

use serde::Serialize;
use serde::de::DeserializeOwned;
use virt_rpc::codec;

/// The state with its version in front; nothing when it can't be written, which [`read`] refuses.
pub fn write(version: u32, state: &impl Serialize) -> Vec<u8> {
    codec::to_bytes(&(version, state)).unwrap_or_default()
}

/// Reads what [`write`] wrote; `what` is in the sentence that says why it can't be: `the leases' state`.
///
/// # Errors
/// It is of another version, or damaged: a sentence.
pub fn read<T: DeserializeOwned>(version: u32, saved: &[u8], what: &str) -> Result<T, String> {
    let found: u32 = codec::from_bytes(saved).map_err(|e| format!("{what} has no version: {e}"))?;
    if found != version {
        return Err(format!(
            "{what} is of version {found}, this program knows version {version}"
        ));
    }
    codec::from_bytes::<(u32, T)>(saved)
        .map(|(_, state)| state)
        .map_err(|e| format!("{what} can't be read: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_named() {
        let saved = write(2, &"anything");
        assert_eq!(read::<String>(2, &saved, "it").unwrap(), "anything");
        let text = read::<String>(1, &saved, "it").unwrap_err();
        assert!(text.contains("version 2"), "{text}");
        assert!(read::<String>(1, b"", "it").is_err());
    }
}
