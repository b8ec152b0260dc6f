//! What a shard adds up, and the control core merges: the numbers behind `/metrics` and OTLP metrics. Never sampled,
//! never dropped (P3): a record that finds its ring full is still in here.
//!
//! [`Totals::observe`] runs once per request on the shard and allocates only when a label set is new since the last
//! swap. [`Totals::merge`] runs on the control core. What the numbers are called is the control core's business.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;

pub use super::histogram::{Absorb, Histogram, Tally};
pub use super::series::{
    ByRule, ByTarget, Caller, Client, ClientLabels, ClientSizes, Gateway, Http, HttpLabels, Routed, Server,
    ServerLabels,
};
pub use super::store::{Budget, OTHER, SERIES_MAX, SERIES_PER_FAMILY_MAX, Series, Store};

use super::{Attempt, AttemptReason, ErrorClass, Metadata, Record, bounds, verdict};
use crate::meter::{Usage, UsageSource};

mod routing;

/// Longest value of a metadata label.
const METADATA_VALUE_BYTES_MAX: usize = 64;
/// Longest value of any other label.
const LABEL_BYTES_MAX: usize = 128;

/// Counters of a shard that belong to no single request. Gauges hold the value at the moment of the swap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardCounters {
    pub connections_accepted: u64,
    pub connections_handed_over: u64,
    /// Gauge.
    pub connections_open: u64,
    /// Gauge: requests that have begun and not ended.
    pub requests_active: u64,
    /// Client bytes that were not HTTP/1.1, by the count of connections closed for it.
    pub protocol_errors: u64,
    pub tls_handshake_failures: u64,
    pub panics: u64,
    pub upstream_connects: u64,
    pub upstream_connect_failures: u64,
    pub upstream_reuses: u64,
    /// Retries and hedges that the retry budget had nothing left for.
    pub retries_denied: u64,
    /// Gauge.
    pub upstream_idle: u64,
    /// Gauge.
    pub upstream_open: u64,
    /// Pooled connections closed because the peer closed them or sent bytes while idle.
    pub upstream_idle_closed: u64,
    /// Records that found the ring full: their rows and spans are lost, their totals are not.
    pub records_dropped: u64,
    /// Answers whose provider says another cost than the price table, by more than a twentieth.
    pub cost_drifts: u64,
    /// Gauge: bytes held in stream and body buffers.
    pub buffer_bytes: u64,
}

impl ShardCounters {
    /// Adds what the same shard counted since: counts are added, gauges replaced.
    pub fn absorb(&mut self, newer: &ShardCounters) {
        self.connections_accepted += newer.connections_accepted;
        self.connections_handed_over += newer.connections_handed_over;
        self.connections_open = newer.connections_open;
        self.requests_active = newer.requests_active;
        self.protocol_errors += newer.protocol_errors;
        self.tls_handshake_failures += newer.tls_handshake_failures;
        self.panics += newer.panics;
        self.upstream_connects += newer.upstream_connects;
        self.upstream_connect_failures += newer.upstream_connect_failures;
        self.upstream_reuses += newer.upstream_reuses;
        self.retries_denied += newer.retries_denied;
        self.upstream_idle = newer.upstream_idle;
        self.upstream_open = newer.upstream_open;
        self.upstream_idle_closed += newer.upstream_idle_closed;
        self.records_dropped += newer.records_dropped;
        self.cost_drifts += newer.cost_drifts;
        self.buffer_bytes = newer.buffer_bytes;
    }
}

/// Everything since the last swap.
pub struct Totals {
    /// Of the shard that owns these totals. In merged totals the gauges are those of the shard merged last: show the
    /// counters per shard.
    pub counters: ShardCounters,
    /// Metadata keys that are labels. Merged totals have those of all that were merged.
    pub metadata_labels: Vec<Box<str>>,
    pub gateway: Store<Gateway>,
    pub client: Store<Client>,
    pub server: Store<Server>,
    pub http: Store<Http>,
    /// First choices of rules.
    pub balanced: Store<Routed>,
    /// Moves to another target after a failure.
    pub fallbacks: Store<Routed>,
    pub rules: Store<ByRule>,
    pub targets: Store<ByTarget>,
    pub attempts: Tally<(AttemptReason, Option<ErrorClass>), u64>,
    /// Model requests that reached an upstream, by how their usage is known.
    pub usage_sources: Tally<UsageSource, u64>,
    /// Time in Sluice before the first attempt.
    pub overhead: Histogram,
    /// Every gap of every stream.
    pub gaps: Histogram,
    state: RandomState,
    budget: Budget,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            counters: ShardCounters::default(),
            metadata_labels: Vec::new(),
            gateway: Store::default(),
            client: Store::default(),
            server: Store::default(),
            http: Store::default(),
            balanced: Store::default(),
            fallbacks: Store::default(),
            rules: Store::default(),
            targets: Store::default(),
            attempts: Tally::default(),
            usage_sources: Tally::default(),
            overhead: Histogram::new(&bounds::OVERHEAD),
            gaps: Histogram::new(&bounds::GAPS),
            state: RandomState::new(),
            budget: Budget::default(),
        }
    }
}

