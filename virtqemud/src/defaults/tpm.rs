//! Defaults of TPMs.

use super::Context;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::tpm::{TpmBackend, TpmModel, TpmVersion};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    for tpm in &mut domain.devices.tpms {
        let model = *tpm.model.get_or_insert(match arch {
            Arch::Ppc64 | Arch::Ppc64le => TpmModel::TpmSpapr,
            _ => TpmModel::TpmTis,
        });
        if let TpmBackend::Emulator(emulator) = &mut tpm.backend {
            emulator.version.get_or_insert(match (model, arch) {
                (TpmModel::TpmTis, Arch::X86_64 | Arch::I686) => TpmVersion::V1,
                // The others are of TPM 2.0 alone.
                _ => TpmVersion::V2,
            });
            emulator.check()?;
        }
    }
    Ok(())
}
