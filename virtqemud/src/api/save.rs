//! Saving guests to files and to the managed place, and going on from there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use virt_domain::{Domain, View};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::{
    DomainManagedSave, DomainManagedSaveDefineXml, DomainManagedSaveGetXmlDesc,
    DomainManagedSaveGetXmlDescRet, DomainManagedSaveRemove, DomainRestore, DomainRestoreFlags,
    DomainSave, DomainSaveFlags, DomainSaveImageDefineXml, DomainSaveImageGetXmlDesc,
    DomainSaveImageGetXmlDescRet,
};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::define::Origin;
use crate::definitions::{self, off_thread};
use crate::driver::Driver;
use crate::guest::Guest;
use crate::save::{self, Image, RestoreOptions, SaveOptions};

/// Bits of `virDomainSaveRestoreFlags` (`libvirt-domain.h`).
mod save_flag {
    pub const BYPASS_CACHE: u32 = 1;
    pub const RUNNING: u32 = 1 << 1;
    pub const PAUSED: u32 = 1 << 2;
    pub const ALL: u32 = BYPASS_CACHE | RUNNING | PAUSED;
}

/// `VIR_DOMAIN_SAVE_IMAGE_XML_SECURE`: passwords are shown.
const XML_SECURE: u32 = 1;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainSave, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        save_to(guest.guest(), &call.args.to, None, 0, "qemuDomainSave").await
    });
    router.task::<DomainSaveFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let document = call.args.dxml.as_deref();
        let flags = call.args.flags;
        save_to(
            guest.guest(),
            &call.args.to,
            document,
            flags,
            "qemuDomainSaveFlags",
        )
        .await
    });
    router.task::<DomainManagedSave, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let options = save_options(call.args.flags, "qemuDomainManagedSave")?;
        guest.guest().managed_save(options).await
    });
    router.task::<DomainManagedSaveRemove, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        flags::only(call.args.flags, 0, "qemuDomainManagedSaveRemove")?;
        guest.guest().forget_managed_save().await
    });
    router.task::<DomainManagedSaveGetXmlDesc, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        flags::only(
            call.args.flags,
            XML_SECURE,
            "qemuDomainManagedSaveGetXMLDesc",
        )?;
        let path = managed(guest.guest())?;
        let driver = guest.guest().driver();
        let xml = describe(driver, path, call.args.flags & XML_SECURE != 0).await?;
        Ok(DomainManagedSaveGetXmlDescRet { xml })
    });
    router.task::<DomainManagedSaveDefineXml, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let path = managed(guest.guest())?;
        let driver = Arc::clone(guest.guest().driver());
        let xml = call.args.dxml.as_deref().unwrap_or_default();
        redefine(&driver, path, xml, call.args.flags).await
    });
    router.task::<DomainRestore, _, _>(|call| async move {
        restore(&call, &call.args.from, None, 0).await
    });
    router.task::<DomainRestoreFlags, _, _>(|call| async move {
        let document = call.args.dxml.as_deref();
        restore(&call, &call.args.from, document, call.args.flags).await
    });
    router.task::<DomainSaveImageGetXmlDesc, _, _>(|call| async move {
        flags::only(call.args.flags, XML_SECURE, "qemuDomainSaveImageGetXMLDesc")?;
        let (driver, domain) = opened(&call, &call.args.file, false).await?;
        let xml = document(&driver, domain, call.args.flags & XML_SECURE != 0).await;
        Ok(DomainSaveImageGetXmlDescRet { xml })
    });
    router.task::<DomainSaveImageDefineXml, _, _>(|call| async move {
        let (driver, _) = opened(&call, &call.args.file, false).await?;
        let path = PathBuf::from(&call.args.file);
        redefine(&driver, path, &call.args.dxml, call.args.flags).await
    });
}

/// Whether the guest runs afterwards; `None` when neither bit says.
fn running(flags: u32) -> Option<bool> {
    match flags & (save_flag::RUNNING | save_flag::PAUSED) {
        0 => None,
        bits => Some(bits == save_flag::RUNNING),
    }
}

