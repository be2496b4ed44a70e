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
use crate::driver::Driver;
use crate::lxc_conf::LxcConf;
use crate::{definitions, guest};

/// The daemon of containers.
#[derive(Debug)]
pub struct Virtlxcd {
    driver: Arc<Driver>,
    decider: Arc<Decider>,
}

impl Service for Virtlxcd {
    type Session = Session;
    type Conf = ();

    const NAME: &'static str = "virtlxcd";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CAPABILITIES: &'static [Kept] = crate::privileges::KEPT;

    fn configuration(file: Document, paths: &Paths) -> Result<(DaemonConf, ()), ConfError> {
        Ok((DaemonConf::read(file, paths)?, ()))
    }

    async fn start(base: Foundation) -> Result<Self, String> {
        if !base.paths.is_system() || !rustix::process::geteuid().is_root() {
            return Err("containers are root's alone: start virtlxcd as root".into());
        }
        let decider = Decider::configured(&base.conf, &base.paths, "LXC");
        virt_driver::audit::check(&base.conf, &base.paths).await?;
        let auditor = Auditor::configured(&base.conf, base.logging.outgoing());
        let conf = LxcConf::of(&base.paths).map_err(|error| error.to_string())?;
        let driver = Driver::new(base.paths, Access::by(&decider), auditor, &conf)
            .map_err(|error| error.to_string())?;
        driver.folders.create()?;
        let driver = Arc::new(driver);
        let refused = |error: virt_error::Error| error.to_string();
        guest::recover(&driver).await.map_err(refused)?;
        definitions::load(&driver).map_err(refused)?;
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
