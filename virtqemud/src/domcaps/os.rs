//! Firmware: what may be asked for by name, and which images there are.

use virt_domain::Arch;
use virt_xml::Writer;

use super::Subject;
use super::document::{Enum, Section};
use super::surroundings::Surroundings;
use crate::firmware::{Descriptor, Mapping};

/// The `<os>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Os {
    /// `firmware='…'`.
    pub firmware: Enum,
    /// Paths of images.
    pub loaders: Vec<String>,
    /// Attributes of `<loader>`.
    pub loader: Section,
}

pub(super) fn describe(subject: &Subject, host: &Surroundings) -> Os {
    let fitting: Vec<&Descriptor> = host
        .firmware
        .iter()
        .filter(|descriptor| fits(descriptor, subject))
        .collect();
    let offers = |interface: &str| {
        fitting
            .iter()
            .any(|descriptor| descriptor.interface_types.iter().any(|t| t == interface))
    };
    let mut loaders: Vec<String> = Vec::new();
    for descriptor in &fitting {
        let path = match &descriptor.mapping {
            Mapping::Flash { executable, .. } => &executable.filename,
            Mapping::Memory { filename } => filename,
            Mapping::Kernel { .. } => continue,
        };
        if !loaders.contains(path) {
            loaders.push(path.clone());
        }
    }
    if fitting.is_empty() {
        loaders.clone_from(&host.known_loaders);
        loaders.retain(|path| made_for(path, subject));
    }
    let secure = fitting
        .iter()
        .any(|d| d.has("secure-boot") && d.has("requires-smm"));
    Os {
        firmware: Enum::of(
            "firmware",
            &[("bios", offers("bios")), ("efi", offers("uefi"))],
        ),
        loaders: host.loader_paths.clone().unwrap_or(loaders),
        loader: Section::supported([
            Enum::new("type", ["rom", "pflash"]),
            Enum::new("readonly", ["yes", "no"]),
            Enum::of(
                "secure",
                &[("yes", secure && subject.is_x86()), ("no", true)],
            ),
        ]),
    }
}

fn fits(descriptor: &Descriptor, subject: &Subject) -> bool {
    descriptor.runs_on(subject.arch.qemu_name(), &subject.machine.name)
}

/// What an image without a descriptor is for, by the folder that distributions keep it in.
fn made_for(path: &str, subject: &Subject) -> bool {
    match subject.arch {
        Arch::Aarch64 => path.contains("/AAVMF/AAVMF_"),
        Arch::Armv7l => path.contains("/AAVMF/AAVMF32_"),
        arch => arch.is_x86() && path.contains("/OVMF"),
    }
}

impl Os {
    pub(super) fn write(&self, out: &mut Writer) {
        Section::supported([self.firmware.clone()]).write_then(out, "os", |out| {
            self.loader.write_with(out, "loader", |out| {
                for path in &self.loaders {
                    out.text_element("value", path);
                }
            });
        });
    }
}
