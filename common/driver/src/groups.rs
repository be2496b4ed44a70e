//! What guests' control groups are called.

use sha2::{Digest, Sha256};
use virt_daemon::Paths;

/// A daemon with a root of its own counts its guests apart from the host's: its groups have a word
/// of that root in their names.
pub fn scope(paths: &Paths) -> Option<String> {
    let root = paths.root.as_os_str().as_encoded_bytes();
    if root == b"/" {
        return None;
    }
    let digest = Sha256::digest(root);
    let word: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // No number, as which the host's guests have their place there.
    Some(format!("r{word}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_root_of_its_own_shows_in_names() {
        assert_eq!(scope(&Paths::system(None)), None);
        let one = scope(&Paths::system(Some(Path::new("/a")))).unwrap();
        let other = scope(&Paths::system(Some(Path::new("/b")))).unwrap();
        assert!(one.len() == 9 && one.starts_with('r'));
        assert_ne!(one, other);
    }
}
