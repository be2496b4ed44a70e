//! libvirt's log settings (WIRE.md section 21) over `tracing`: `log_level`, `log_filters` and
//! `log_outputs`, changeable while the daemon runs.
//!
//! A log category is the `tracing` target, that is the module's path. Each event becomes a
//! [`Record`](virt_rpc::protocol::records::Record) once ([`event`]); outputs write that, as a line of
//! text or as the journal's fields, or have it sent to virtlogd ([`outgoing`]). What happened to guests
//! and what was refused ([`event::FACTS`]) is sent there whatever the settings are.

mod carrier;
mod event;
mod journal;
mod layer;
mod line;
mod outgoing;
mod settings;
mod sink;
mod syslog;
mod timestamp;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use virt_rpc::protocol::records::Batch;
pub use virt_rpc::protocol::records::Priority;

use crate::DaemonConf;
pub use carrier::gather;
pub use event::{FACTS, cut, fact};
use layer::Setup;
use line::Told;
pub use line::hyphenated;
pub use outgoing::{BYTES_MAX, Outgoing, OutgoingFigures, RECORDS_MAX};
pub use settings::{Filter, Output, Target};
pub use timestamp::timestamp;

/// How long what waits for virtlogd may hold up the daemon's end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The handle with which the running daemon's log settings are read and changed.
#[derive(Debug, Clone)]
pub struct Logging {
    setup: Arc<ArcSwap<Setup>>,
    outgoing: Arc<Outgoing>,
    place: Place,
}

/// Where a daemon stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name.
    pub daemon: &'static str,
    /// Where virtlogd takes records.
    pub virtlogd: PathBuf,
    /// Whether it is virtlogd itself: what it tells stays here.
    pub is_virtlogd: bool,
}

impl Logging {
    /// Starts logging as the configuration, the environment (`LIBVIRT_DEBUG`,
    /// `LIBVIRT_LOG_FILTERS`, `LIBVIRT_LOG_OUTPUTS`, which win) and `-v` say.
    ///
    /// # Errors
    /// A setting is not in the format or an output can't be opened: a sentence naming it.
    pub fn start(
        place: Place,
        conf: &DaemonConf,
        verbose: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let level = match variable("LIBVIRT_DEBUG").filter(|v| !v.is_empty()) {
            Some(text) => Priority::parse(&text)?,
            None => match conf.log_level {
                Some(level) => Priority::parse(&level.to_string())?,
                None if verbose => Priority::Info,
                None => Priority::Warning,
            },
        };
        let filters = variable("LIBVIRT_LOG_FILTERS").or_else(|| conf.log_filters.clone());
        let outputs = variable("LIBVIRT_LOG_OUTPUTS").or_else(|| conf.log_outputs.clone());
        let setup = Setup::open(
            place.daemon,
            level,
            settings::filters(filters.as_deref())?,
            place.outputs(outputs.as_deref(), level)?,
        )?;
        let setup = Arc::new(ArcSwap::from_pointee(setup));
        let outgoing = Arc::new(Outgoing::new(place.daemon));
        let logging = Self {
            setup: setup.clone(),
            outgoing: outgoing.clone(),
            place,
        };
        tracing_subscriber::registry()
            .with(layer::LibvirtLayer::new(setup, outgoing))
            .try_init()
            .map_err(|e| format!("logging was started twice: {e}"))?;
        Ok(logging)
    }

    /// The filters in libvirt's notation, and how many there are.
    pub fn filters(&self) -> (String, usize) {
        let setup = self.setup.load();
        (settings::join(&setup.filters), setup.filters.len())
    }

    /// The outputs in libvirt's notation, and how many there are.
    pub fn outputs(&self) -> (String, usize) {
        let setup = self.setup.load();
        (settings::join(setup.outputs()), setup.outputs().count())
    }

    /// Replaces the filters; none or an empty text means no filter.
    ///
    /// # Errors
    /// The text is not in the format; the old filters stay.
    pub fn set_filters(&self, text: Option<&str>) -> Result<(), String> {
        let filters = settings::filters(text)?;
        let old = self.setup.load();
        let outputs = old.outputs().cloned().collect();
        self.replace(Setup::open(self.place.daemon, old.level, filters, outputs)?);
        Ok(())
    }

    /// Replaces the outputs; none or an empty text means the default one.
    ///
    /// # Errors
    /// The text is not in the format or an output can't be opened; the old ones stay.
    pub fn set_outputs(&self, text: Option<&str>) -> Result<(), String> {
        let old = self.setup.load();
        let outputs = self.place.outputs(text, old.level)?;
        self.replace(Setup::open(
            self.place.daemon,
            old.level,
            old.filters.clone(),
            outputs,
        )?);
        Ok(())
    }

    /// The records of this program that wait to be sent.
    pub fn outgoing(&self) -> &Arc<Outgoing> {
        &self.outgoing
    }

    /// Writes another daemon's records into the outputs, as far as the filters let them through, from
    /// the place `start` in the batch on.
    pub fn write(&self, batch: &Batch, start: usize) {
        let setup = self.setup.load();
        let source = Some(&batch.source);
        let wanted = batch.records.iter().skip(start);
        let wanted = wanted.filter(|record| setup.wants(&record.category, record.priority));
        let told: Vec<_> = wanted.map(|record| Told { record, source }).collect();
        setup.write(&told);
    }

    /// How many records an output did not take so far: a full disk, a journal that does not read.
    pub fn lost(&self) -> u64 {
        self.setup.load().lost()
    }

    /// Sends to virtlogd what is for it, for ever; in a task of its own, once the daemon has given up
    /// what it does not need.
    pub(crate) async fn carry(self) {
        if !self.place.is_virtlogd {
            carrier::carry(self.outgoing, &self.place.virtlogd).await;
        }
    }

    /// Waits until everything that was told is where it belongs, for half a second at most.
    pub(crate) async fn last_words(&self) {
        if self.place.is_virtlogd || self.place.virtlogd.exists() {
            // What is left then is lost with the program.
            let _ = tokio::time::timeout(LAST_WORDS, self.outgoing.emptied()).await;
        }
    }

    fn replace(&self, setup: Setup) {
        setup.count_on(&self.setup.load());
        self.setup.store(Arc::new(setup));
        // `enabled` answers are cached per call site; the new settings give other answers.
        tracing::callsite::rebuild_interest_cache();
    }
}

impl Place {
    /// The outputs that a text says; without one, standard error when a person watches, virtlogd where
    /// it takes records, else the journal when it listens, and standard error after all.
    fn outputs(&self, text: Option<&str>, priority: Priority) -> Result<Vec<Output>, String> {
        let said = text.map(str::trim).filter(|text| !text.is_empty());
        let outputs = match said {
            Some(text) => settings::outputs(text)?,
            None => vec![Output {
                priority,
                target: self.default_target(),
            }],
        };
        if self.is_virtlogd && outputs.iter().any(|one| one.target == Target::Virtlogd) {
            return Err("log output 'virtlogd' is this daemon itself; it is for others".to_owned());
        }
        Ok(outputs)
    }

    fn default_target(&self) -> Target {
        if rustix::termios::isatty(std::io::stdin()) {
            return Target::Stderr;
        }
        if !self.is_virtlogd && self.virtlogd.exists() {
            return Target::Virtlogd;
        }
        match Path::new(journal::SOCKET).exists() {
            true => Target::Journald,
            false => Target::Stderr,
        }
    }
}
