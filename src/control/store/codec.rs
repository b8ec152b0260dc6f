//! A record as compact bytes among a block's details, and back as a [`Row`] when somebody reads it.
//!
//! A field that is zero or empty is left out and an unknown tag is skipped, so older and newer files read. JSON would be
//! three times the bytes, and most rows are never read. Never fails: what cannot be read is left at its default.

use std::io::Write as _;

use super::row::{AttemptRow, GapsRow, PrincipalRow, Row, UsageRow};
use super::tlv::{TEXT_BYTES_MAX, bytes, cut, fields, nested, optional, text, uint, varint, varints, zigzag};
use crate::meter::Usage;
use crate::telemetry::{Attempt, Diverted, Gaps, PassedOver, Record, path};

macro_rules! tags {
    ($($name:ident = $value:literal),+ $(,)?) => { $(const $name: u8 = $value;)+ };
}

// Numbers are kept for good: a tag is never given a second meaning.
tags! {
    SPAN_ID = 2, PARENT_SPAN_ID = 3, TRACE_FLAGS = 4, START_NS = 5, DURATION_NS = 6, SHARD = 7,
    OPERATION = 8, METHOD = 9, ROUTE = 10, CLIENT = 11, SUBJECT = 12, NAME = 13, TEAM = 14, KEY_ID = 15,
    META_KEY = 16, META_VALUE = 17, MODEL_REQUESTED = 18, STREAM = 19, MAX_TOKENS = 20, STATUS = 21,
    ERROR_CODE = 23, ATTEMPT = 24, USAGE = 25, COST = 26, FINISH_REASON = 27, RESPONSE_ID = 28, RESPONSE_MODEL = 29,
    FIRST_TOKEN_NS = 30, LAST_TOKEN_NS = 31, CHUNKS = 32, GAP_COUNTS = 33, GAP_SUM_NS = 34, GAP_MAX_NS = 35,
    REQUEST_BYTES = 36, RESPONSE_BYTES = 37, ADMIT_NS = 38,
    RULE = 39, ROUTING_TYPE = 50, FALLBACK_RULE = 51, RESCUED_BY = 52,
    DIVERTED_FROM = 57, DIVERTED_WHY = 58,
    // of an attempt
    TARGET = 40, TARGET_MODEL_ID = 41, PROVIDER = 42, REASON = 43, FIRST_BYTE_NS = 44, END_NS = 45, ERROR = 46,
    REUSED = 47, HOST = 48, ATTEMPT_START_NS = 49, PASSED_OVER = 53, WAITED_NS = 54,
    BY_FALLBACK_RULE = 55, PASSED_OVER_WHY = 59,
    // of a usage
    INPUT = 60, CACHE_READ = 61, CACHE_WRITE_5M = 62, CACHE_WRITE_1H = 63, CACHE_WRITE = 64, OUTPUT = 65,
    REASONING = 66, AUDIO_INPUT = 67, AUDIO_OUTPUT = 68, SOURCE = 69,
}

/// Appends `record` to `out`, without what its [`Head`](super::block::Head) holds.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    let trace = &record.trace;
    bytes(out, SPAN_ID, &trace.span_id);
    if let Some(parent) = &trace.parent_span_id {
        bytes(out, PARENT_SPAN_ID, parent);
    }
    uint(out, TRACE_FLAGS, trace.flags.into());
    uint(out, START_NS, record.start_unix_ns);
    uint(out, DURATION_NS, record.duration_ns);
    uint(out, SHARD, record.shard.into());
    text(out, OPERATION, record.face.operation_name());
    text(out, METHOD, &record.method);
    text(out, ROUTE, record.route);
    if let Some(client) = record.client {
        // Into a vector, which cannot fail.
        nested(out, CLIENT, |out| drop(write!(out, "{client}")));
    }
    encode_caller(record, out);
    text(out, MODEL_REQUESTED, &record.model_requested);
    uint(out, STREAM, record.stream.into());
    optional(out, MAX_TOKENS, record.max_tokens);
    text(out, ERROR_CODE, record.error_code.unwrap_or_default());
    encode_routing(record, out);
    for attempt in &record.attempts {
        nested(out, ATTEMPT, |out| encode_attempt(attempt, out));
    }
    nested(out, USAGE, |out| encode_usage(&record.usage, out));
    optional(out, COST, record.cost_pico_usd.map(zigzag));
    text(out, FINISH_REASON, record.finish_reason.as_deref().unwrap_or_default());
    text(out, RESPONSE_ID, record.response_id.as_deref().unwrap_or_default());
    text(out, RESPONSE_MODEL, record.response_model.as_deref().unwrap_or_default());
    optional(out, FIRST_TOKEN_NS, record.first_token_ns);
    optional(out, LAST_TOKEN_NS, record.last_token_ns);
    uint(out, CHUNKS, record.chunks.into());
    if record.gaps.sum_ns > 0 || record.gaps.count() > 0 {
        nested(out, GAP_COUNTS, |out| record.gaps.counts.iter().for_each(|&count| varint(out, count.into())));
        uint(out, GAP_SUM_NS, record.gaps.sum_ns);
        uint(out, GAP_MAX_NS, record.gaps.max_ns);
    }
    uint(out, REQUEST_BYTES, record.request_body_bytes);
    uint(out, RESPONSE_BYTES, record.response_body_bytes);
    uint(out, ADMIT_NS, record.admit_ns);
}