impl Totals {
    /// Empty, with these metadata keys as labels (`telemetry.metadata_labels` of the snapshot in force).
    pub fn new(metadata_labels: &[String]) -> Self {
        let metadata_labels = metadata_labels.iter().map(|key| key.as_str().into()).collect();
        Self { metadata_labels, ..Self::default() }
    }

    /// Swaps in empty totals with the same labels and gives the full ones away.
    pub fn take(&mut self) -> Totals {
        let empty = Self { metadata_labels: self.metadata_labels.clone(), ..Self::default() };
        std::mem::replace(self, empty)
    }

    /// Adds one finished request.
    pub fn observe(&mut self, record: &Record) {
        self.observe_http(record);
        for attempt in &record.attempts {
            *self.attempts.at((attempt.reason, attempt.error), || 0) += 1;
        }
        if !verdict::is_model_request(record) {
            return;
        }
        self.observe_gateway(record);
        self.observe_server(record);
        if let Some((last, earlier)) = record.attempts.split_last() {
            for attempt in earlier {
                self.observe_attempt(record, attempt, None);
            }
            self.observe_attempt(record, last, Some(&record.gaps));
            self.overhead.add(record.admit_ns);
            self.usage_sources.count(record.usage.source);
        }
        self.gaps.add_gaps(&record.gaps);
        if record.routing.is_some() || record.diverted.is_some() || record.attempts.len() > 1 {
            self.observe_routing(record);
        }
    }

    fn observe_http(&mut self, record: &Record) {
        let labels = HttpLabels {
            face: record.face,
            method: verdict::method_name(&record.method),
            route: record.route,
            status: record.status,
        };
        let hash = self.state.hash_one(labels);
        let series = self.http.slot(hash, &mut self.budget, |known| known.labels == labels, || Http::new(labels));
        series.outcomes.count(record.outcome);
        series.by_error.at(verdict::server_error(record), || Histogram::new(&bounds::HTTP)).add(record.duration_ns);
    }

    fn observe_gateway(&mut self, record: &Record) {
        let asked = Asked::of(record, &self.metadata_labels);
        let mut hasher = self.state.build_hasher();
        asked.hash_into(&mut hasher);
        let same = |known: &Gateway| asked.is(&known.caller);
        let make = || Gateway::new(asked.own());
        let series = self.gateway.slot(hasher.finish(), &mut self.budget, same, make);
        series.requests += 1;
        series.processing.add(record.duration_ns);
        series.input_tokens += record.usage.input;
        series.output_tokens += record.usage.output;
        if let Some(cost) = record.cost_pico_usd {
            series.cost_pico_usd += cost;
            series.priced += 1;
        }
        if let Some(first) = record.first_token_ns.filter(|_| record.stream) {
            series.first_token.add(first);
        }
        if let Some(mean) = record.gaps.sum_ns.checked_div(record.gaps.count()) {
            series.inter_token.add(mean);
        }
        if let Some(code) = verdict::inference_failure(record) {
            series.failures.count(code);
        }
    }

    fn observe_server(&mut self, record: &Record) {
        let model = label(server_model_of(record), LABEL_BYTES_MAX);
        let response_model = label(record.response_model.as_deref().unwrap_or(""), LABEL_BYTES_MAX);
        let labels = ServerLabels {
            operation: record.face.operation_name(),
            provider: record.attempts.last().map_or("", |attempt| &attempt.target.provider),
            request_model: &*model,
            response_model: &*response_model,
        };
        let hash = self.state.hash_one(labels);
        let series = self.server.slot(
            hash,
            &mut self.budget,
            |known| known.labels.borrow() == labels,
            || Server::new(labels.own()),
        );
        series.by_error.at(verdict::request_error(record), || Histogram::new(&bounds::GEN_AI)).add(record.duration_ns);
        if !(record.stream && verdict::succeeded(record)) {
            return;
        }
        let Some(first) = record.first_token_ns else { return };
        series.first_token.add(first);
        let after_first = record.last_token_ns.and_then(|last| last.checked_sub(first));
        let tokens = record.usage.output.saturating_sub(1);
        if let Some(per_token) = after_first.and_then(|span_ns| span_ns.checked_div(tokens)) {
            series.per_token.add(per_token);
        }
    }

