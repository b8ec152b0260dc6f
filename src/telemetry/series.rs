//! The label sets under which a shard counts, and what it counts under each. Names and units of the families are
//! not here: the control core gives them when it shows the numbers.

use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;

use super::bounds;
use super::histogram::{Absorb, Histogram, Tally};
use super::store::{OTHER, Series};
use super::{ErrorClass, Face, Outcome};

mod routing;

pub use routing::{ByRule, ByTarget, Routed, RoutedLabels};

/// What the `llm_gateway_*` families have in common: model and user, as callers see them.
#[derive(Clone, PartialEq)]
pub struct Caller {
    pub model: Box<str>,
    pub username: Box<str>,
    /// By position in the totals' metadata labels; a short list means that the rest is empty.
    pub metadata: Vec<Box<str>>,
}

impl Caller {
    /// Empty values count as absent, so that a label added later changes no hash.
    pub fn hash_values<'v>(
        hasher: &mut impl Hasher,
        model: &str,
        username: &str,
        metadata: impl Iterator<Item = impl AsRef<str> + 'v>,
    ) {
        (model, username).hash(hasher);
        for (at, value) in metadata.enumerate() {
            if !value.as_ref().is_empty() {
                (at, value.as_ref()).hash(hasher);
            }
        }
    }

    fn hash_into(&self, hasher: &mut impl Hasher) {
        Self::hash_values(hasher, &self.model, &self.username, self.metadata.iter());
    }

    fn is_same(&self, other: &Self) -> bool {
        let count = self.metadata.len().max(other.metadata.len());
        self.model == other.model
            && self.username == other.username
            && (0..count).all(|at| self.metadata_at(at) == other.metadata_at(at))
    }

    pub fn metadata_at(&self, at: usize) -> &str {
        self.metadata.get(at).map_or("", |value| value)
    }

    fn other() -> Self {
        Self { model: OTHER.into(), username: OTHER.into(), metadata: Vec::new() }
    }
}

/// Per model and user, as callers see it: the `llm_gateway_*` families.
#[derive(Clone)]
pub struct Gateway {
    pub caller: Caller,
    pub requests: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_pico_usd: i64,
    /// How many requests `cost_pico_usd` is of.
    pub priced: u64,
    pub processing: Histogram,
    pub first_token: Histogram,
    /// Of each stream its mean gap.
    pub inter_token: Histogram,
    /// Requests that no model answered, by error code.
    pub failures: Tally<&'static str, u64>,
}

impl Gateway {
    pub fn new(caller: Caller) -> Self {
        Self {
            caller,
            requests: 0,
            input_tokens: 0,
            output_tokens: 0,
            cost_pico_usd: 0,
            priced: 0,
            processing: Histogram::new(&bounds::LLM_MS),
            first_token: Histogram::new(&bounds::LLM_MS),
            inter_token: Histogram::new(&bounds::INTER_TOKEN_MS),
            failures: Tally::default(),
        }
    }
}

impl Absorb for Gateway {
    fn absorb(&mut self, other: &Self) {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cost_pico_usd += other.cost_pico_usd;
        self.priced += other.priced;
        self.processing.absorb(&other.processing);
        self.first_token.absorb(&other.first_token);
        self.inter_token.absorb(&other.inter_token);
        self.failures.absorb(&other.failures);
    }
}

impl Series for Gateway {
    const FAMILIES: usize = 8;

    fn hash(&self, state: &RandomState) -> u64 {
        let mut hasher = state.build_hasher();
        self.caller.hash_into(&mut hasher);
        hasher.finish()
    }

    fn same_labels(&self, other: &Self) -> bool {
        self.caller.is_same(&other.caller)
    }

    fn empty(&self) -> Self {
        Self::new(self.caller.clone())
    }

    fn other() -> Self {
        Self::new(Caller::other())
    }
}

/// Labels of one attempt, borrowed from a record or owned by its series.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientLabels<S> {
    pub operation: &'static str,
    pub provider: S,
    pub request_model: S,
    pub response_model: S,
    pub host: S,
    pub port: u16,
}

impl ClientLabels<Box<str>> {
    pub fn borrow(&self) -> ClientLabels<&str> {
        ClientLabels {
            operation: self.operation,
            provider: &self.provider,
            request_model: &self.request_model,
            response_model: &self.response_model,
            host: &self.host,
            port: self.port,
        }
    }
}

impl ClientLabels<&str> {
    pub fn own(&self) -> ClientLabels<Box<str>> {
        ClientLabels {
            operation: self.operation,
            provider: self.provider.into(),
            request_model: self.request_model.into(),
            response_model: self.response_model.into(),
            host: self.host.into(),
            port: self.port,
        }
    }
}

/// Per attempt: the `gen_ai.client.*` families.
#[derive(Clone)]
pub struct Client {
    pub labels: ClientLabels<Box<str>>,
    pub input_text: u64,
    pub input_audio: u64,
    pub output_text: u64,
    pub output_audio: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub reasoning: u64,
    pub usage_known: u64,
    pub usage_unknown: u64,
    /// Attempts with usage and no price.
    pub price_unknown: u64,
    pub cost_pico_usd: i64,
    /// How many attempts `cost_pico_usd` is of.
    pub priced: u64,
    pub first_chunk: Histogram,
    pub chunk_gaps: Histogram,
    pub by_error: Tally<Option<ErrorClass>, ClientSizes>,
}

/// The client families that are also split by `error.type`.
#[derive(Clone)]
pub struct ClientSizes {
    pub duration: Histogram,
    pub input: Histogram,
    pub output: Histogram,
}

