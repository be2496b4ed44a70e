//! Saving: from the running guest to the image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use virt_domain::{Domain, View};
use virt_driver::{Paused, Running as RunReason, Shutoff, State};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::{Documents, Format, Image, packer};
use crate::definitions::off_thread;
use crate::guest::{Body, Guest};
use crate::migratable;

/// How a guest is saved.
#[derive(Debug, Clone, Default)]
pub struct SaveOptions {
    /// Whether it runs when it goes on; as it does now when `None`.
    pub running: Option<bool>,
    /// What is written does not stay in the host's cache.
    pub bypass_cache: bool,
    /// The definition it goes on with, if not its own.
    pub document: Option<Box<Domain>>,
}

/// What a guest writes to a transient disk goes with its QEMU.
fn check_disks(domain: &Domain) -> Result<()> {
    if domain.devices.disks.iter().all(|d| d.transient.is_none()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Qemu,
        "migration with transient disk is not supported",
    ))
}

impl Guest {
    /// Saves the guest to a file and ends it.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run; SYSTEM_ERROR that names the file. The guest goes on
    /// then, and there is no file.
    pub async fn save(self: &Arc<Self>, path: PathBuf, options: SaveOptions) -> Result<()> {
        let format = self.driver().conf.save_image_format;
        self.run("save", move |body| {
            Box::pin(async move {
                check_disks(&body.live()?.domain)?;
                body.save(&path, format, options).await
            })
        })
        .await
    }

    /// Saves the guest to the place where its next start looks for it, and ends it.
    ///
    /// # Errors
    /// As [`Guest::save`]; OPERATION_INVALID for a transient guest.
    pub async fn managed_save(self: &Arc<Self>, options: SaveOptions) -> Result<()> {
        let format = self.driver().conf.save_image_format;
        self.run("managed save", move |body| {
            Box::pin(async move {
                let live = body.live()?;
                if body.guest().snapshot().definition.is_none() {
                    return Err(Error::new(
                        ErrorCode::OperationInvalid,
                        ErrorDomain::Qemu,
                        "cannot do managed save for transient domain",
                    ));
                }
                check_disks(&live.domain)?;
                let path = body.driver().folders.managed_save(&body.name());
                body.save(&path, format, options).await?;
                body.change(|snapshot| snapshot.managed_save = true);
                Ok(())
            })
        })
        .await
    }

    /// Removes the image that the next start would go on from.
    ///
    /// # Errors
    /// SYSTEM_ERROR that names the file.
    pub async fn forget_managed_save(self: &Arc<Self>) -> Result<()> {
        self.run("managed save remove", |body| {
            Box::pin(body.forget_managed_save())
        })
        .await
    }
}

impl Body {
    pub(crate) async fn forget_managed_save(&mut self) -> Result<()> {
        let path = self.driver().folders.managed_save(&self.name());
        off_thread(move || {
            std::fs::remove_file(&path).map_err(|cause| {
                let what = format!("Failed to remove managed save file '{}'", path.display());
                Error::system(ErrorDomain::Qemu, what, &cause)
            })
        })
        .await?;
        self.change(|snapshot| snapshot.managed_save = false);
        Ok(())
    }

    async fn save(&mut self, path: &Path, format: Format, options: SaveOptions) -> Result<()> {
        let live = self.live()?;
        let ran = matches!(self.guest().snapshot().state, State::Running(_));
        let view = View {
            inactive: true,
            secure: true,
            migratable: true,
        };
        let asked = options.document.as_deref().unwrap_or(&live.domain);
        let mut domain = Domain::clone(asked);
        let config = &self.driver().config;
        migratable::strip(&mut domain, live.asked_cpu.as_deref(), config);
        let documents = Documents {
            xml: domain.to_xml(view),
            cookie: None,
        };
        let was_running = options.running.unwrap_or(ran);
        let (place, uncached) = (path.to_owned(), options.bypass_cache);
        let begun = off_thread(move || {
            let image = Image::begin(&place, documents, was_running, format)?;
            let (to, packer) = packer::pack(format, image.stream()?)?;
            Ok((image, to, packer))
        });
        let (image, to, packer) = self.attend(begun).await?;
        let saved = async {
            if ran {
                self.stop_cpus(Paused::Save).await?;
            }
            self.write_state(to).await?;
            let finished = off_thread(move || {
                packer.map_or(Ok(()), packer::Packer::finish)?;
                image.complete(uncached)
            });
            self.attend(finished).await
        }
        .await;
        if let Err(error) = saved {
            let place = path.to_owned();
            // The first failure is the one to tell; half an image is no use to anybody.
            let _ = off_thread(move || {
                let _ = std::fs::remove_file(place);
                Ok(())
            })
            .await;
            self.go_on(ran).await;
            return Err(error);
        }
        self.end_qemu(Shutoff::Saved);
        self.await_end().await;
        Ok(())
    }

    /// A guest that could not be saved goes on as before.
    async fn go_on(&mut self, ran: bool) {
        let stands = matches!(self.guest().snapshot().state, State::Paused(Paused::Save));
        if ran
            && stands
            && let Err(error) = self.start_cpus(RunReason::SaveCanceled).await
        {
            tracing::error!(guest = %self.name(), %error, "the guest stays paused after its save failed");
        }
    }
}
