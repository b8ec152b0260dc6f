//! A record as spans: one SERVER span, and below it one CLIENT span per attempt (semantic conventions: HTTP spans,
//! GenAI client inference). Usage and cost are on CLIENT spans only: backends add up what they find in a trace, and
//! on both levels every bill would double.

use super::proto::{self, Attributes};
use crate::meter::{CostSource, UsageSource};
use crate::telemetry::{Attempt, Face, Outcome, PassedOver, Record, path, verdict};

mod events;

const KIND_SERVER: u64 = 2;
const KIND_CLIENT: u64 = 3;
const STATUS_ERROR: u64 = 2;
/// SpanFlags: whether the parent is remote is known; it is remote.
const FLAG_HAS_IS_REMOTE: u32 = 0x100;
const FLAG_IS_REMOTE: u32 = 0x200;

/// Fields of Span.
mod field {
    pub const TRACE_ID: u32 = 1;
    pub const SPAN_ID: u32 = 2;
    pub const TRACE_STATE: u32 = 3;
    pub const PARENT_SPAN_ID: u32 = 4;
    pub const NAME: u32 = 5;
    pub const KIND: u32 = 6;
    pub const START: u32 = 7;
    pub const END: u32 = 8;
    pub const ATTRIBUTES: u32 = 9;
    pub const EVENTS: u32 = 11;
    pub const STATUS: u32 = 15;
    pub const FLAGS: u32 = 16;
}

/// Spans that a record makes.
pub fn count(record: &Record) -> usize {
    1 + record.attempts.len()
}

/// Appends the record's spans, each as field 2 of ScopeSpans.
pub fn encode_record(record: &Record, out: &mut Vec<u8>) {
    out.reserve(1024 * count(record));
    proto::message(out, 2, |out| server_span(record, out));
    for (index, attempt) in record.attempts.iter().enumerate() {
        proto::message(out, 2, |out| client_span(record, index, attempt, out));
    }
}

fn server_span(record: &Record, out: &mut Vec<u8>) {
    let method = verdict::method_name(&record.method);
    let remote = if record.trace.parent_span_id.is_some() { FLAG_IS_REMOTE } else { 0 };
    let head = Head {
        span_id: &record.trace.span_id,
        parent: record.trace.parent_span_id.as_ref(),
        kind: KIND_SERVER,
        start_ns: 0,
        end_ns: record.duration_ns,
        flags: FLAG_HAS_IS_REMOTE | remote,
    };
    head.write(record, out);
    // HTTP spans, "name": never the raw path; an unknown method is called HTTP.
    let method_in_name = if method == "_OTHER" { "HTTP" } else { method };
    name(out, method_in_name, record.route);
    let error = verdict::server_error(record);
    status(out, error.is_some());
    let mut attributes = Attributes { out, field: field::ATTRIBUTES };
    http_attributes(record, method, &mut attributes);
    attributes.text("error.type", error.unwrap_or(""));
    own_attributes(record, &mut attributes);
    route_attributes(record, &mut attributes);
    events::write(record, attributes.out);
}

fn http_attributes(record: &Record, method: &str, attributes: &mut Attributes<'_>) {
    attributes.text("http.request.method", method);
    if method == "_OTHER" {
        attributes.text("http.request.method_original", &record.method);
    }
    attributes.text("http.route", record.route);
    attributes.text("url.path", record.route);
    attributes.text("url.scheme", if record.tls { "https" } else { "http" });
    if record.status != 0 {
        attributes.int("http.response.status_code", record.status.into());
    }
    if let Some(client) = record.client {
        let mut text = Stack::default();
        text.show(client.ip());
        attributes.text("client.address", text.as_str());
        attributes.int("client.port", client.port().into());
    }
    attributes.int("http.request.body.size", record.request_body_bytes);
    attributes.int("http.response.body.size", record.response_body_bytes);
}

fn own_attributes(record: &Record, attributes: &mut Attributes<'_>) {
    let mut id = Stack::default();
    id.show(record.id);
    attributes.text("sluice.request.id", id.as_str());
    attributes.text("sluice.face", record.face.as_str());
    attributes.text("sluice.outcome", record.outcome.as_str());
    attributes.text("sluice.error.code", record.error_code.unwrap_or(""));
    attributes.text("sluice.model.requested", &record.model_requested);
    if let Some(principal) = &record.principal {
        attributes.text("sluice.principal", &principal.subject);
        attributes.text("sluice.key.id", &principal.key_id);
        if !principal.teams.is_empty() {
            attributes.texts("sluice.teams", principal.teams.iter().map(|team| &**team));
        }
    }
    for (key, value) in record.metadata.iter().flat_map(|metadata| metadata.iter()) {
        let mut name = Stack::default();
        name.push("sluice.metadata.");
        name.push(key);
        attributes.text(name.as_str(), value);
    }
    attributes.int("sluice.shard", record.shard.into());
    attributes.int("sluice.attempts", record.attempts.len() as u64);
    if let Some(last) = record.attempts.last() {
        attributes.text("sluice.target", &last.target.fqn);
        attributes.int("sluice.admit_us", record.admit_ns / 1000);
    }
    if record.stream {
        attributes.flag("sluice.stream", true);
        seconds(attributes, "sluice.time_to_first_token", record.first_token_ns);
    }
}

