//! The daemon around the driver: what it reads before the first client is served, and what makes
//! it stay.

use std::sync::Arc;

use virt_daemon::conf::{ConfError, Document};
use virt_daemon::metrics::Figure;
use virt_daemon::privileges::Kept;
use virt_daemon::{DaemonConf, Foundation, Paths, Service};
use virt_driver::access::{Access, Decider, Door};
use virt_driver::audit::Auditor;
use virt_rpc::server::Router;

use crate::api::{self, Session};
use crate::definitions;
use crate::driver::Driver;
use crate::guest;
use crate::qemu_conf::QemuConf;

/// The daemon of QEMU guests.
#[derive(Debug)]
pub struct Virtqemud {
    driver: Arc<Driver>,
    decider: Arc<Decider>,
}

impl Service for Virtqemud {
    type Session = Session;
    type Conf = ();

    const NAME: &'static str = "virtqemud";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CAPABILITIES: &'static [Kept] = crate::privileges::KEPT;

    fn configuration(file: Document, paths: &Paths) -> Result<(DaemonConf, ()), ConfError> {
        Ok((DaemonConf::read(file, paths)?, ()))
    }

    async fn start(base: Foundation) -> Result<Self, String> {
        let file = base.paths.config.join("qemu.conf");
        let conf = Document::read(&file, false)
            .and_then(|document| QemuConf::read(document, &base.paths))
            .map_err(|error| error.to_string())?;
        for key in &conf.without_effect {
            tracing::warn!("{}: '{key}' has no effect here", file.display());
        }
        let decider = Decider::configured(&base.conf, &base.paths, "QEMU");
        virt_driver::audit::check(&base.conf, &base.paths).await?;
        let auditor = Auditor::configured(&base.conf, base.logging.outgoing());
        let driver = Driver::new(base.paths, conf, Access::by(&decider), auditor)
            .map_err(|error| error.to_string())?;
        driver.folders.create()?;
        let driver = Arc::new(driver);
        let ready = Arc::clone(&driver);
        // May take longer than clients wait for a daemon. A guest that is started meanwhile waits.
        tokio::spawn(async move {
            if let Err(error) = ready.leases.get_ready().await {
                tracing::error!("leases can't be had yet: {error}");
            }
        });
        let refused = |error: virt_error::Error| error.to_string();
        guest::recover(&driver).await.map_err(refused)?;
        definitions::load(&driver).map_err(refused)?;
        guest::forget_transient(&driver);
        definitions::autostart(&driver);
        Ok(Self { driver, decider })
    }

    fn router(self: &Arc<Self>) -> Router<Session> {
        let mut router = api::router(Arc::clone(&self.driver));
        router.ask_at_the_door(Door::new(Arc::clone(&self.decider)));
        if self.decider.decides() {
            router.let_calls_come_again();
        }
        router
    }

    async fn reload(self: &Arc<Self>) {
        let driver = Arc::clone(&self.driver);
        virt_driver::done_off_thread(move || {
            if let Err(error) = definitions::load(&driver) {
                tracing::error!("the definitions are not read again: {error}");
            }
        })
        .await;
    }

    fn figures(&self) -> Vec<Figure> {
        virt_driver::figures(&self.driver.registry, &self.decider)
    }

    fn is_busy(&self) -> bool {
        !self.driver.registry.active().is_empty()
    }
}