    /// `gaps` are given for the attempt that was delivered.
    fn observe_attempt(&mut self, record: &Record, attempt: &Attempt, gaps: Option<&super::Gaps>) {
        let target = &attempt.target;
        let request_model = label(&target.model_id, LABEL_BYTES_MAX);
        let response_model = record.response_model.as_deref().filter(|_| gaps.is_some()).unwrap_or("");
        let response_model = label(response_model, LABEL_BYTES_MAX);
        let labels = ClientLabels {
            operation: record.face.operation_name(),
            provider: &*target.provider,
            request_model: &*request_model,
            response_model: &*response_model,
            host: &target.host,
            port: target.port,
        };
        let hash = self.state.hash_one(labels);
        let series = self.client.slot(
            hash,
            &mut self.budget,
            |known| known.labels.borrow() == labels,
            || Client::new(labels.own()),
        );
        series.add_usage(&attempt.usage, attempt.cost_pico_usd);
        let sizes = series.by_error.at(verdict::attempt_error(attempt), ClientSizes::default);
        sizes.duration.add(attempt.end_ns.saturating_sub(attempt.start_ns));
        if attempt.usage.source != UsageSource::None {
            sizes.input.add(attempt.usage.input);
            sizes.output.add(attempt.usage.output);
        }
        let Some(gaps) = gaps else { return };
        if let Some(first_chunk) = verdict::first_chunk_ns(record, attempt) {
            series.first_chunk.add(first_chunk);
        }
        series.chunk_gaps.add_gaps(gaps);
    }

    /// Adds what another shard, or the same one earlier, counted.
    pub fn merge(&mut self, other: &Totals) {
        self.counters.absorb(&other.counters);
        let places = self.places_of(&other.metadata_labels);
        let in_place = places.iter().enumerate().all(|(at, &place)| at == place);
        let (state, budget) = (&self.state, &mut self.budget);
        self.gateway.absorb(&other.gateway, state, budget, |series| match in_place {
            true => Cow::Borrowed(series),
            false => Cow::Owned(Gateway { caller: moved(&series.caller, &places), ..series.clone() }),
        });
        for (ours, theirs) in [(&mut self.balanced, &other.balanced), (&mut self.fallbacks, &other.fallbacks)] {
            ours.absorb(theirs, state, budget, |series| match in_place {
                true => Cow::Borrowed(series),
                false => Cow::Owned(Routed { caller: moved(&series.caller, &places), ..series.clone() }),
            });
        }
        self.rules.absorb(&other.rules, state, budget, Cow::Borrowed);
        self.targets.absorb(&other.targets, state, budget, Cow::Borrowed);
        self.client.absorb(&other.client, state, budget, Cow::Borrowed);
        self.server.absorb(&other.server, state, budget, Cow::Borrowed);
        self.http.absorb(&other.http, state, budget, Cow::Borrowed);
        self.attempts.absorb(&other.attempts);
        self.usage_sources.absorb(&other.usage_sources);
        self.overhead.absorb(&other.overhead);
        self.gaps.absorb(&other.gaps);
    }

    /// Where each of these labels is among ours; unknown ones are added. A reload may change the labels, and shards
    /// take it up one after the other.
    fn places_of(&mut self, labels: &[Box<str>]) -> Vec<usize> {
        let ours = &mut self.metadata_labels;
        let mut place = |label: &str| {
            ours.iter().position(|known| **known == *label).unwrap_or_else(|| {
                ours.push(label.into());
                ours.len() - 1
            })
        };
        labels.iter().map(|label| place(label)).collect()
    }
}

impl Client {
    fn add_usage(&mut self, usage: &Usage, cost_pico_usd: Option<i64>) {
        if let Some(cost) = cost_pico_usd {
            self.cost_pico_usd += cost;
            self.priced += 1;
        }
        if usage.source == UsageSource::None {
            self.usage_unknown += 1;
            return;
        }
        self.usage_known += 1;
        self.price_unknown += u64::from(cost_pico_usd.is_none());
        self.input_text += usage.input.saturating_sub(usage.audio_input);
        self.input_audio += usage.audio_input;
        self.output_text += usage.output.saturating_sub(usage.audio_output);
        self.output_audio += usage.audio_output;
        self.cache_read += usage.cache_read;
        self.cache_write += usage.cache_write_total();
        self.reasoning += usage.reasoning;
    }
}