fn encode_caller(record: &Record, out: &mut Vec<u8>) {
    if let Some(principal) = &record.principal {
        text(out, SUBJECT, &principal.subject);
        text(out, NAME, &principal.name);
        principal.teams.iter().for_each(|team| text(out, TEAM, team));
        text(out, KEY_ID, &principal.key_id);
    }
    for (key, value) in record.metadata.iter().flat_map(|pairs| pairs.iter()) {
        text(out, META_KEY, key);
        text(out, META_VALUE, value);
    }
}

fn encode_routing(record: &Record, out: &mut Vec<u8>) {
    if let Some(route) = &record.routing {
        text(out, RULE, &route.rule);
        text(out, ROUTING_TYPE, route.routing_type);
    }
    text(out, FALLBACK_RULE, record.fallback_rule.as_deref().unwrap_or_default());
    if let Some(Diverted { from, why, .. }) = &record.diverted {
        text(out, DIVERTED_FROM, &from.fqn);
        text(out, DIVERTED_WHY, why.as_str());
    }
    if record.attempts.len() > 1 {
        text(out, RESCUED_BY, path::rescue(record).map_or("", path::Rescue::as_str));
    }
}

fn encode_attempt(attempt: &Attempt, out: &mut Vec<u8>) {
    text(out, TARGET, &attempt.target.fqn);
    text(out, TARGET_MODEL_ID, &attempt.target.model_id);
    text(out, PROVIDER, &attempt.target.provider);
    text(out, HOST, &attempt.target.host);
    text(out, REASON, attempt.reason.as_str());
    uint(out, BY_FALLBACK_RULE, attempt.by_fallback_rule.into());
    if let Some(PassedOver { count, why }) = attempt.passed_over {
        uint(out, PASSED_OVER, count.into());
        text(out, PASSED_OVER_WHY, why.as_str());
    }
    uint(out, WAITED_NS, attempt.waited_ns);
    bytes(out, SPAN_ID, &attempt.span_id);
    uint(out, ATTEMPT_START_NS, attempt.start_ns);
    optional(out, FIRST_BYTE_NS, attempt.first_byte_ns);
    uint(out, END_NS, attempt.end_ns);
    uint(out, STATUS, attempt.status.into());
    text(out, ERROR, attempt.error.map_or("", |error| error.as_str()));
    uint(out, REUSED, attempt.reused.into());
    nested(out, USAGE, |out| encode_usage(&attempt.usage, out));
    optional(out, COST, attempt.cost_pico_usd.map(zigzag));
}

fn encode_usage(usage: &Usage, out: &mut Vec<u8>) {
    uint(out, INPUT, usage.input);
    uint(out, CACHE_READ, usage.cache_read);
    uint(out, CACHE_WRITE_5M, usage.cache_write_5m);
    uint(out, CACHE_WRITE_1H, usage.cache_write_1h);
    uint(out, CACHE_WRITE, usage.cache_write);
    uint(out, OUTPUT, usage.output);
    uint(out, REASONING, usage.reasoning);
    uint(out, AUDIO_INPUT, usage.audio_input);
    uint(out, AUDIO_OUTPUT, usage.audio_output);
    text(out, SOURCE, usage.source.as_str());
}

