//! Restoring: from the image to the running guest.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::{Image, packer};
use crate::define::Origin as DefinitionOrigin;
use crate::definitions::{self, off_thread};
use crate::driver::Driver;
use crate::guest::{self, Body, Guest};
use crate::start::{Origin, Plan};

/// How a guest goes on.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Whether it runs; as it did when it was saved when `None`.
    pub running: Option<bool>,
    /// The definition it goes on with, if not the image's.
    pub document: Option<Box<Domain>>,
}

/// Reads an image's definition.
///
/// # Errors
/// As [`Image::open`]; what is wrong with the definition.
pub fn definition(image: &Image) -> Result<Box<Domain>> {
    // Libvirt's own images may say what ours don't know: it is of a guest that ran.
    let (domain, _) = Domain::read_lenient(&image.documents.xml, virt_domain::random)?;
    Ok(Box::new(domain))
}

/// The guest of an image goes on: one that is defined, or a transient one.
///
/// # Errors
/// As [`Image::open`], OPERATION_INVALID when the guest runs already, and as a start.
pub async fn restore(
    driver: &Arc<Driver>,
    image: Image,
    options: RestoreOptions,
) -> Result<Arc<Guest>> {
    image.check_complete()?;
    let saved = definition(&image)?;
    let domain = match options.document {
        Some(document) => same(&saved, document)?,
        None => saved,
    };
    let paused = !options.running.unwrap_or(image.header.was_running);
    let (domain, caps) = definitions::complete(driver, domain, DefinitionOrigin::Stored).await?;
    let (stream, unpacking) = off_thread(move || stream(image)).await?;
    let plan = Plan {
        domain,
        caps,
        origin: Origin::Saved(stream),
        paused,
        reset_nvram: false,
    };
    let restored = guest::create_from(driver, "restore", plan).await;
    reap(unpacking);
    restored
}

/// The document given for a restore has to be of the same guest.
fn same(saved: &Domain, document: Box<Domain>) -> Result<Box<Domain>> {
    if saved.uuid == document.uuid && saved.name == document.name {
        return Ok(document);
    }
    Err(Error::new(
        ErrorCode::ConfigUnsupported,
        ErrorDomain::Qemu,
        format!(
            "the document is of guest '{}' ({}), the image of guest '{}' ({})",
            document.name, document.uuid, saved.name, saved.uuid
        ),
    ))
}

/// What QEMU reads. Blocks.
fn stream(image: Image) -> Result<(OwnedFd, Option<packer::Packer>)> {
    let format = image.header.format;
    packer::unpack(format, image.into_stream().into())
}

/// QEMU has read what it wanted; the program that unpacked is done as well.
fn reap(packer: Option<packer::Packer>) {
    if let Some(packer) = packer {
        tokio::task::spawn_blocking(move || {
            if let Err(error) = packer.finish() {
                tracing::warn!(%error, "unpacking a save image");
            }
        });
    }
}

impl Body {
    /// Goes on from the guest's managed save image; `false` when there is none that can be used.
    pub(crate) async fn start_saved(&mut self, paused: bool) -> Result<bool> {
        let path: PathBuf = self.driver().folders.managed_save(&self.name());
        let place = path.clone();
        let image = off_thread(move || Image::open(&place, false)).await?;
        if !image.header.complete {
            tracing::warn!(guest = %self.name(), "its save was cut off; it boots");
            self.forget_managed_save().await?;
            return Ok(false);
        }
        let (domain, caps) = {
            let saved = definition(&image)?;
            definitions::complete(self.driver(), saved, DefinitionOrigin::Stored).await?
        };
        let paused = paused || !image.header.was_running;
        let (stream, unpacking) = off_thread(move || stream(image)).await?;
        let booted = self
            .boot(Plan {
                domain,
                caps,
                origin: Origin::Saved(stream),
                paused,
                reset_nvram: false,
            })
            .await;
        reap(unpacking);
        booted?;
        self.forget_managed_save().await?;
        Ok(true)
    }
}