/// `caller` with each metadata value at its new place.
fn moved(caller: &Caller, places: &[usize]) -> Caller {
    let mut caller = caller.clone();
    let values = std::mem::take(&mut caller.metadata);
    for (value, &place) in values.into_iter().zip(places) {
        if caller.metadata.len() <= place {
            caller.metadata.resize_with(place + 1, Default::default);
        }
        if let Some(slot) = caller.metadata.get_mut(place) {
            *slot = value;
        }
    }
    caller
}

/// The labels of a [`Caller`], where they lie in a record.
struct Asked<'r> {
    model: Cow<'r, str>,
    username: Cow<'r, str>,
    metadata: Option<&'r Metadata>,
    keys: &'r [Box<str>],
}

impl<'r> Asked<'r> {
    fn of(record: &'r Record, keys: &'r [Box<str>]) -> Self {
        let username = record.principal.as_ref().map_or("", |principal| &principal.name);
        Self {
            model: label(model_of(record), LABEL_BYTES_MAX),
            username: label(username, LABEL_BYTES_MAX),
            metadata: record.metadata.as_deref(),
            keys,
        }
    }

    fn values(&self) -> impl Iterator<Item = Cow<'r, str>> + use<'r> {
        let metadata = self.metadata;
        self.keys.iter().enumerate().map(move |(at, key)| metadata_value(metadata, at, key))
    }

    fn hash_into(&self, hasher: &mut impl Hasher) {
        Caller::hash_values(hasher, &self.model, &self.username, self.values());
    }

    fn is(&self, known: &Caller) -> bool {
        *known.model == *self.model
            && *known.username == *self.username
            && self.values().enumerate().all(|(at, value)| known.metadata_at(at) == value)
    }

    fn own(&self) -> Caller {
        Caller {
            model: (&*self.model).into(),
            username: (&*self.username).into(),
            metadata: self.values().map(|value| value.into()).collect(),
        }
    }
}

/// The `model_name` label: the target that served or failed last. A name that resolved to nothing is not a label:
/// anyone could fill the budget with made-up ones.
fn model_of(record: &Record) -> &str {
    match record.attempts.last() {
        Some(attempt) => &attempt.target.fqn,
        None => asked_model(record),
    }
}

/// `gen_ai.request.model` as the caller wrote it.
fn server_model_of(record: &Record) -> &str {
    if record.attempts.is_empty() { asked_model(record) } else { &record.model_requested }
}

fn asked_model(record: &Record) -> &str {
    if record.principal.is_some() && record.status != 404 { &record.model_requested } else { "" }
}

/// Configured keys come first in a record's metadata, in their order, so the first look is nearly always right.
fn metadata_value<'r>(metadata: Option<&'r Metadata>, at: usize, key: &str) -> Cow<'r, str> {
    let Some(metadata) = metadata else { return Cow::Borrowed("") };
    let named = |entry: &&(Box<str>, Box<str>)| *entry.0 == *key;
    let entry = metadata.get(at).filter(named).or_else(|| metadata.iter().find(named));
    entry.map_or(Cow::Borrowed(""), |(_, value)| label(value, METADATA_VALUE_BYTES_MAX))
}

/// A label value: no control characters, at most `bytes_max`, cut between characters.
fn label(value: &str, bytes_max: usize) -> Cow<'_, str> {
    if has_control(value.as_bytes()) {
        let clean: String = value.chars().filter(|c| !c.is_control()).collect();
        return Cow::Owned(cut(&clean, bytes_max).to_owned());
    }
    Cow::Borrowed(cut(value, bytes_max))
}

/// Eight bytes at a time: every label of every request comes through here.
fn has_control(bytes: &[u8]) -> bool {
    const LOW_BITS: u64 = 0x0101_0101_0101_0101;
    let is_control = |byte: &u8| *byte < 0x20 || *byte == 0x7f;
    let Some(last) = bytes.last_chunk::<8>() else { return bytes.iter().any(is_control) };
    let controls = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let delete = word ^ (LOW_BITS * 0x7f);
        (word.wrapping_sub(LOW_BITS * 0x20) & !word) | (delete.wrapping_sub(LOW_BITS) & !delete)
    };
    // The last word covers what the whole ones leave over.
    let found = bytes.as_chunks::<8>().0.iter().fold(controls(last), |found, word| found | controls(word));
    found & (LOW_BITS << 7) != 0
}

fn cut(value: &str, bytes_max: usize) -> &str {
    if value.len() <= bytes_max {
        return value;
    }
    let end = (0..=bytes_max).rev().find(|&at| value.is_char_boundary(at)).unwrap_or(0);
    value.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests;
