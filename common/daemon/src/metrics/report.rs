//! What is known, in OpenMetrics' text form.

use std::fmt::{self, Debug};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use virt_rpc::server::{BOUNDS, Meter};

use crate::logging::Logging;

/// What all names begin with.
const PREFIX: &str = "virt";

/// What a figure does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureKind {
    /// It only grows, from 0 at the program's start on.
    Counter,
    /// It is as it is now.
    Gauge,
}

/// One thing that a daemon knows a number of, maybe several told apart by labels.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its name, without `virt_` in front and, for a counter, without `_total` behind.
    pub name: &'static str,
    /// What it is, for people, without a full stop.
    pub help: &'static str,
    /// What it does over time.
    pub kind: FigureKind,
    /// The numbers, each with its labels.
    pub samples: Vec<(Vec<(&'static str, String)>, u64)>,
}

impl Figure {
    /// A figure that is one number.
    pub fn one(kind: FigureKind, name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            kind,
            samples: vec![(Vec::new(), value)],
        }
    }
}

/// A server whose calls are told of.
pub(crate) struct Served {
    /// Its name.
    pub name: &'static str,
    /// What is counted.
    pub meter: Arc<Meter>,
    /// Clients now, and their calls under way.
    pub load: Box<dyn Fn() -> (u64, u64) + Send + Sync>,
}

impl Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Everything that a daemon tells.
pub(crate) struct Report {
    pub servers: Vec<Served>,
    pub logging: Logging,
    pub own: Box<dyn Fn() -> Vec<Figure> + Send + Sync>,
}

impl Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.servers.fmt(f)
    }
}

impl Report {
    /// What makes the page.
    pub(crate) fn into_answer(self) -> super::Answer {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(self));
        Arc::new(move || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry)?;
            Ok(text)
        })
    }

    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Calls that were answered, by procedure and result";
        let mut metric = encoder.encode_descriptor("calls", help, None, MetricType::Counter)?;
        for served in &self.servers {
            for measured in served.meter.measured() {
                let well = measured.calls().saturating_sub(measured.failed);
                for (result, count) in [("success", well), ("error", measured.failed)] {
                    let labels = [
                        ("server", served.name),
                        ("procedure", measured.row.name),
                        ("result", result),
                    ];
                    ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
                }
            }
        }
        let help = "How long calls took until their answer was queued";
        let unit = prometheus_client::registry::Unit::Seconds;
        let kind = MetricType::Histogram;
        let mut metric = encoder.encode_descriptor("call_duration", help, Some(&unit), kind)?;
        for served in &self.servers {
            for measured in served.meter.measured() {
                let labels = [("server", served.name), ("procedure", measured.row.name)];
                let ends = BOUNDS.iter().map(|bound| seconds(*bound));
                let ends = ends.chain(std::iter::once(f64::INFINITY));
                let buckets: Vec<_> = ends.zip(measured.classes).collect();
                metric
                    .encode_family(&labels)?
                    .encode_histogram::<NoLabelSet>(
                        seconds(measured.nanoseconds),
                        measured.calls(),
                        &buckets,
                        None,
                    )?;
            }
        }
        Ok(())
    }

    fn figures(&self) -> Vec<Figure> {
        use FigureKind::{Counter, Gauge};
        let loads: Vec<_> = self
            .servers
            .iter()
            .map(|served| (served.name, (served.load)()))
            .collect();
        let by_server = |of: fn((u64, u64)) -> u64| {
            let sample =
                |(name, load): &(&str, _)| (vec![("server", (*name).to_owned())], of(*load));
            loads.iter().map(sample).collect()
        };
        let records = self.logging.outgoing().figures();
        let mut all = vec![
            Figure {
                name: "clients",
                help: "Clients that are connected",
                kind: Gauge,
                samples: by_server(|(clients, _)| clients),
            },
            Figure {
                name: "calls_under_way",
                help: "Calls that are not answered yet",
                kind: Gauge,
                samples: by_server(|(_, calls)| calls),
            },
            Figure::one(
                Gauge,
                "records_waiting",
                "Records that wait for virtlogd",
                records.waiting,
            ),
            Figure::one(
                Counter,
                "records_sent",
                "Records that virtlogd has written",
                records.sent,
            ),
            Figure::one(
                Counter,
                "records_dropped",
                "Records that were lost since virtlogd did not take them in time",
                records.lost,
            ),
            Figure::one(
                Counter,
                "log_output_failures",
                "Records that an output of log_outputs did not take",
                self.logging.lost(),
            ),
        ];
        all.extend((self.own)());
        all
    }
}

impl Collector for Report {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.calls(&mut encoder)?;
        for figure in self.figures() {
            let kind = match figure.kind {
                FigureKind::Counter => MetricType::Counter,
                FigureKind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(figure.name, figure.help, None, kind)?;
            for (labels, value) in &figure.samples {
                match figure.kind {
                    FigureKind::Counter => {
                        ConstCounter::new(*value).encode(metric.encode_family(labels)?)?;
                    }
                    FigureKind::Gauge => {
                        let value = i64::try_from(*value).unwrap_or(i64::MAX);
                        ConstGauge::new(value).encode(metric.encode_family(labels)?)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Nanoseconds in OpenMetrics' unit; what gets lost of large ones is below a microsecond.
#[allow(clippy::cast_precision_loss, reason = "as said")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
