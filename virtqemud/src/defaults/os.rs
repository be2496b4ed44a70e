//! Defaults of the machine type.

use super::Context;
use crate::define::accel;
use virt_domain::{Domain, OsKind};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    if domain.os.kind.kind != OsKind::Hvm {
        return Err(unsupported(format!(
            "Emulator '{}' does not support os type '{}'",
            context.caps.emulator, domain.os.kind.kind
        )));
    }
    let arch = domain.os.kind.arch.unwrap_or_default();
    if context.caps.arch != arch.word() && !is_32_bit_on_64(&context.caps.arch, arch.word()) {
        return Err(unsupported(format!(
            "Emulator '{}' does not support arch '{arch}'",
            context.caps.emulator
        )));
    }
    let accel = accel(domain.virt_type);
    if context.caps.accel(accel).is_none() {
        return Err(unsupported(format!(
            "Emulator '{}' does not support virt type '{}'",
            context.caps.emulator, domain.virt_type
        )));
    }
    let name = match &domain.os.kind.machine {
        Some(name) => context
            .caps
            .machine(accel, name)
            .map(|machine| machine.name.clone())
            .ok_or_else(|| {
                unsupported(format!(
                    "Emulator '{}' does not support machine type '{name}'",
                    context.caps.emulator
                ))
            })?,
        None => context
            .caps
            .default_machine(accel)
            .map(|machine| machine.name.clone())
            .ok_or_else(|| {
                Error::new(
                    ErrorCode::InvalidArg,
                    ErrorDomain::Qemu,
                    format!(
                        "could not get preferred machine for {}",
                        context.caps.emulator
                    ),
                )
            })?,
    };
    domain.os.kind.machine = Some(name);
    for label in &mut domain.seclabels {
        // No security driver labels guests so far.
        label.on_host_without_driver();
    }
    super::firmware::fill(domain, context)
}

/// A 64-bit x86 emulator runs 32-bit guests too.
fn is_32_bit_on_64(emulator: &str, guest: &str) -> bool {
    emulator == "x86_64" && guest == "i686"
}

fn unsupported(text: String) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}
