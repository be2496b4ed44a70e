//! Which programs there are and what they can do.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use serde::Deserialize;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::described;
use crate::process::handle::Ending;
use crate::process::{Program, Stdio};

/// What a program is instead of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A graphics card.
    Gpu,
    /// A shared folder.
    Fs,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Fs => "fs",
        }
    }
}

/// How long a program may take to say what it can do.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of what it says.
const MAX_ANSWER: u64 = 64 * 1024;

/// The folders of descriptors, the ones that count most first; `root` stands for `/`.
pub fn folders(root: &Path) -> Vec<PathBuf> {
    ["etc/qemu/vhost-user", "usr/share/qemu/vhost-user"]
        .map(|below| root.join(below))
        .into()
}

#[derive(Debug, Deserialize)]
struct Descriptor {
    #[serde(rename = "type")]
    kind: String,
    binary: PathBuf,
}

/// What a program says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Capabilities {
    /// `gpu`, `fs`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// What it can do, by the specification's words.
    #[serde(default)]
    pub features: Vec<String>,
}

impl Capabilities {
    /// Whether it can do that.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|f| f == feature)
    }
}

/// The first described program of that kind which fits. Blocks.
///
/// # Errors
/// SYSTEM_ERROR when a folder of descriptors can't be read.
pub(super) fn first(
    folders: &[PathBuf],
    kind: Kind,
    fits: impl Fn(&Capabilities) -> bool,
) -> Result<Option<(PathBuf, Capabilities)>> {
    for path in described::files(folders)? {
        let Some(descriptor) = described::read::<Descriptor>(&path) else {
            continue;
        };
        if descriptor.kind != kind.word() {
            continue;
        }
        match ask(&descriptor.binary) {
            Ok(capabilities) if fits(&capabilities) => {
                return Ok(Some((descriptor.binary, capabilities)));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, path = %path.display(), "passed over"),
        }
    }
    Ok(None)
}

/// What the program says it can do. Blocks.
///
/// # Errors
/// SYSTEM_ERROR when it can't be run, INTERNAL_ERROR when it fails or says nothing that is understood.
pub(super) fn ask(binary: &Path) -> Result<Capabilities> {
    let failed = |cause: &std::io::Error| {
        let what = format!("cannot run '{}'", binary.display());
        Error::system(ErrorDomain::Qemu, what, cause)
    };
    let fault = |what: String| {
        let text = format!("'{} --print-capabilities' {what}", binary.display());
        Error::new(ErrorCode::InternalError, ErrorDomain::Qemu, text)
    };
    let said = memfd_create("capabilities", MemfdFlags::CLOEXEC).map_err(|e| failed(&e.into()))?;
    let mut said = File::from(said);
    let mut program = Program::new(binary).arg("--print-capabilities");
    program.output = Stdio::File(said.try_clone().map_err(|e| failed(&e))?);
    let process = program.start().map_err(|e| failed(&e))?;
    let ended = tokio::runtime::Handle::current()
        .block_on(async { tokio::time::timeout(PATIENCE, process.ended()).await });
    match ended {
        Ok(Ending::Exited(0)) => {}
        Ok(ending) => return Err(fault(format!("failed: {ending}"))),
        Err(_) => {
            // It may be gone by now.
            let _ = process.kill();
            return Err(fault("does not end".to_owned()));
        }
    }
    let mut text = Vec::new();
    said.seek(SeekFrom::Start(0)).map_err(|e| failed(&e))?;
    said.take(MAX_ANSWER)
        .read_to_end(&mut text)
        .map_err(|e| failed(&e))?;
    serde_json::from_slice(&text).map_err(|e| fault(format!("is not understood: {e}")))
}
