//! Every metric family once: its name, help, unit and where its points come from. Prometheus and OTLP both walk this
//! list, so they cannot disagree. Names: semantic conventions (GenAI, HTTP), the `llm_gateway_*` contract, and our own.

use std::borrow::Cow;

use crate::telemetry::totals::{ByRule, ByTarget, Client, Gateway, Histogram, Http, Routed, Server};

use super::view::{MetricsView, ShardView};

mod client;
mod gateway;
mod health;
mod process;
mod routing;
mod server;
mod shard;

pub struct Family {
    /// As OpenTelemetry writes it.
    pub name: &'static str,
    /// The exact Prometheus name, where it does not follow from `name`, `unit` and `kind`.
    pub prometheus: Option<&'static str>,
    pub help: &'static str,
    /// UCUM, as OpenTelemetry writes it; empty when there is none.
    pub unit: &'static str,
    pub kind: Kind,
    pub read: Read,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    Gauge,
    Histogram,
}

/// Takes the points of one series: labels besides the series' own, and the value.
pub type Emit<'e> = dyn FnMut(&[Label<'_>], Value<'_>) + 'e;

pub enum Read {
    Gateway(fn(&Gateway, &mut Emit<'_>)),
    Client(fn(&Client, &mut Emit<'_>)),
    Server(fn(&Server, &mut Emit<'_>)),
    Http(fn(&Http, &mut Emit<'_>)),
    Balanced(fn(&Routed, &mut Emit<'_>)),
    Fallback(fn(&Routed, &mut Emit<'_>)),
    Rule(fn(&ByRule, &mut Emit<'_>)),
    Target(fn(&ByTarget, &mut Emit<'_>)),
    Shard(fn(&ShardView, &mut Emit<'_>)),
    /// No series of its own: the whole process.
    View(fn(&MetricsView<'_>, &mut Emit<'_>)),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Int(u64),
    Float(f64),
    Histogram(&'a Histogram),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label<'a> {
    pub key: &'a str,
    pub value: LabelValue<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LabelValue<'a> {
    Text(&'a str),
    Number(u64),
}

pub const fn text<'a>(key: &'a str, value: &'a str) -> Label<'a> {
    Label { key, value: LabelValue::Text(value) }
}

pub const fn number(key: &str, value: u64) -> Label<'_> {
    Label { key, value: LabelValue::Number(value) }
}

/// All families, in the order shown.
pub fn all() -> impl Iterator<Item = &'static Family> {
    [
        gateway::FAMILIES,
        routing::FAMILIES,
        client::FAMILIES,
        server::FAMILIES,
        shard::FAMILIES,
        health::FAMILIES,
        process::FAMILIES,
    ]
    .into_iter()
    .flatten()
}

impl Family {
    /// OpenTelemetry's rule: dots become underscores, the unit's word is appended, counters end in `_total`.
    pub fn prometheus_name(&self) -> Cow<'static, str> {
        if let Some(exact) = self.prometheus {
            return Cow::Borrowed(exact);
        }
        let mut name = self.name.replace('.', "_");
        match self.unit {
            "s" => name.push_str("_seconds"),
            "By" => name.push_str("_bytes"),
            _ => {}
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        Cow::Owned(name)
    }
}

/// Receives a walk over all families.
pub trait Sink {
    /// The next points belong to this family. Not called for one without points.
    fn family(&mut self, family: &'static Family);
    /// `over_budget`: the point of everything that found no series of its own; then `labels` all say `__other__`.
    fn point(&mut self, labels: &[Label<'_>], extra: &[Label<'_>], over_budget: bool, value: Value<'_>);
}

/// Shows every point of `view` to `sink`, family by family.
pub fn walk(view: &MetricsView<'_>, sink: &mut impl Sink) {
    let metadata_keys = metadata_keys(view);
    for family in all() {
        let mut begun = false;
        let mut show = |labels: &[Label<'_>], extra: &[Label<'_>], over_budget: bool, value: Value<'_>| {
            if !std::mem::replace(&mut begun, true) {
                sink.family(family);
            }
            sink.point(labels, extra, over_budget, value);
        };
        let totals = view.totals;
        match family.read {
            Read::Gateway(read) => {
                for (series, over) in totals.gateway.iter() {
                    let labels = gateway::labels(series, &metadata_keys, over);
                    read(series, &mut |extra, value| show(&labels, extra, over, value));
                }
            }
            Read::Client(read) => {
                for (series, over) in totals.client.iter() {
                    let labels = client::labels(series);
                    read(series, &mut |extra, value| show(&labels, extra, over, value));
                }
            }
            Read::Server(read) => {
                for (series, over) in totals.server.iter() {
                    let labels = server::labels(series);
                    read(series, &mut |extra, value| show(&labels, extra, over, value));
                }
            }
            Read::Http(read) => {
                for (series, over) in totals.http.iter() {
                    read(series, &mut |extra, value| show(&[], extra, over, value));
                }
            }
            Read::Balanced(read) => {
                for (series, over) in totals.balanced.iter() {
                    let labels = routing::balanced_labels(series, &metadata_keys, over);
                    read(series, &mut |extra, value| show(&labels, extra, over, value));
                }
            }
            Read::Fallback(read) => {
                for (series, over) in totals.fallbacks.iter() {
                    let labels = routing::fallback_labels(series, &metadata_keys, over);
                    read(series, &mut |extra, value| show(&labels, extra, over, value));
                }
            }
            Read::Rule(read) => {
                for (series, over) in totals.rules.iter() {
                    let labels = routing::rule_labels(series);
                    read(series, &mut |extra, value| show(&labels, extra, over, value));
                }
            }
            Read::Target(read) => {
                for (series, over) in totals.targets.iter() {
                    let labels = routing::target_labels(series);
                    read(series, &mut |extra, value| show(&labels, extra, over, value));
                }
            }
            Read::Shard(read) => {
                for shard in view.shards {
                    let labels = [number("shard", shard.shard as u64)];
                    read(shard, &mut |extra, value| show(&labels, extra, false, value));
                }
            }
            Read::View(read) => read(view, &mut |extra, value| show(&[], extra, false, value)),
        }
    }
}

/// `llm_gateway_metadata_<key>` with what Prometheus does not allow replaced.
fn metadata_keys(view: &MetricsView<'_>) -> Vec<String> {
    let clean = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let keys = view.totals.metadata_labels.iter();
    keys.map(|key| format!("llm_gateway_metadata_{}", key.chars().map(clean).collect::<String>())).collect()
}

/// Shows a histogram that has something in it.
fn histogram(emit: &mut Emit<'_>, extra: &[Label<'_>], histogram: &Histogram) {
    if histogram.count() > 0 {
        emit(extra, Value::Histogram(histogram));
    }
}

#[cfg(test)]
mod tests;
