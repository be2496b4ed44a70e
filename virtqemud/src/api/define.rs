//! Defining and undefining.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::{Event, Guest as _};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::{
    DomainDefineXml, DomainDefineXmlFlags, DomainDefineXmlFlagsRet, DomainDefineXmlRet,
    DomainUndefine, DomainUndefineFlags, NonnullDomain,
};
use virt_rpc::server::{Call, Router};
use virt_xml::Unknown;

use super::flags;
use super::session::Session;
use crate::define::{self, Origin};
use crate::definitions;
use crate::guest::{Body, Guest};

/// Check the document against the schema too.
const DEFINE_VALIDATE: u32 = 1;

/// Bits of `virDomainUndefineFlags` (`libvirt-domain.h`).
mod undefine_flag {
    pub const MANAGED_SAVE: u32 = 1;
    pub const SNAPSHOTS_METADATA: u32 = 1 << 1;
    pub const NVRAM: u32 = 1 << 2;
    pub const KEEP_NVRAM: u32 = 1 << 3;
    pub const CHECKPOINTS_METADATA: u32 = 1 << 4;
    pub const TPM: u32 = 1 << 5;
    pub const KEEP_TPM: u32 = 1 << 6;
    pub const ALL: u32 = MANAGED_SAVE
        | SNAPSHOTS_METADATA
        | NVRAM
        | KEEP_NVRAM
        | CHECKPOINTS_METADATA
        | TPM
        | KEEP_TPM;
}

/// Lifecycle event "undefined", detail "removed" (`libvirt-domain.h`).
const UNDEFINED: Event = Event::Lifecycle {
    event: 1,
    detail: 0,
};

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainDefineXml, _, _>(|call| async move {
        let dom = defined(&call, &call.args.xml, 0).await?;
        Ok(DomainDefineXmlRet { dom })
    });
    router.task::<DomainDefineXmlFlags, _, _>(|call| async move {
        let dom = defined(&call, &call.args.xml, call.args.flags).await?;
        Ok(DomainDefineXmlFlagsRet { dom })
    });
    router.task::<DomainUndefine, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        undefine(guest.guest(), 0).await
    });
    router.task::<DomainUndefineFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        undefine(guest.guest(), call.args.flags).await
    });
}

async fn defined<P: Procedure>(
    call: &Call<P, Session>,
    xml: &str,
    flags: u32,
) -> Result<NonnullDomain> {
    flags::only(flags, DEFINE_VALIDATE, "qemuDomainDefineXMLFlags")?;
    let session = call.session();
    let permitted = session.guests().make(call, xml)?;
    let domain = session.read_xml(xml, flags & DEFINE_VALIDATE != 0)?;
    let driver = session.driver(&permitted);
    let (domain, _) = definitions::complete(driver, domain, Origin::New).await?;
    let guest = definitions::define(driver, domain).await?;
    Ok(guest.on_the_wire())
}

impl Session {
    /// A client's document as a guest, nothing filled in yet but what choosing the emulator
    /// needs. `validate`: what the schema does not have is refused as the schema's refusal.
    ///
    /// # Errors
    /// What is wrong with it, by name.
    pub fn read_xml(&self, xml: &str, validate: bool) -> Result<Box<Domain>> {
        let config = self.reading_config();
        if !validate {
            return define::read(xml, config);
        }
        let (mut domain, unknown) = Domain::read_lenient(xml, virt_domain::random)?;
        if let Some(unknown) = unknown.first() {
            return Err(Error::new(
                ErrorCode::XmlInvalidSchema,
                ErrorDomain::Xml,
                format!(
                    "Unable to validate doc against {SCHEMA}\n{}",
                    schema_refusal(unknown)
                ),
            ));
        }
        define::with_emulator(&mut domain, config.host_arch);
        Ok(Box::new(domain))
    }
}

/// The schema whose refusals these are; the model knows no more than it does.
const SCHEMA: &str = "/usr/share/libvirt/schemas/domain.rng";