fn save_options(flags: u32, function: &str) -> Result<SaveOptions> {
    flags::only(flags, save_flag::ALL, function)?;
    Ok(SaveOptions {
        running: running(flags),
        bypass_cache: flags & save_flag::BYPASS_CACHE != 0,
        document: None,
    })
}

async fn save_to(
    guest: &Arc<Guest>,
    to: &str,
    document: Option<&str>,
    flags: u32,
    function: &str,
) -> Result<()> {
    let mut options = save_options(flags, function)?;
    let live = Arc::clone(guest.snapshot().running()?);
    if let Some(xml) = document {
        let (domain, _) = definitions::read(guest.driver(), xml, Origin::Stored).await?;
        if domain.uuid != live.domain.uuid || domain.name != live.domain.name {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                format!(
                    "the document is of guest '{}', not of '{}'",
                    domain.name, live.domain.name
                ),
            ));
        }
        options.document = Some(domain);
    }
    guest.save(PathBuf::from(to), options).await
}

/// An image that a client names, and the guest it is of, which the caller may do `P` to.
async fn opened<P: Procedure>(
    call: &Call<P, Session>,
    path: &str,
    write: bool,
) -> Result<(Arc<Driver>, Box<Domain>)> {
    let path = PathBuf::from(path);
    let image = off_thread(move || Image::open(&path, write)).await?;
    let session = call.session();
    let permitted = session.guests().make(call, &image.documents.xml)?;
    let domain = save::definition(&image)?;
    Ok((Arc::clone(session.driver(&permitted)), domain))
}

async fn restore<P: Procedure>(
    call: &Call<P, Session>,
    from: &str,
    document: Option<&str>,
    flags: u32,
) -> Result<()> {
    flags::only(flags, save_flag::ALL, "qemuDomainRestoreFlags")?;
    let (driver, _) = opened(call, from, false).await?;
    let path = PathBuf::from(from);
    let image = off_thread(move || Image::open(&path, false)).await?;
    let document = match document {
        Some(xml) => Some(definitions::read(&driver, xml, Origin::Stored).await?.0),
        None => None,
    };
    let options = RestoreOptions {
        running: running(flags),
        document,
    };
    save::restore(&driver, image, options).await?;
    Ok(())
}

/// The guest's managed save image.
fn managed(guest: &Arc<Guest>) -> Result<PathBuf> {
    let snapshot = guest.snapshot();
    if !snapshot.managed_save {
        return Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Qemu,
            "domain does not have managed save image",
        ));
    }
    Ok(guest.driver().folders.managed_save(&snapshot.name))
}

async fn describe(driver: &Driver, path: PathBuf, secure: bool) -> Result<String> {
    let image = off_thread(move || Image::open(&path, false)).await?;
    let domain = save::definition(&image)?;
    Ok(document(driver, domain, secure).await)
}

/// The guest as it will go on: images leave out what every libvirt adds by itself.
async fn document(driver: &Driver, domain: Box<Domain>, secure: bool) -> String {
    let completed = definitions::complete(driver, domain.clone(), Origin::Stored).await;
    // One that can't go on here is still shown.
    let shown = completed.map_or(domain, |(completed, _)| completed);
    shown.to_xml(View {
        inactive: true,
        secure,
        migratable: false,
    })
}

async fn redefine(driver: &Arc<Driver>, path: PathBuf, xml: &str, flags: u32) -> Result<()> {
    flags::only(
        flags,
        save_flag::RUNNING | save_flag::PAUSED,
        "qemuDomainSaveImageDefineXML",
    )?;
    let (domain, _) = definitions::read(driver, xml, Origin::Stored).await?;
    let text = domain.to_xml(View {
        inactive: true,
        secure: true,
        migratable: true,
    });
    off_thread(move || {
        let image = Image::open(Path::new(&path), true)?;
        let saved = save::definition(&image)?;
        if saved.uuid != domain.uuid || saved.name != domain.name {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                format!(
                    "the document is of guest '{}', the image of '{}'",
                    domain.name, saved.name
                ),
            ));
        }
        let was_running = running(flags).unwrap_or(image.header.was_running);
        image.replace(text, was_running)
    })
    .await
}