/// Which rules decided. `applied_loadbalance_rule_ids` is what trace queries made for other gateways ask for.
fn route_attributes(record: &Record, attributes: &mut Attributes<'_>) {
    if let Some(route) = &record.routing {
        attributes.text("sluice.route.rule", &route.rule);
        attributes.text("sluice.route.type", route.routing_type);
        attributes.texts("applied_loadbalance_rule_ids", std::iter::once(&*route.rule));
    }
    attributes.text("sluice.fallback.rule", record.fallback_rule.as_deref().unwrap_or(""));
    if record.attempts.len() > 1 {
        attributes.text("sluice.rescued_by", path::rescue(record).map_or("", path::Rescue::as_str));
    }
}

fn client_span(record: &Record, index: usize, attempt: &Attempt, out: &mut Vec<u8>) {
    let target = &attempt.target;
    let head = Head {
        span_id: &attempt.span_id,
        parent: Some(&record.trace.span_id),
        kind: KIND_CLIENT,
        start_ns: attempt.start_ns,
        end_ns: attempt.end_ns,
        flags: FLAG_HAS_IS_REMOTE,
    };
    head.write(record, out);
    let operation = record.face.operation_name();
    name(out, operation, &target.model_id);
    let error = verdict::attempt_error(attempt);
    status(out, error.is_some());
    let mut attributes = Attributes { out, field: field::ATTRIBUTES };
    attributes.text("gen_ai.operation.name", operation);
    attributes.text("gen_ai.provider.name", &target.provider);
    attributes.text("gen_ai.request.model", &target.model_id);
    attributes.text("server.address", &target.host);
    attributes.int("server.port", target.port.into());
    attributes.text("error.type", error.map_or("", |class| class.as_str()));
    request_attributes(record, target, &mut attributes);
    if index + 1 == record.attempts.len() {
        response_attributes(record, attempt, &mut attributes);
    }
    usage_attributes(attempt, &mut attributes);
    attributes.text("http.request.method", verdict::method_name(&record.method));
    if attempt.status != 0 {
        attributes.int("http.response.status_code", attempt.status.into());
    }
    if index > 0 {
        attributes.int("http.request.resend_count", index as u64);
    }
    attributes.int("sluice.attempt.index", index as u64);
    attributes.text("sluice.attempt.target", &target.fqn);
    attributes.text("sluice.attempt.reason", attempt.reason.as_str());
    if let Some(PassedOver { count, why }) = attempt.passed_over {
        attributes.int("sluice.attempt.passed_over", count.into());
        attributes.text("sluice.attempt.passed_over_why", why.as_str());
    }
    if attempt.waited_ns > 0 {
        attributes.float("sluice.attempt.waited_ms", attempt.waited_ns as f64 / 1e6);
    }
    attributes.flag("sluice.attempt.connection_reused", attempt.reused);
    // The client's own doings are no error of this call, but they explain its end.
    if let (None, Some(class)) = (error, attempt.error) {
        attributes.text("sluice.attempt.ended_by", class.as_str());
    }
}

fn request_attributes(record: &Record, target: &crate::telemetry::Target, attributes: &mut Attributes<'_>) {
    if record.stream {
        attributes.flag("gen_ai.request.stream", true);
    }
    if let Some(max_tokens) = record.max_tokens {
        attributes.int("gen_ai.request.max_tokens", max_tokens);
    }
    if *target.provider == *"openai" {
        let api = match record.face {
            Face::ChatCompletions => "chat_completions",
            Face::Responses => "responses",
            _ => "",
        };
        attributes.text("openai.api.type", api);
    }
}