fn schema_refusal(unknown: &Unknown) -> String {
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    match unknown {
        Unknown::Element(path) => {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            format!("Element {} has extra content: {}", last(parent), last(path))
        }
        Unknown::Attribute(path, name) => {
            format!("Invalid attribute {name} for element {}", last(path))
        }
        Unknown::Text(path) => format!("Element {} has extra content: text", last(path)),
    }
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationInvalid, ErrorDomain::Qemu, what)
}

/// Makes the guest transient, and forgets it when it does not run.
async fn undefine(guest: &Arc<Guest>, flags: u32) -> Result<()> {
    use undefine_flag::*;
    flags::only(flags, ALL, "qemuDomainUndefineFlags")?;
    for (both, what) in [(NVRAM | KEEP_NVRAM, "nvram"), (TPM | KEEP_TPM, "TPM")] {
        if flags & both == both {
            return Err(invalid(format!("cannot both keep and delete {what}")));
        }
    }
    guest
        .run("undefine", move |body| Box::pin(remove(body, flags)))
        .await
}

async fn remove(body: &mut Body, flags: u32) -> Result<()> {
    let guest = Arc::clone(body.guest());
    let snapshot = guest.current();
    let driver = Arc::clone(guest.driver());
    let Some(definition) = snapshot.definition.clone() else {
        return Err(invalid("cannot undefine transient domain"));
    };
    let save = driver.folders.save.join(format!("{}.save", snapshot.name));
    if snapshot.managed_save && flags & undefine_flag::MANAGED_SAVE == 0 {
        return Err(invalid(
            "Refusing to undefine while domain managed save image exists",
        ));
    }
    // A definition the model can't read names no store that we would have made.
    let domain = definition.domain().ok();
    let nvram = domain.as_deref().and_then(nvram);
    if let Some(nvram) = nvram.as_deref().filter(|nvram| nvram.exists()) {
        if flags & (undefine_flag::NVRAM | undefine_flag::KEEP_NVRAM) == 0 {
            return Err(invalid("cannot undefine domain with nvram"));
        }
        tracing::debug!(nvram = %nvram.display(), "the store of the firmware's variables");
    }
    let tpm = driver.folders.swtpm.join(guest.uuid().to_string());
    let remove_nvram = nvram.filter(|_| flags & undefine_flag::NVRAM != 0);
    let has_tpm = domain
        .as_deref()
        .is_some_and(|d| !d.devices.tpms.is_empty());
    let remove_tpm = (has_tpm && flags & undefine_flag::KEEP_TPM == 0).then_some(tpm);
    let remove_save = snapshot.managed_save.then_some(save);

    let (name, store) = (Arc::clone(&snapshot.name), Arc::clone(&driver));
    definitions::off_thread(move || {
        if let Some(save) = &remove_save {
            unlink(save, "failed to remove managed save file")?;
        }
        if let Some(nvram) = &remove_nvram {
            unlink(nvram, "failed to remove nvram")?;
        }
        store.store.remove(&name)?;
        if let Some(tpm) = &remove_tpm {
            forget_tpm(tpm);
        }
        Ok(())
    })
    .await?;
    let active = snapshot.is_active();
    let dom = guest.on_the_wire();
    if !active {
        driver.registry.remove(&guest);
    }
    body.change(|snapshot| {
        snapshot.definition = None;
        snapshot.autostart = false;
        snapshot.autostart_once = false;
        snapshot.managed_save = false;
    });
    driver.events.emit_as(&*guest, dom, UNDEFINED);
    Ok(())
}

/// The file of the firmware's variables, if it is a local one.
fn nvram(domain: &Domain) -> Option<PathBuf> {
    let nvram = domain.os.nvram.as_ref()?;
    let long = nvram.source.as_ref().and_then(|source| source.path());
    nvram.path.as_deref().or(long).map(PathBuf::from)
}

fn unlink(path: &Path, what: &str) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::system(
            ErrorDomain::Qemu,
            format!("{what} '{}'", path.display()),
            &e,
        )),
        _ => Ok(()),
    }
}

/// The guest is undefined already; state that can't be removed is only reported.
fn forget_tpm(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!("cannot remove the TPM's state '{}': {e}", folder.display());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_refusal_names_parent_and_child() {
        assert_eq!(
            schema_refusal(&Unknown::Element("/domain/nonsense".into())),
            "Element domain has extra content: nonsense"
        );
    }
}
