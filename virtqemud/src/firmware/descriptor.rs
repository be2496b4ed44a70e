//! Firmware descriptors as QEMU's interface specification defines them (`docs/interop/firmware.json`
//! of QEMU), and where they are found.

use crate::described;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use virt_error::Result;

/// One descriptor, as far as selection looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Descriptor {
    /// `bios`, `uefi`, …
    pub interface_types: Vec<String>,
    /// Which files it consists of.
    pub mapping: Mapping,
    /// The machines it runs on.
    pub targets: Vec<Target>,
    /// What it offers and needs.
    pub features: Vec<String>,
}

/// How the firmware gets into the guest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "device", rename_all = "kebab-case")]
pub enum Mapping {
    /// Into flash memory.
    #[serde(rename_all = "kebab-case")]
    Flash {
        /// Whether code and variables are one file.
        #[serde(default)]
        mode: FlashMode,
        /// The code.
        executable: FlashFile,
        /// What a guest's variables start from.
        #[serde(default)]
        nvram_template: Option<FlashFile>,
    },
    /// As a kernel.
    Kernel {
        /// The file.
        filename: String,
    },
    /// As plain memory.
    Memory {
        /// The file.
        filename: String,
    },
}

/// Whether code and variables are one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlashMode {
    /// Two files.
    #[default]
    Split,
    /// One file, written to.
    Combined,
    /// No variables are kept.
    Stateless,
}

/// A flash image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FlashFile {
    /// Its path.
    pub filename: String,
    /// `raw`, `qcow2`.
    pub format: String,
}

/// An architecture and the machine types of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// QEMU's name of it.
    pub architecture: String,
    /// Patterns of machine names, `*` stands for anything.
    pub machines: Vec<String>,
}

impl Descriptor {
    /// Whether it has that feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|f| f == feature)
    }

    /// Whether it is made for that machine; the architecture is QEMU's name of it.
    pub fn runs_on(&self, arch: &str, machine: &str) -> bool {
        self.targets.iter().any(|target| {
            target.architecture == arch
                && target
                    .machines
                    .iter()
                    .any(|pattern| super::select::matches(pattern, machine))
        })
    }
}

/// Folders with descriptors, the ones that count most first: the user's own, the administrator's,
/// the distribution's.
pub fn folders(root: &Path, user_config: Option<&Path>) -> Vec<PathBuf> {
    user_config
        .map(|dir| dir.join("qemu/firmware"))
        .into_iter()
        .chain(["etc/qemu/firmware", "usr/share/qemu/firmware"].map(|dir| root.join(dir)))
        .collect()
}

/// All descriptors of the folders in order of preference, which is the order of their file names.
/// A file hides its namesakes in folders that count less; an empty one hides them without a
/// replacement. A file that isn't a descriptor is passed over with a warning in the log.
///
/// # Errors
/// SYSTEM_ERROR when a folder that exists can't be read.
pub fn load(folders: &[PathBuf]) -> Result<Vec<Descriptor>> {
    let files = described::files(folders)?;
    Ok(files
        .iter()
        .filter_map(|path| described::read(path))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_counts_more_hides_and_masks() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(root.path(), None);
        for folder in &folders {
            std::fs::create_dir_all(folder).unwrap();
        }
        let text = |file: &str| {
            format!(
                r#"{{"description": "x", "interface-types": ["bios"], "features": [], "tags": [],
                    "mapping": {{"device": "memory", "filename": "{file}"}},
                    "targets": [{{"architecture": "x86_64", "machines": ["pc-*"]}}]}}"#
            )
        };
        let put = |folder: &Path, name: &str, text: &str| {
            std::fs::write(folder.join(name), text).unwrap()
        };
        put(&folders[1], "20-b.json", &text("/vendor"));
        put(&folders[1], "10-a.json", &text("/first"));
        put(&folders[1], "30-c.json", &text("/masked"));
        put(&folders[1], "40-d.json", "{not json");
        put(&folders[0], "20-b.json", &text("/admin"));
        put(&folders[0], "30-c.json", "");
        let names: Vec<_> = load(&folders)
            .unwrap()
            .into_iter()
            .map(|d| match d.mapping {
                Mapping::Memory { filename } => filename,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["/first", "/admin"]);
    }
}
