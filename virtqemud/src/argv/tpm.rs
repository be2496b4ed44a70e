//! Options of TPMs.

use super::character;
use super::command_line::Builder;
use super::context::StartContext;
use super::props::{OptionList, Props};
use std::path::{Path, PathBuf};
use virt_domain::Domain;
use virt_domain::devices::tpm::{Tpm, TpmBackend, TpmModel};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The id of the character device that leads to a TPM's program.
const CHARDEV: &str = "chrtpm";

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for tpm in &domain.devices.tpms {
        append_backend(b, context, tpm)?;
        let model = tpm.model.unwrap_or(TpmModel::TpmTis);
        let alias = tpm.info.alias().unwrap_or_default();
        let props = Props::device(model.word())
            .with("tpmdev", format!("tpm-{alias}"))
            .with("id", alias)
            .placed(domain, &tpm.info)?;
        b.device(&props);
    }
    Ok(())
}

fn append_backend(b: &mut Builder, context: &mut StartContext, tpm: &Tpm) -> Result<()> {
    let alias = tpm.info.alias().unwrap_or_default();
    let id = format!("tpm-{alias}");
    match &tpm.backend {
        TpmBackend::Passthrough { device } => {
            let fd = context.descriptors.tpm(Path::new(device))?;
            let cancel = context.descriptors.tpm(&cancel_path(device))?;
            let path = b.fdset(&[(fd, format!("{alias}-tpm"))]);
            let cancel_path = b.fdset(&[(cancel, format!("{alias}-cancel"))]);
            let list = OptionList::starting("passthrough")
                .with("id", id)
                .with("path", path)
                .with("cancel-path", cancel_path);
            b.option("-tpmdev", list.finish());
        }
        // Without its program, for people to read.
        TpmBackend::Emulator(_) if context.descriptors.names_files() => {
            let nothing = OptionList::starting("null").with("id", CHARDEV);
            b.option("-chardev", nothing.finish());
            append_device(b, &id);
        }
        TpmBackend::Emulator(emulator) => {
            let socket = emulator.socket.as_deref().ok_or_else(|| {
                Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Qemu,
                    format!("the TPM '{alias}' has no socket"),
                )
            })?;
            append_program(b, &id, socket);
        }
        TpmBackend::External { path } => append_program(b, &id, path),
    }
    Ok(())
}

fn append_program(b: &mut Builder, id: &str, socket: &str) {
    character::append_unix(b, CHARDEV, socket, None);
    append_device(b, id);
}

fn append_device(b: &mut Builder, id: &str) {
    let list = OptionList::starting("emulator")
        .with("id", id)
        .with("chardev", CHARDEV);
    b.option("-tpmdev", list.finish());
}

/// The file in which a command of the host's TPM is cancelled.
fn cancel_path(device: &str) -> PathBuf {
    let name = Path::new(device).file_name().unwrap_or_default();
    let path = Path::new("/sys/class/tpm").join(name).join("device/cancel");
    if path.exists() {
        return path;
    }
    Path::new("/sys/class/misc")
        .join(name)
        .join("device/cancel")
}
