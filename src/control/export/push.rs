//! Pushes spans and metrics to OTLP receivers. The control core encodes into a batch and goes on; one task per signal
//! sends, with bounded memory. What finds the queue full is dropped and counted: telemetry never delays anything (P5).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::otlp::{Resource, Sampler, metrics, spans};
use super::view::{ExportStats, MetricsView};
use crate::config::Telemetry;
use crate::telemetry::Record;

mod answer;
mod deliver;
mod destination;
mod pump;

use deliver::{Delivery, Pace};
use destination::{Destination, Signal};
use pump::{Limits, Pump};

/// A batch is sent at this size even when it holds fewer spans than allowed.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Requests under way at once. Cumulative metrics must arrive in order, so there it is one.
const SPAN_REQUESTS_MAX: usize = 4;

pub struct Exporter {
    traces: Option<Traces>,
    metrics: Option<Metrics>,
}

struct Traces {
    pump: Pump,
    sampler: Sampler,
}

struct Metrics {
    pump: Pump,
    encoder: metrics::Encoder,
    delta: bool,
}

impl Exporter {
    /// Starts a task for each configured target; call it inside a tokio runtime. Without targets it does nothing.
    /// Fails on a URL, header or CA file that cannot be used.
    pub fn start(telemetry: &Telemetry) -> Result<Exporter, String> {
        Self::with_pace(telemetry, Pace::DEFAULT)
    }

    fn with_pace(telemetry: &Telemetry, pace: Pace) -> Result<Exporter, String> {
        let mut traces = None;
        if let Some(target) = &telemetry.traces {
            let limits = Limits {
                delay: Duration::from_millis(telemetry.span_delay_ms),
                items_max: telemetry.span_queue_max,
                batch_items_max: telemetry.span_batch_max.max(1),
                batch_bytes_max: BATCH_BYTES_MAX,
                requests_max: SPAN_REQUESTS_MAX,
            };
            let delivery = Delivery::new(Destination::new(target, Signal::Traces)?, pace);
            let pump = Pump::start(delivery, Resource::new(telemetry), limits);
            traces = Some(Traces { pump, sampler: Sampler::new(telemetry) });
        }
        let mut metrics = None;
        if let Some(target) = &telemetry.metrics {
            let limits = Limits {
                delay: Duration::ZERO,
                items_max: usize::MAX,
                batch_items_max: 1,
                batch_bytes_max: 1,
                requests_max: 1,
            };
            let delivery = Delivery::new(Destination::new(target, Signal::Metrics)?, pace);
            let delta = telemetry.delta_temporality;
            metrics = Some(Metrics {
                pump: Pump::start(delivery, Resource::new(telemetry), limits),
                encoder: metrics::Encoder::new(delta, unix_ns()),
                delta,
            });
        }
        Ok(Exporter { traces, metrics })
    }

    /// Adds the record's spans to the batch, if its trace is sampled. Never waits.
    pub fn record(&mut self, record: &Record) {
        let Some(traces) = &self.traces else { return };
        if traces.sampler.keeps(&record.trace) {
            traces.pump.add(spans::count(record), |out| spans::encode_record(record, out));
        }
    }

    /// Pushes one state of all metrics. When the last but one is still waiting, cumulative metrics replace it; delta
    /// metrics skip this turn, and the next push holds the difference.
    pub fn metrics(&mut self, view: &MetricsView<'_>) {
        let Some(metrics) = &mut self.metrics else { return };
        if metrics.delta && metrics.pump.has_waiting() {
            return;
        }
        let encoded = metrics.encoder.encode(view, unix_ns());
        if encoded.points > 0 {
            metrics.pump.replace_waiting(encoded.items, encoded.points as usize);
        }
    }

    /// Takes `view` as pushed already: with delta temporality the next push holds what came after it. For an exporter
    /// that takes the place of another.
    pub fn continue_from(&mut self, view: &MetricsView<'_>) {
        if let Some(metrics) = self.metrics.as_mut().filter(|metrics| metrics.delta) {
            metrics.encoder.encode(view, unix_ns());
        }
    }

    /// Sends what is left; what is not sent `within` is counted as dropped.
    pub async fn shutdown(self, within: Duration) {
        let until = tokio::time::Instant::now() + within;
        let traces = self.traces.map(|traces| traces.pump.finish(until));
        let metrics = self.metrics.map(|metrics| metrics.pump.finish(until));
        let both = async {
            if let Some(traces) = traces {
                traces.await;
            }
        };
        let rest = async {
            if let Some(metrics) = metrics {
                metrics.await;
            }
        };
        tokio::join!(both, rest);
    }

    pub fn stats(&self) -> ExportStats {
        ExportStats {
            traces: self.traces.as_ref().map(|traces| traces.pump.stats()).unwrap_or_default(),
            metrics: self.metrics.as_ref().map(|metrics| metrics.pump.stats()).unwrap_or_default(),
        }
    }
}

fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests;
