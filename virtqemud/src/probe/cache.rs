//! Answers kept on disk: one JSON file per binary, named by the hash of its path. The files
//! have another ending than libvirt's own in the same folder; neither reads the other's.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::identity::{BinaryIdentity, HostIdentity};
use crate::caps::{CACHE_VERSION, QemuCaps};

/// Largest file that is read back, in bytes; a real one has some hundred kibibytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Everything an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    form: u32,
    daemon: String,
    binary: BinaryIdentity,
    host: HostIdentity,
}

impl Identity {
    pub(super) fn new(binary: &Path, host: HostIdentity) -> io::Result<Self> {
        Ok(Self {
            form: CACHE_VERSION,
            daemon: env!("CARGO_PKG_VERSION").to_owned(),
            binary: BinaryIdentity::of(binary)?,
            host,
        })
    }
}

#[derive(Serialize)]
struct Written<'a> {
    identity: Identity,
    caps: &'a QemuCaps,
}

#[derive(Deserialize)]
struct Read {
    identity: Identity,
    caps: QemuCaps,
}

/// The answer on disk, when it is there and nothing it depends on has changed.
pub(super) fn load(folder: &Path, binary: &Path, identity: &Identity) -> Option<QemuCaps> {
    let path = file(folder, binary);
    if fs::metadata(&path).ok()?.len() > MAX_FILE {
        return None;
    }
    let text = fs::read(&path).ok()?;
    let read: Read = serde_json::from_slice(&text)
        .inspect_err(|error| {
            tracing::info!(path = %path.display(), %error, "cached capabilities are of no use");
        })
        .ok()?;
    (read.identity == *identity).then_some(read.caps)
}

/// Keeps an answer. No fsync: after a crash an unreadable file is probed again.
pub(super) fn store(
    folder: &Path,
    binary: &Path,
    identity: Identity,
    caps: &QemuCaps,
) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)?;
    let path = file(folder, binary);
    let fresh = path.with_extension(format!("json.{}", std::process::id()));
    let mut out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    let written = serde_json::to_vec(&Written { identity, caps })?;
    let renamed = out
        .write_all(&written)
        .and_then(|()| fs::rename(&fresh, &path));
    if renamed.is_err() {
        // Whatever the reason, it must not stay half written.
        drop(fs::remove_file(&fresh));
    }
    renamed
}

fn file(folder: &Path, binary: &Path) -> PathBuf {
    let hash = Sha256::digest(binary.as_os_str().as_encoded_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    folder.join(hex + ".json")
}
