//! The CPU models that are known by name: read at run time from the folder that libvirt's own
//! packages install (`/usr/share/libvirt/cpu_map`, package `libvirt-common` on Debian).
//!
//! `index.xml` names the files of each architecture in their order. x86 models are sets of
//! features ([`X86`]); of POWER and Arm models only the names are needed.

mod file;
mod x86;

use std::path::Path;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use file::{Cpus, Index};
pub use x86::{Feature, Model, Vendor, X86};

/// More files than this are not read for one architecture.
const MAX_FILES: usize = 1000;

/// Every known CPU model.
#[derive(Debug, Default)]
pub struct CpuMap {
    /// x86.
    pub x86: X86,
    /// The names of POWER models.
    pub ppc64: Vec<String>,
    /// The names of Arm models.
    pub arm: Vec<String>,
}

impl CpuMap {
    /// Where libvirt's packages put it.
    pub const FOLDER: &str = "/usr/share/libvirt/cpu_map";

    /// Reads the folder; about 150 small files.
    ///
    /// # Errors
    /// SYSTEM_ERROR or XML_ERROR that names the file, and the package to install when there is
    /// no folder.
    pub fn load(folder: &Path) -> Result<Self> {
        let index: Index = read(folder, "index.xml")?;
        let mut map = Self::default();
        for arch in index.archs {
            let files = arch
                .includes
                .into_iter()
                .chain(arch.groups.into_iter().flat_map(|group| group.includes));
            for include in files.take(MAX_FILES) {
                let name = &include.filename;
                if name.contains('/') {
                    return Err(bad(folder, name, "names a file elsewhere"));
                }
                let cpus: Cpus = read(folder, name)?;
                match arch.name.as_str() {
                    "x86" => map.x86.add(cpus).map_err(|what| bad(folder, name, &what))?,
                    "ppc64" => map.ppc64.extend(names(cpus)),
                    "arm" => map.arm.extend(names(cpus)),
                    _ => {}
                }
            }
        }
        Ok(map)
    }

    /// The names of an architecture's models, by libvirt's name of it; `None` when any name
    /// will do.
    pub fn names(&self, arch: &str) -> Option<Vec<&str>> {
        match arch {
            "i686" | "x86_64" => Some(self.x86.models().map(|model| model.name.as_str()).collect()),
            "ppc64" | "ppc64le" => Some(self.ppc64.iter().map(String::as_str).collect()),
            _ => None,
        }
    }
}

fn names(cpus: Cpus) -> impl Iterator<Item = String> {
    cpus.models.into_iter().map(|model| model.name)
}

fn read<E: virt_xml::Element>(folder: &Path, name: &str) -> Result<E> {
    let path = folder.join(name);
    let text = crate::sysfs::read_text(&path).map_err(|cause| {
        let what = format!(
            "cannot read CPU models from {} (installed by the package libvirt-common)",
            path.display()
        );
        Error::system(ErrorDomain::Cpu, &what, &cause)
    })?;
    // What a newer map adds is of no use to us.
    let (value, _unknown) =
        virt_xml::read(&text).map_err(|error| bad(folder, name, error.message()))?;
    Ok(value)
}

fn bad(folder: &Path, name: &str, what: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Cpu,
        format!("CPU models in {}: {what}", folder.join(name).display()),
    )
}
