//! The daemon around the logs.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::spawn_blocking;
use virt_daemon::conf::{ConfError, Document};
use virt_daemon::logging::{self, Logging, Outgoing};
use virt_daemon::metrics::Figure;
use virt_daemon::privileges::Kept;
use virt_daemon::{DaemonConf, Foundation, Inherited, Paths, RecordsService, Saved, Service};
use virt_rpc::server::Router;

use crate::limits::Limits;
use crate::logs::Logs;
use crate::records::{self, RecordsLimits, Store};
use crate::trail::AuditTrail;
use crate::{api, cleaning, figures, kept, privileges, sandbox, state};

/// The daemon of guests' logs.
#[derive(Debug)]
pub struct Virtlogd {
    logs: Arc<Logs>,
    records: records::Writer,
    limits: RecordsLimits,
    outgoing: Arc<Outgoing>,
}

/// What its own file says beside what every daemon's does.
#[derive(Debug)]
pub struct Conf {
    logs: Limits,
    records: RecordsLimits,
}

impl Service for Virtlogd {
    type Session = ();
    type Conf = Conf;

    const NAME: &'static str = "virtlogd";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const CAPABILITIES: &'static [Kept] = privileges::SERVING;
    const TAKES_RECORDS: bool = true;

    fn configuration(mut file: Document, paths: &Paths) -> Result<(DaemonConf, Conf), ConfError> {
        let conf = DaemonConf::read_service(&mut file, paths)?;
        let logs = Limits::read(&mut file, paths)?;
        let records = RecordsLimits::read(&mut file)?;
        file.finish()?;
        Ok((conf, Conf { logs, records }))
    }

    async fn start(base: Foundation<Conf>) -> Result<Self, String> {
        let logs = Arc::new(Logs::new(base.own.logs));
        kept::restore(&logs, base.kept);
        sandbox::enter()?;
        // Its thread comes after that, to be as confined.
        Self::new(logs, base.own.records, base.logging)
    }

    async fn take_over(base: Foundation<Conf>, left: &mut Inherited) -> Result<Self, String> {
        let logs = Arc::new(Logs::new(base.own.logs));
        state::restore(&logs, &left.state, &mut left.descriptors)?;
        Self::new(logs, base.own.records, base.logging)
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

    fn figures(&self) -> Vec<Figure> {
        let (pipes, records) = (self.logs.figures(), self.records.figures());
        figures::of(&pipes, &records, &self.records.audit_figures())
    }

    fn records(self: &Arc<Self>) -> Option<RecordsService> {
        Some(RecordsService {
            router: records::router(&self.records, &self.logs),
            senders: self.limits.sender_numbers(),
        })
    }

    fn serving(self: &Arc<Self>) {
        tokio::spawn(keep_own(self.outgoing.clone(), self.records.clone()));
        tokio::spawn(keep_clean(Arc::clone(&self.logs)));
    }

    fn is_busy(&self) -> bool {
        !self.logs.is_empty()
    }
}

impl Virtlogd {
    fn new(logs: Arc<Logs>, limits: RecordsLimits, logging: Logging) -> Result<Self, String> {
        let store = Store::new(&logs.limits().root, limits.size, limits.backups);
        let outgoing = Arc::clone(logging.outgoing());
        Ok(Self {
            logs,
            records: records::Writer::start(store, logging, AuditTrail::open())?,
            limits,
            outgoing,
        })
    }
}

/// Keeps what this daemon tells itself with all others' records.
async fn keep_own(outgoing: Arc<Outgoing>, records: records::Writer) {
    loop {
        let batch = logging::gather(&outgoing).await;
        match records.write(batch, true).await {
            Ok(()) => outgoing.arrived(),
            // It is in the outputs.
            Err(_) => outgoing.given_up(),
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
