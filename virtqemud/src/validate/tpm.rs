//! Checks of TPMs against what QEMU and this driver can do.

use super::Context;
use super::refusal::unsupported;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::tpm::{Tpm, TpmBackend, TpmModel, TpmVersion};
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let tpms = &domain.devices.tpms;
    if tpms.len() > 1 {
        return Err(unsupported(
            "only a single TPM non-proxy device is supported",
        ));
    }
    tpms.iter().try_for_each(|tpm| one(tpm, context))
}

fn one(tpm: &Tpm, context: &Context) -> Result<()> {
    let emulator = &context.caps.emulator;
    let (flag, word) = match &tpm.backend {
        TpmBackend::Passthrough { .. } => (CapFlag::TpmPassthrough, "passthrough"),
        TpmBackend::Emulator(_) => (CapFlag::TpmEmulator, "emulator"),
        TpmBackend::External { .. } => (CapFlag::TpmEmulator, "external"),
    };
    if !context.caps.has(flag) {
        return Err(unsupported(format!(
            "The QEMU executable {emulator} does not support TPM backend type {word}"
        )));
    }
    let model = tpm.model.unwrap_or(TpmModel::TpmTis);
    let flag = match model {
        TpmModel::TpmTis => CapFlag::TpmTis,
        TpmModel::TpmCrb => CapFlag::TpmCrb,
        TpmModel::TpmSpapr => CapFlag::TpmSpapr,
        TpmModel::SpaprTpmProxy => CapFlag::SpaprTpmProxy,
    };
    if !context.caps.has(flag) {
        return Err(unsupported(format!(
            "The QEMU executable {emulator} does not support TPM model {model}"
        )));
    }
    if let TpmBackend::Emulator(emulator) = &tpm.backend {
        if emulator.version == Some(TpmVersion::V1) && model != TpmModel::TpmTis {
            return Err(unsupported(format!(
                "TPM version '1.2' is not supported with model '{model}'"
            )));
        }
        if emulator.encryption.is_some() && !context.config.takes_unmet {
            return Err(unsupported(
                "<encryption> of a TPM is not supported yet; remove it",
            ));
        }
    }
    Ok(())
}
