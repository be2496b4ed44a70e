//! Who asks for a start, and what the guest starts from.

use std::sync::Arc;

use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::body::Body;
use super::entry::Guest;
use super::snapshot::Snapshot;
use crate::caps::QemuCaps;
use crate::driver::Driver;
use crate::start::{Origin, Plan};
use crate::{define, definitions};

/// How a guest is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartOptions {
    /// Its processors stay stopped.
    pub paused: bool,
    /// A saved state is thrown away and the guest boots.
    pub force_boot: bool,
    /// The saved state is read past the host's cache.
    pub bypass_cache: bool,
    /// The firmware's variables start afresh.
    pub reset_nvram: bool,
}

impl Guest {
    /// Starts a guest that has a definition: from its managed save image where there is one, else
    /// from its firmware.
    ///
    /// # Errors
    /// OPERATION_INVALID when it runs; what is missing, by name.
    pub async fn start(self: &Arc<Self>, options: StartOptions) -> Result<()> {
        self.run("start", move |body| Box::pin(body.start(options)))
            .await
    }

    /// Starts a guest as the plan says; its definition, if any, stays as it is.
    async fn launch(self: &Arc<Self>, job: &'static str, plan: Plan) -> Result<()> {
        self.run(job, move |body| {
            Box::pin(async move {
                body.check_inactive()?;
                body.boot(plan).await
            })
        })
        .await
    }
}

/// Starts a guest from a document: a transient one, unless there is a definition of its name and
/// UUID already, which stays as it is.
///
/// # Errors
/// OPERATION_FAILED when name or UUID belong to another guest, OPERATION_INVALID when it runs; as
/// [`Guest::start`].
pub async fn create(
    driver: &Arc<Driver>,
    domain: Box<Domain>,
    caps: Arc<QemuCaps>,
    options: StartOptions,
) -> Result<Arc<Guest>> {
    let plan = Plan {
        domain,
        caps,
        origin: Origin::Boot,
        paused: options.paused,
        reset_nvram: options.reset_nvram,
    };
    create_from(driver, "create", plan).await
}

/// Starts the guest of a plan: a transient one, unless there is a definition of its name and UUID
/// already, which stays as it is.
///
/// # Errors
/// As [`create`].
pub(crate) async fn create_from(
    driver: &Arc<Driver>,
    job: &'static str,
    plan: Plan,
) -> Result<Arc<Guest>> {
    let uuid = plan.domain.uuid;
    let reserved = driver.registry.reserve(&plan.domain.name, uuid);
    match reserved.map_err(|taken| taken.refusal(&plan.domain.name, uuid, ErrorDomain::Qemu))? {
        Err(guest) => {
            if guest.snapshot().is_active() {
                return Err(already_active(&guest));
            }
            guest.launch(job, plan).await?;
            Ok(guest)
        }
        Ok(reservation) => {
            let snapshot = Snapshot::inactive(Arc::clone(reservation.name()));
            let guest = Guest::new(driver, uuid, snapshot);
            reservation.insert(Arc::clone(&guest));
            if let Err(error) = guest.launch(job, plan).await {
                // What got as far as a process was removed with it.
                let known = driver.registry.by_uuid(&uuid);
                if known.is_some_and(|known| Arc::ptr_eq(&known, &guest)) {
                    driver.registry.remove(&guest);
                }
                return Err(error);
            }
            Ok(guest)
        }
    }
}

fn already_active(guest: &Guest) -> Error {
    Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Qemu,
        format!("domain '{}' is already active", guest.snapshot().name),
    )
}

impl Body {
    pub(crate) fn check_inactive(&self) -> Result<()> {
        match self.guest().snapshot().is_active() {
            true => Err(Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Qemu,
                "domain is already running",
            )),
            false => Ok(()),
        }
    }

    async fn start(&mut self, options: StartOptions) -> Result<()> {
        self.check_inactive()?;
        let snapshot = self.guest().current();
        let Some(definition) = &snapshot.definition else {
            // It was transient, and is gone by now.
            return Err(Error::new(
                ErrorCode::NoDomain,
                ErrorDomain::Qemu,
                format!("no domain with matching name '{}'", snapshot.name),
            ));
        };
        if snapshot.managed_save {
            if options.force_boot {
                self.forget_managed_save().await?;
            } else if self.start_saved(options.paused).await? {
                return Ok(());
            }
        }
        let domain = Box::new(Domain::clone(&*definition.domain()?));
        // One that libvirt wrote says less than ours.
        let (domain, caps) =
            definitions::complete(self.driver(), domain, define::Origin::Stored).await?;
        self.boot(Plan {
            domain,
            caps,
            origin: Origin::Boot,
            paused: options.paused,
            reset_nvram: options.reset_nvram,
        })
        .await
    }
}