/// What only the delivered attempt has.
fn response_attributes(record: &Record, attempt: &Attempt, attributes: &mut Attributes<'_>) {
    attributes.text("gen_ai.response.id", record.response_id.as_deref().unwrap_or(""));
    attributes.text("gen_ai.response.model", record.response_model.as_deref().unwrap_or(""));
    // A missing reason of a broken answer is "error" (GenAI spans, "finish_reasons").
    let broken = (record.outcome == Outcome::Truncated).then_some("error");
    if let Some(reason) = record.finish_reason.as_deref().or(broken) {
        attributes.texts("gen_ai.response.finish_reasons", std::iter::once(reason));
    }
    seconds(attributes, "gen_ai.response.time_to_first_chunk", verdict::first_chunk_ns(record, attempt));
    if !record.stream {
        return;
    }
    attributes.int("sluice.stream.chunks", record.chunks.into());
    if let Some(mean) = record.gaps.sum_ns.checked_div(record.gaps.count()) {
        seconds(attributes, "sluice.stream.gap.mean", Some(mean));
        seconds(attributes, "sluice.stream.gap.max", Some(record.gaps.max_ns));
    }
}

fn usage_attributes(attempt: &Attempt, attributes: &mut Attributes<'_>) {
    let usage = &attempt.usage;
    if usage.source != UsageSource::None {
        attributes.int("gen_ai.usage.input_tokens", usage.input);
        attributes.int("gen_ai.usage.output_tokens", usage.output);
        attributes.text("sluice.usage.source", usage.source.as_str());
    }
    let subsets = [
        ("gen_ai.usage.cache_read.input_tokens", usage.cache_read),
        ("gen_ai.usage.cache_write.input_tokens", usage.cache_write_total()),
        ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
        ("gen_ai.usage.audio.input_tokens", usage.audio_input),
        ("gen_ai.usage.audio.output_tokens", usage.audio_output),
    ];
    for (key, tokens) in subsets {
        if tokens > 0 {
            attributes.int(key, tokens);
        }
    }
    if let Some(cost) = attempt.cost_pico_usd {
        attributes.float("sluice.cost_usd", cost as f64 / 1e12);
        attributes.text("sluice.cost.source", attempt.cost_source.map_or("", CostSource::as_str));
    }
}

/// The fields every span begins with. Times are nanoseconds since the record's start.
struct Head<'a> {
    span_id: &'a [u8; 8],
    parent: Option<&'a [u8; 8]>,
    kind: u64,
    start_ns: u64,
    end_ns: u64,
    flags: u32,
}

impl Head<'_> {
    fn write(&self, record: &Record, out: &mut Vec<u8>) {
        proto::bytes(out, field::TRACE_ID, &record.trace.trace_id);
        proto::bytes(out, field::SPAN_ID, self.span_id);
        if let Some(state) = &record.trace.state {
            proto::bytes(out, field::TRACE_STATE, state.as_bytes());
        }
        if let Some(parent) = self.parent {
            proto::bytes(out, field::PARENT_SPAN_ID, parent);
        }
        proto::uint(out, field::KIND, self.kind);
        proto::fixed64(out, field::START, record.start_unix_ns.saturating_add(self.start_ns));
        proto::fixed64(out, field::END, record.start_unix_ns.saturating_add(self.end_ns));
        proto::fixed32(out, field::FLAGS, u32::from(record.trace.flags) | self.flags);
    }
}

/// `first second`, or `first` alone.
fn name(out: &mut Vec<u8>, first: &str, second: &str) {
    if second.is_empty() {
        return proto::bytes(out, field::NAME, first.as_bytes());
    }
    proto::length(out, field::NAME, first.len() + 1 + second.len());
    out.extend_from_slice(first.as_bytes());
    out.push(b' ');
    out.extend_from_slice(second.as_bytes());
}

/// Unset unless it failed; the error's name is in `error.type`, so there is no description.
fn status(out: &mut Vec<u8>, failed: bool) {
    if failed {
        proto::length(out, field::STATUS, 2);
        proto::uint(out, 3, STATUS_ERROR);
    }
}

fn seconds(attributes: &mut Attributes<'_>, key: &str, ns: Option<u64>) {
    if let Some(ns) = ns {
        attributes.float(key, ns as f64 / 1e9);
    }
}

/// A short text made in place: no allocation per span. What does not fit is left away.
struct Stack {
    bytes: [u8; 128],
    len: usize,
}

impl Default for Stack {
    fn default() -> Self {
        Self { bytes: [0; 128], len: 0 }
    }
}

impl Stack {
    fn push(&mut self, text: &str) {
        let room = self.bytes.len() - self.len;
        let fits = (0..=room.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        if let (Some(free), Some(text)) = (self.bytes.get_mut(self.len..self.len + fits), text.as_bytes().get(..fits)) {
            free.copy_from_slice(text);
            self.len += fits;
        }
    }

    fn show(&mut self, value: impl std::fmt::Display) {
        use std::fmt::Write;
        // `write_str` below never fails.
        let _ = write!(self, "{value}");
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

impl std::fmt::Write for Stack {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