impl Default for ClientSizes {
    fn default() -> Self {
        Self {
            duration: Histogram::new(&bounds::GEN_AI),
            input: Histogram::new(&bounds::TOKENS),
            output: Histogram::new(&bounds::TOKENS),
        }
    }
}

impl Absorb for ClientSizes {
    fn absorb(&mut self, other: &Self) {
        self.duration.absorb(&other.duration);
        self.input.absorb(&other.input);
        self.output.absorb(&other.output);
    }
}

impl Client {
    pub fn new(labels: ClientLabels<Box<str>>) -> Self {
        Self {
            labels,
            input_text: 0,
            input_audio: 0,
            output_text: 0,
            output_audio: 0,
            cache_read: 0,
            cache_write: 0,
            reasoning: 0,
            usage_known: 0,
            usage_unknown: 0,
            price_unknown: 0,
            cost_pico_usd: 0,
            priced: 0,
            first_chunk: Histogram::new(&bounds::GEN_AI),
            chunk_gaps: Histogram::new(&bounds::GAPS),
            by_error: Tally::default(),
        }
    }
}

impl Absorb for Client {
    fn absorb(&mut self, other: &Self) {
        self.input_text += other.input_text;
        self.input_audio += other.input_audio;
        self.output_text += other.output_text;
        self.output_audio += other.output_audio;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.reasoning += other.reasoning;
        self.usage_known += other.usage_known;
        self.usage_unknown += other.usage_unknown;
        self.price_unknown += other.price_unknown;
        self.cost_pico_usd += other.cost_pico_usd;
        self.priced += other.priced;
        self.first_chunk.absorb(&other.first_chunk);
        self.chunk_gaps.absorb(&other.chunk_gaps);
        self.by_error.absorb(&other.by_error);
    }
}

impl Series for Client {
    const FAMILIES: usize = 13;

    fn hash(&self, state: &RandomState) -> u64 {
        state.hash_one(self.labels.borrow())
    }

    fn same_labels(&self, other: &Self) -> bool {
        self.labels == other.labels
    }

    fn empty(&self) -> Self {
        Self::new(self.labels.clone())
    }

    fn other() -> Self {
        let labels = ClientLabels {
            operation: OTHER,
            provider: OTHER,
            request_model: OTHER,
            response_model: OTHER,
            host: OTHER,
            port: 0,
        };
        Self::new(labels.own())
    }
}

/// Labels of one caller's request, borrowed or owned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ServerLabels<S> {
    pub operation: &'static str,
    pub provider: S,
    pub request_model: S,
    pub response_model: S,
}

impl ServerLabels<Box<str>> {
    pub fn borrow(&self) -> ServerLabels<&str> {
        ServerLabels {
            operation: self.operation,
            provider: &self.provider,
            request_model: &self.request_model,
            response_model: &self.response_model,
        }
    }
}

impl ServerLabels<&str> {
    pub fn own(&self) -> ServerLabels<Box<str>> {
        ServerLabels {
            operation: self.operation,
            provider: self.provider.into(),
            request_model: self.request_model.into(),
            response_model: self.response_model.into(),
        }
    }
}

/// Per request: the `gen_ai.server.*` families.
#[derive(Clone)]
pub struct Server {
    pub labels: ServerLabels<Box<str>>,
    pub first_token: Histogram,
    pub per_token: Histogram,
    pub by_error: Tally<Option<&'static str>, Histogram>,
}

impl Server {
    pub fn new(labels: ServerLabels<Box<str>>) -> Self {
        Self {
            labels,
            first_token: Histogram::new(&bounds::SERVER_FIRST_TOKEN),
            per_token: Histogram::new(&bounds::SERVER_PER_TOKEN),
            by_error: Tally::default(),
        }
    }
}

impl Absorb for Server {
    fn absorb(&mut self, other: &Self) {
        self.first_token.absorb(&other.first_token);
        self.per_token.absorb(&other.per_token);
        self.by_error.absorb(&other.by_error);
    }
}

impl Series for Server {
    const FAMILIES: usize = 3;

    fn hash(&self, state: &RandomState) -> u64 {
        state.hash_one(self.labels.borrow())
    }

    fn same_labels(&self, other: &Self) -> bool {
        self.labels == other.labels
    }

    fn empty(&self) -> Self {
        Self::new(self.labels.clone())
    }

    fn other() -> Self {
        let labels = ServerLabels { operation: OTHER, provider: OTHER, request_model: OTHER, response_model: OTHER };
        Self::new(labels.own())
    }
}

/// Every request on the listener, model or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HttpLabels {
    pub face: Face,
    /// A method of the registry, or `_OTHER`.
    pub method: &'static str,
    pub route: &'static str,
    pub status: u16,
}

#[derive(Clone)]
pub struct Http {
    pub labels: HttpLabels,
    pub outcomes: Tally<Outcome, u64>,
    pub by_error: Tally<Option<&'static str>, Histogram>,
}

impl Http {
    pub fn new(labels: HttpLabels) -> Self {
        Self { labels, outcomes: Tally::default(), by_error: Tally::default() }
    }
}

impl Absorb for Http {
    fn absorb(&mut self, other: &Self) {
        self.outcomes.absorb(&other.outcomes);
        self.by_error.absorb(&other.by_error);
    }
}

impl Series for Http {
    const FAMILIES: usize = 2;

    fn hash(&self, state: &RandomState) -> u64 {
        state.hash_one(self.labels)
    }

    fn same_labels(&self, other: &Self) -> bool {
        self.labels == other.labels
    }

    fn empty(&self) -> Self {
        Self::new(self.labels)
    }

    fn other() -> Self {
        Self::new(HttpLabels { face: Face::Unknown, method: "_OTHER", route: OTHER, status: 0 })
    }
}