/// The row of `detail`, but for what its head holds.
pub fn decode(detail: &[u8]) -> Row {
    let mut row = Row::default();
    let mut principal = PrincipalRow::default();
    let mut meta_key = String::new();
    let mut gaps = GapsRow::default();
    for (tag, value) in fields(detail) {
        match tag {
            SPAN_ID => row.span_id = value.hex(),
            PARENT_SPAN_ID => row.parent_span_id = Some(value.hex()),
            START_NS => row.set_start(value.uint()),
            DURATION_NS => row.duration_ms = value.ms(),
            SHARD => row.shard = value.uint(),
            OPERATION => row.operation = value.text(),
            METHOD => row.method = value.text(),
            ROUTE => row.route = value.text(),
            CLIENT => row.client = Some(value.text()),
            SUBJECT => principal.subject = value.text(),
            NAME => principal.name = value.text(),
            TEAM => principal.teams.push(value.text()),
            KEY_ID => principal.key_id = value.text(),
            META_KEY => meta_key = value.text(),
            META_VALUE => drop(row.metadata.insert(std::mem::take(&mut meta_key), value.text())),
            MODEL_REQUESTED => row.model_requested = value.text(),
            STREAM => row.stream = value.uint() == 1,
            MAX_TOKENS => row.max_tokens = Some(value.uint()),
            RULE => row.rule = Some(value.text()),
            ROUTING_TYPE => row.routing_type = Some(value.text()),
            FALLBACK_RULE => row.fallback_rule = Some(value.text()),
            DIVERTED_FROM => row.diverted_from = Some(value.text()),
            DIVERTED_WHY => row.diverted_why = Some(value.text()),
            RESCUED_BY => row.rescued_by = Some(value.text()),
            ERROR_CODE => row.error_code = Some(value.text()),
            ATTEMPT => row.attempts.push(decode_attempt(value.bytes())),
            USAGE => row.usage = decode_usage(value.bytes()),
            COST => row.cost_usd = Some(value.usd()),
            FINISH_REASON => row.finish_reason = Some(value.text()),
            RESPONSE_ID => row.response_id = Some(value.text()),
            RESPONSE_MODEL => row.response_model = Some(value.text()),
            FIRST_TOKEN_NS => row.first_token_ms = Some(value.ms()),
            LAST_TOKEN_NS => row.last_token_ms = Some(value.ms()),
            CHUNKS => row.chunks = value.uint(),
            GAP_COUNTS => gaps.set_counts(varints(value.bytes())),
            GAP_SUM_NS => gaps.sum_ms = value.ms(),
            GAP_MAX_NS => gaps.max_ms = value.ms(),
            REQUEST_BYTES => row.request_body_bytes = value.uint(),
            RESPONSE_BYTES => row.response_body_bytes = value.uint(),
            ADMIT_NS => row.admit_ms = value.ms(),
            _ => {}
        }
    }
    row.principal = (!principal.subject.is_empty()).then_some(principal);
    row.gaps = (gaps.count > 0).then_some(gaps);
    row.model = row.attempts.last().map_or(&row.model_requested, |attempt| &attempt.target).clone();
    row
}

fn decode_attempt(detail: &[u8]) -> AttemptRow {
    let mut row = AttemptRow::default();
    for (tag, value) in fields(detail) {
        match tag {
            TARGET => row.target = value.text(),
            TARGET_MODEL_ID => row.model_id = value.text(),
            PROVIDER => row.provider = value.text(),
            HOST => row.host = value.text(),
            REASON => row.reason = value.text(),
            BY_FALLBACK_RULE => row.by_fallback_rule = value.uint() == 1,
            PASSED_OVER => row.passed_over = value.uint(),
            PASSED_OVER_WHY => row.passed_over_why = Some(value.text()),
            WAITED_NS => row.waited_ms = value.ms(),
            SPAN_ID => row.span_id = value.hex(),
            ATTEMPT_START_NS => row.start_ms = value.ms(),
            FIRST_BYTE_NS => row.first_byte_ms = Some(value.ms()),
            END_NS => row.end_ms = value.ms(),
            STATUS => row.status = value.uint(),
            ERROR => row.error = Some(value.text()),
            REUSED => row.reused = value.uint() == 1,
            USAGE => row.usage = decode_usage(value.bytes()),
            COST => row.cost_usd = Some(value.usd()),
            _ => {}
        }
    }
    row
}

fn decode_usage(detail: &[u8]) -> UsageRow {
    let mut row = UsageRow::default();
    for (tag, value) in fields(detail) {
        match tag {
            INPUT => row.input_tokens = value.uint(),
            CACHE_READ => row.cache_read_tokens = value.uint(),
            CACHE_WRITE_5M => row.cache_write_5m_tokens = value.uint(),
            CACHE_WRITE_1H => row.cache_write_1h_tokens = value.uint(),
            CACHE_WRITE => row.cache_write_tokens = value.uint(),
            OUTPUT => row.output_tokens = value.uint(),
            REASONING => row.reasoning_tokens = value.uint(),
            AUDIO_INPUT => row.audio_input_tokens = value.uint(),
            AUDIO_OUTPUT => row.audio_output_tokens = value.uint(),
            SOURCE => row.source = value.text(),
            _ => {}
        }
    }
    row
}

/// Whether a rule of this name decided, or named a fallback.
pub fn is_by_rule(detail: &[u8], rule: &str) -> bool {
    let rule = cut(rule, TEXT_BYTES_MAX).as_bytes();
    fields(detail).any(|(tag, value)| matches!(tag, RULE | FALLBACK_RULE) && value.bytes() == rule)
}

/// Whether an attempt was made at `account/model`.
pub fn tried(detail: &[u8], target: &str) -> bool {
    let target = cut(target, TEXT_BYTES_MAX).as_bytes();
    let is_at = |attempt: &[u8]| fields(attempt).any(|(tag, value)| tag == TARGET && value.bytes() == target);
    fields(detail).any(|(tag, value)| tag == ATTEMPT && is_at(value.bytes()))
}

/// Bucket bounds in milliseconds beside their counts, for [`GapsRow`].
pub fn gap_bounds_ms() -> impl Iterator<Item = f64> {
    Gaps::BOUNDS_NS.iter().map(|&bound| bound as f64 / 1e6)
}
