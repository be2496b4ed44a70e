//! The daemon around the logs.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::spawn_blocking;
use virt_daemon::conf::{ConfError, Document};
use virt_daemon::privileges::Kept;
use virt_daemon::{DaemonConf, Foundation, Inherited, Paths, Saved, Service};
use virt_rpc::server::Router;

use crate::limits::Limits;
use crate::logs::Logs;
use crate::{api, cleaning, kept, privileges, sandbox, state};

/// The daemon of guests' logs.
#[derive(Debug)]
pub struct Virtlogd {
    logs: Arc<Logs>,
}

impl Service for Virtlogd {
    type Session = ();
    type Conf = Limits;

    const NAME: &'static str = "virtlogd";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CAPABILITIES: &'static [Kept] = privileges::SERVING;

    fn configuration(mut file: Document, paths: &Paths) -> Result<(DaemonConf, Limits), ConfError> {
        let conf = DaemonConf::read_service(&mut file, paths)?;
        let limits = Limits::read(&mut file, paths)?;
        file.finish()?;
        Ok((conf, limits))
    }

    async fn start(base: Foundation<Limits>) -> Result<Self, String> {
        let this = Self::new(base.own);
        kept::restore(&this.logs, base.kept);
        sandbox::enter()?;
        Ok(this)
    }

    async fn take_over(base: Foundation<Limits>, left: &mut Inherited) -> Result<Self, String> {
        let this = Self::new(base.own);
        state::restore(&this.logs, &left.state, &mut left.descriptors)?;
        Ok(this)
    }

    fn save(&self) -> Option<Saved> {
        Some(state::save(&self.logs))
    }

    fn load_session(
        self: &Arc<Self>,
        _: &[u8],
        _: &Arc<std::os::unix::net::UnixStream>,
    ) -> Result<(), String> {
        Ok(())
    }

    fn check(saved: &[u8]) -> Result<(), String> {
        state::check(saved)
    }

    fn router(self: &Arc<Self>) -> Router<()> {
        api::router(&self.logs)
    }

    fn serving(self: &Arc<Self>) {
        tokio::spawn(keep_clean(Arc::clone(&self.logs)));
    }

    fn is_busy(&self) -> bool {
        !self.logs.is_empty()
    }
}

impl Virtlogd {
    fn new(limits: Limits) -> Self {
        Self {
            logs: Arc::new(Logs::new(limits)),
        }
    }
}

async fn keep_clean(logs: Arc<Logs>) {
    let limits = logs.limits().clone();
    let Some(age) = limits.age else {
        return;
    };
    loop {
        tokio::time::sleep(cleaning::EVERY).await;
        let (all, limits) = (Arc::clone(&logs), limits.clone());
        let cleaned = spawn_blocking(move || {
            let now = SystemTime::now();
            cleaning::clean(&limits.root, age, limits.backups, now, |path| all.has(path))
        });
        if let Ok(Err(e)) = cleaned.await {
            tracing::warn!("old logs can't be looked for: {e}");
        }
    }
}
