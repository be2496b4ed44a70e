//! The `tracing` layer that applies the settings.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::settings::{Filter, Output, Priority};
use super::sink::Sink;
use super::timestamp::timestamp;

/// One consistent set of settings with its outputs open.
pub(super) struct Setup {
    pub(super) level: Priority,
    pub(super) filters: Vec<Filter>,
    sinks: Vec<(Output, Sink)>,
}

impl Setup {
    pub(super) fn open(
        daemon: &str,
        level: Priority,
        filters: Vec<Filter>,
        outputs: Vec<Output>,
    ) -> Result<Self, String> {
        let sinks = outputs
            .into_iter()
            .map(|output| Sink::open(daemon, &output).map(|sink| (output, sink)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            level,
            filters,
            sinks,
        })
    }

    pub(super) fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.sinks.iter().map(|(output, _)| output)
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let filter = self
            .filters
            .iter()
            .find(|filter| filter.matches(metadata.target()));
        Priority::from(metadata.level()) >= filter.map_or(self.level, |filter| filter.priority)
    }
}

pub(super) struct LibvirtLayer {
    setup: Arc<ArcSwap<Setup>>,
}

impl LibvirtLayer {
    pub(super) fn new(setup: Arc<ArcSwap<Setup>>) -> Self {
        Self { setup }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LibvirtLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.setup.load().wants(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.setup.load().wants(metadata)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        for (_, sink) in &self.setup.load().sinks {
            if let Sink::Journald(journal) = sink {
                journal.on_new_span(attributes, id, context.clone());
            }
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        for (_, sink) in &self.setup.load().sinks {
            if let Sink::Journald(journal) = sink {
                journal.on_record(id, values, context.clone());
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let setup = self.setup.load();
        let priority = Priority::from(event.metadata().level());
        let mut line = None;
        for (output, sink) in &setup.sinks {
            if priority < output.priority {
                continue;
            }
            match sink {
                Sink::Journald(journal) => journal.on_event(event, context.clone()),
                sink => sink.line(
                    line.get_or_insert_with(|| format(event, priority))
                        .as_bytes(),
                ),
            }
        }
    }
}

/// `TIME: TID: LEVEL : MODULE:LINE : MESSAGE` (WIRE.md section 21), then the event's fields.
fn format(event: &Event<'_>, priority: Priority) -> String {
    let metadata = event.metadata();
    let mut line = format!(
        "{}: {}: {} : {}:{} : ",
        timestamp(SystemTime::now()),
        rustix::thread::gettid().as_raw_nonzero(),
        priority.word(),
        metadata.target(),
        metadata.line().unwrap_or(0)
    );
    let mut fields = Fields {
        message: String::new(),
        rest: String::new(),
    };
    event.record(&mut fields);
    line.push_str(&fields.message);
    line.push_str(&fields.rest);
    // A line is a line, whatever a guest's name or a client's argument holds.
    let mut line = line.replace(['\n', '\r'], " ");
    line.push('\n');
    line
}

struct Fields {
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String can't fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.rest, " {name}={value:?}"),
        };
    }
}
