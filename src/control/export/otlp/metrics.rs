//! Metrics as OTLP data points: cumulative since the start, or the difference to the last export when delta
//! temporality was asked for.

use std::collections::HashMap;

use super::proto::{self, Attributes};
use crate::control::export::families::{self, Family, Kind, Label, LabelValue, Sink, Value};
use crate::control::export::view::MetricsView;

const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// Fields of Metric.
const GAUGE: u32 = 5;
const SUM: u32 = 7;
const HISTOGRAM: u32 = 9;

/// Keeps what delta temporality needs between two exports.
pub struct Encoder {
    delta: bool,
    /// Where the points begin in time: our start, or the last export.
    since_unix_ns: u64,
    /// Family and attributes -> what was exported last. Empty unless `delta`.
    last: HashMap<Vec<u8>, Last>,
}

/// A count, a sum, or the buckets and sum of a histogram.
struct Last {
    counts: Vec<u64>,
    sum: f64,
}

/// Encoded metrics, each as field 2 of ScopeMetrics.
#[derive(Default)]
pub struct Encoded {
    pub items: Vec<u8>,
    pub points: u64,
}

impl Encoder {
    pub fn new(delta: bool, start_unix_ns: u64) -> Self {
        Self { delta, since_unix_ns: start_unix_ns, last: HashMap::new() }
    }

    pub fn encode(&mut self, view: &MetricsView<'_>, now_unix_ns: u64) -> Encoded {
        let mut run = Run {
            encoder: self,
            now_unix_ns,
            family: None,
            points: Vec::new(),
            attributes: Vec::new(),
            key: Vec::new(),
            done: Encoded::default(),
        };
        families::walk(view, &mut run);
        run.close();
        let done = run.done;
        if self.delta {
            self.since_unix_ns = now_unix_ns;
        }
        done
    }
}

struct Run<'e> {
    encoder: &'e mut Encoder,
    now_unix_ns: u64,
    family: Option<&'static Family>,
    /// Of the family under way: field 1 of Gauge, Sum and Histogram alike.
    points: Vec<u8>,
    attributes: Vec<u8>,
    key: Vec<u8>,
    done: Encoded,
}

impl Sink for Run<'_> {
    fn family(&mut self, family: &'static Family) {
        self.close();
        self.family = Some(family);
    }

    fn point(&mut self, labels: &[Label<'_>], extra: &[Label<'_>], over_budget: bool, value: Value<'_>) {
        let Some(family) = self.family else { return };
        // Metrics SDK, "overflow attribute": it stands for all that would have been there.
        let labels = if over_budget { &[] } else { labels };
        self.attributes.clear();
        let field = if family.kind == Kind::Histogram { 9 } else { 7 };
        let mut attributes = Attributes { out: &mut self.attributes, field };
        if over_budget {
            attributes.flag("otel.metric.overflow", true);
        }
        for label in labels.iter().chain(extra) {
            match label.value {
                LabelValue::Text(value) => attributes.text(label.key, value),
                LabelValue::Number(value) => attributes.int(label.key, value),
            }
        }
        match value {
            Value::Int(value) => {
                let mut value = [value];
                if self.since_last(family, &mut value, &mut 0.0) {
                    self.write(|out| proto::fixed64(out, 6, value[0]));
                }
            }
            Value::Float(mut value) => {
                if self.since_last(family, &mut [], &mut value) {
                    self.write(|out| proto::double(out, 4, value));
                }
            }
            Value::Histogram(histogram) => {
                let (mut counts, mut sum) = (histogram.counts().to_vec(), histogram.sum());
                if self.since_last(family, &mut counts, &mut sum) {
                    self.write(|out| histogram_fields(out, &counts, sum, histogram.uppers()));
                }
            }
        }
    }
}

impl Run<'_> {
    /// Turns values into what came since the last export, under delta temporality. False: nothing came.
    fn since_last(&mut self, family: &Family, counts: &mut [u64], sum: &mut f64) -> bool {
        if !self.encoder.delta || family.kind == Kind::Gauge {
            return true;
        }
        self.key.clear();
        self.key.extend_from_slice(family.name.as_bytes());
        self.key.push(0);
        self.key.extend_from_slice(&self.attributes);
        if let Some(last) = self.encoder.last.get_mut(&self.key) {
            for (count, before) in counts.iter_mut().zip(&mut last.counts) {
                let now = *count;
                *count = now.saturating_sub(std::mem::replace(before, now));
            }
            let now = *sum;
            *sum -= std::mem::replace(&mut last.sum, now);
        } else {
            self.encoder.last.insert(self.key.clone(), Last { counts: counts.to_vec(), sum: *sum });
        }
        *sum != 0.0 || counts.iter().any(|&count| count != 0)
    }

    /// One point with the attributes at hand.
    fn write(&mut self, value: impl FnOnce(&mut Vec<u8>)) {
        let (attributes, since, now) = (&self.attributes, self.encoder.since_unix_ns, self.now_unix_ns);
        proto::message(&mut self.points, 1, |out| {
            out.extend_from_slice(attributes);
            proto::fixed64(out, 2, since);
            proto::fixed64(out, 3, now);
            value(out);
        });
        self.done.points += 1;
    }

    /// Puts the points gathered into their metric.
    fn close(&mut self) {
        let Some(family) = self.family.take().filter(|_| !self.points.is_empty()) else { return };
        let (points, delta) = (&self.points, self.encoder.delta);
        let temporality = if delta { DELTA } else { CUMULATIVE };
        proto::message(&mut self.done.items, 2, |out| {
            proto::bytes(out, 1, family.name.as_bytes());
            proto::bytes(out, 2, family.help.as_bytes());
            proto::bytes(out, 3, family.unit.as_bytes());
            let data = match family.kind {
                Kind::Gauge => GAUGE,
                Kind::Counter => SUM,
                Kind::Histogram => HISTOGRAM,
            };
            proto::message(out, data, |out| {
                out.extend_from_slice(points);
                if family.kind != Kind::Gauge {
                    proto::uint(out, 2, temporality);
                }
                if family.kind == Kind::Counter {
                    // is_monotonic
                    proto::uint(out, 3, 1);
                }
            });
        });
        self.points.clear();
    }
}

/// HistogramDataPoint{count=4, sum=5, bucket_counts=6 packed, explicit_bounds=7 packed}.
fn histogram_fields(out: &mut Vec<u8>, counts: &[u64], sum: f64, uppers: impl Iterator<Item = f64>) {
    proto::fixed64(out, 4, counts.iter().sum());
    proto::double(out, 5, sum);
    proto::length(out, 6, counts.len() * 8);
    for count in counts {
        out.extend_from_slice(&count.to_le_bytes());
    }
    proto::length(out, 7, counts.len().saturating_sub(1) * 8);
    for upper in uppers {
        out.extend_from_slice(&upper.to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
