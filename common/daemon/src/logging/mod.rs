//! libvirt's log settings (WIRE.md section 21) over `tracing`: `log_level`, `log_filters` and
//! `log_outputs`, changeable while the daemon runs.
//!
//! A log category is the `tracing` target, that is the module's path.

mod layer;
mod settings;
mod sink;
mod timestamp;

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::DaemonConf;
use layer::Setup;
pub use settings::{Filter, Output, Priority, Target};
pub use timestamp::timestamp;

/// The handle with which the running daemon's log settings are read and changed.
#[derive(Clone)]
pub struct Logging {
    setup: Arc<ArcSwap<Setup>>,
    daemon: &'static str,
}

impl Logging {
    /// Starts logging as the configuration, the environment (`LIBVIRT_DEBUG`,
    /// `LIBVIRT_LOG_FILTERS`, `LIBVIRT_LOG_OUTPUTS`, which win) and `-v` say.
    ///
    /// # Errors
    /// A setting is not in the format or an output can't be opened: a sentence naming it.
    pub fn start(
        daemon: &'static str,
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
        let outputs = match outputs
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            Some(text) => settings::outputs(text)?,
            None => vec![default_output(level)],
        };
        let setup = Setup::open(
            daemon,
            level,
            settings::filters(filters.as_deref())?,
            outputs,
        )?;
        let setup = Arc::new(ArcSwap::from_pointee(setup));
        let logging = Self {
            setup: setup.clone(),
            daemon,
        };
        tracing_subscriber::registry()
            .with(layer::LibvirtLayer::new(setup))
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
        self.replace(Setup::open(self.daemon, old.level, filters, outputs)?);
        Ok(())
    }

    /// Replaces the outputs; none or an empty text means the default one.
    ///
    /// # Errors
    /// The text is not in the format or an output can't be opened; the old ones stay.
    pub fn set_outputs(&self, text: Option<&str>) -> Result<(), String> {
        let old = self.setup.load();
        let outputs = match text.map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => settings::outputs(text)?,
            None => vec![default_output(old.level)],
        };
        self.replace(Setup::open(
            self.daemon,
            old.level,
            old.filters.clone(),
            outputs,
        )?);
        Ok(())
    }

    fn replace(&self, setup: Setup) {
        self.setup.store(Arc::new(setup));
        // `enabled` answers are cached per call site; the new settings give other answers.
        tracing::callsite::rebuild_interest_cache();
    }
}

/// journald when it listens and no person watches, standard error otherwise.
fn default_output(priority: Priority) -> Output {
    let journal = Path::new("/run/systemd/journal/socket");
    let watched = rustix::termios::isatty(std::io::stdin());
    let target = if journal.exists() && !watched {
        Target::Journald
    } else {
        Target::Stderr
    };
    Output { priority, target }
}
