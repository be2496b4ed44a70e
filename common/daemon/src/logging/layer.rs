//! The `tracing` layer that applies the settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;
use virt_rpc::protocol::records::Priority;
use virt_rpc::server::CALL;

use super::Outgoing;
use super::event::{self, CallData, is_fact};
use super::line::Told;
use super::settings::{Filter, Output, Target};
use super::sink::Sink;

/// One consistent set of settings with its outputs open.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) level: Priority,
    pub(super) filters: Vec<Filter>,
    sinks: Vec<(Output, Sink)>,
    /// From here on messages go to virtlogd.
    virtlogd: Option<Priority>,
    /// Records that an output did not take.
    lost: AtomicU64,
}

impl Setup {
    pub(super) fn open(
        daemon: &'static str,
        level: Priority,
        filters: Vec<Filter>,
        outputs: Vec<Output>,
    ) -> Result<Self, String> {
        let to_virtlogd = |output: &&Output| output.target == Target::Virtlogd;
        let virtlogd = outputs.iter().filter(to_virtlogd);
        let virtlogd = virtlogd.map(|output| output.priority).min();
        let sinks = outputs
            .into_iter()
            .map(|output| Sink::open(daemon, &output).map(|sink| (output, sink)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            level,
            filters,
            sinks,
            virtlogd,
            lost: AtomicU64::new(0),
        })
    }

    pub(super) fn outputs(&self) -> impl Iterator<Item = &Output> {
        self.sinks.iter().map(|(output, _)| output)
    }

    /// Whether records of that category and priority are written.
    pub(super) fn wants(&self, category: &str, priority: Priority) -> bool {
        let filter = self.filters.iter().find(|filter| filter.matches(category));
        priority >= filter.map_or(self.level, |filter| filter.priority)
    }

    /// Writes records into the outputs that take their priority.
    pub(super) fn write(&self, all: &[Told<'_>]) {
        for (output, sink) in &self.sinks {
            let taken = |told: &&Told<'_>| told.record.priority >= output.priority;
            let lost = sink.write(all.iter().filter(taken).copied());
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// How many records an output did not take so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Goes on counting where `before` was.
    pub(super) fn count_on(&self, before: &Self) {
        self.lost.store(before.lost(), Ordering::Relaxed);
    }

    fn looks_at(&self, metadata: &Metadata<'_>) -> bool {
        let category = metadata.target();
        match metadata.is_span() {
            true => category == CALL,
            false => is_fact(category) || self.wants(category, event::priority(metadata)),
        }
    }
}

pub(super) struct LibvirtLayer {
    setup: Arc<ArcSwap<Setup>>,
    outgoing: Arc<Outgoing>,
}

impl LibvirtLayer {
    pub(super) fn new(setup: Arc<ArcSwap<Setup>>, outgoing: Arc<Outgoing>) -> Self {
        Self { setup, outgoing }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LibvirtLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.setup.load().looks_at(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.setup.load().looks_at(metadata)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        // The registry has just made it.
        let Some(span) = context.span(id) else { return };
        let mut call = CallData::default();
        attributes.record(&mut call);
        span.extensions_mut().insert(call);
    }

    fn on_record(&self, id: &Id, values: &Values<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(call) = span.extensions_mut().get_mut::<CallData>() {
            values.record(call);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let (setup, metadata) = (self.setup.load(), event.metadata());
        let priority = event::priority(metadata);
        let fact = is_fact(metadata.target());
        let here = !fact || setup.wants(metadata.target(), priority);
        let to_virtlogd = fact || setup.virtlogd.is_some_and(|from| priority >= from);
        if !here && !to_virtlogd {
            return;
        }
        let span = context.event_span(event);
        let extensions = span.as_ref().map(|span| span.extensions());
        let call = extensions.as_ref().and_then(|all| all.get::<CallData>());
        let record = event::record(event, call);
        if here {
            let told = Told {
                record: &record,
                source: None,
            };
            setup.write(&[told]);
        }
        if to_virtlogd {
            self.outgoing.push(record);
        }
    }
}
