//! The head of an answer that came from a provider, as the client gets it.

use super::answer::push_ids;
use super::request::Request;
use super::text::push_decimal;
use crate::http1::{Field, Name, ResponseBody, ResponseHead, forward_fields, push_field, write_status_line};
use crate::telemetry::path::{self, Choice, FirstMove, Step, StepKind};
use crate::telemetry::{AttemptReason, ErrorClass, PassedOver, Record};

/// How the client sees where the body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// No body at all.
    None,
    Length(u64),
    Chunked,
    /// HTTP/1.0: the end of the connection.
    Close,
}

impl Framing {
    /// Always our own (spec "dataplane" 3.8, rule 12). Streams of events lose events on the way, so their length is open.
    pub fn of(request: &Request, head: &ResponseHead, is_sse: bool) -> Self {
        match head.body {
            ResponseBody::None => Framing::None,
            ResponseBody::Length(length) if !is_sse => Framing::Length(length),
            _ if request.head.http10 => Framing::Close,
            _ => Framing::Chunked,
        }
    }
}

/// Writes the head of an answer that passes as it is, but for its last line: see [`finish_head`]. `keep_alive` is what
/// the client is told.
pub fn begin_head(
    request: &mut Request,
    head: &ResponseHead,
    received: &[u8],
    framing: Framing,
    keep_alive: bool,
    out: &mut Vec<u8>,
) {
    write_status_line(out, head.status);
    let failed = head.status >= 400;
    forward_fields(&head.fields, received, out, |field, received| drops(field, received, failed));
    if let Some(id) = upstream_request_id(head, received) {
        push_field(out, "x-upstream-request-id", id);
    }
    if framing == Framing::None && matches!(head.status, 204 | 304) {
        push_own(request, Framing::Close, keep_alive, out);
    } else {
        push_own(request, framing, keep_alive, out);
    }
}

/// The same for an answer that was translated: none of the provider's fields means anything in the client's dialect.
pub fn begin_translated_head(
    request: &mut Request,
    content_type: &str,
    upstream_id: &[u8],
    framing: Framing,
    keep_alive: bool,
    out: &mut Vec<u8>,
) {
    write_status_line(out, 200);
    push_field(out, "content-type", content_type.as_bytes());
    push_field(out, "date", request.shard.clock.http_date().as_bytes());
    if framing == Framing::Chunked {
        push_field(out, "cache-control", b"no-cache");
    }
    if !upstream_id.is_empty() {
        push_field(out, "x-upstream-request-id", upstream_id);
    }
    if let Some(warning) = request.warning.take() {
        push_field(out, "warning", warning.as_bytes());
    }
    push_own(request, framing, keep_alive, out);
}

fn push_own(request: &mut Request, framing: Framing, keep_alive: bool, out: &mut Vec<u8>) {
    match framing {
        Framing::None => out.extend_from_slice(b"content-length: 0\r\n"),
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            push_decimal(length, out);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::Close => {}
    }
    push_ids(request, out);
    push_target(request, out);
    if matches!(framing, Framing::Length(_)) {
        push_timing(request, out);
    }
    if !keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
    }
}

/// What is known only when the whole answer is, and the line that ends the head.
pub fn finish_head(cost_pico_usd: Option<i64>, out: &mut Vec<u8>) {
    if let Some(cost) = cost_pico_usd {
        out.extend_from_slice(b"x-sluice-cost-usd: ");
        push_usd(cost, out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// All twelve decimals: a token costs as little as 1e-8 USD.
fn push_usd(pico_usd: i64, out: &mut Vec<u8>) {
    const PICO: u64 = 1_000_000_000_000;
    if pico_usd < 0 {
        out.push(b'-');
    }
    let pico = pico_usd.unsigned_abs();
    push_decimal(pico / PICO, out);
    out.push(b'.');
    let mut rest = pico % PICO;
    let mut digits = [b'0'; 12];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits);
}

/// What is the provider's business with this gateway, not with the client (spec "providers" 17).
fn drops(field: &Field, received: &[u8], failed: bool) -> bool {
    match field.name {
        Name::SetCookie | Name::OpenAiOrganization | Name::XRequestId | Name::Via | Name::Traceparent => true,
        // Providers send it on successes too, where it means nothing for the client.
        Name::RetryAfter => !failed,
        Name::TfyOrSluice => true,
        Name::Other => {
            let name = field.name_span.of(received);
            starts_with(name, b"x-ratelimit-")
                || starts_with(name, b"anthropic-ratelimit-")
                || name.eq_ignore_ascii_case(b"request-id")
        }
        _ => false,
    }
}

/// Anthropic's name of the field, Amazon's and Azure's.
const REQUEST_IDS: [&[u8]; 3] = [b"request-id", b"x-amzn-requestid", b"apim-request-id"];

pub fn upstream_request_id<'a>(head: &ResponseHead, received: &'a [u8]) -> Option<&'a [u8]> {
    let is_known = |field: &&Field| {
        let name = field.name_span.of(received);
        field.name == Name::Other && REQUEST_IDS.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let named = || head.fields.iter().find(is_known).map(|field| field.value.of(received));
    head.value(Name::XRequestId, received).or_else(named)
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Who answered, after how many attempts, and what decided that. Nothing where nobody was asked.
pub fn push_target(request: &mut Request, out: &mut Vec<u8>) {
    let record = request.record();
    let Some(attempt) = record.attempts.last() else { return };
    push_field(out, "x-sluice-target", attempt.target.fqn.as_bytes());
    out.extend_from_slice(b"x-sluice-attempts: ");
    push_decimal(record.attempts.len() as u64, out);
    out.extend_from_slice(b"\r\n");
    push_field(out, "x-tfy-resolved-model", attempt.target.fqn.as_bytes());
    if record.routing.is_some() || record.fallback_rule.is_some() {
        push_field(out, "x-tfy-applied-configurations", applied(record).as_bytes());
    }
}

/// Who really answered, for the end of a stream that another target has carried on since its head left. In trailers, since
/// a comment in the stream is not what every client takes (google-genai 3.6 reads it as a broken answer), and only for a
/// client that says it reads them (`te: trailers`, RFC 9110 10.1.4).
pub fn trailers(request: &mut Request, received: &[u8]) -> Box<[u8]> {
    let reads_them = |field: &Field| {
        let codings = field.value.of(received).split(|&byte| byte == b',');
        field.name == Name::Te && codings.map(<[u8]>::trim_ascii).any(|one| one.eq_ignore_ascii_case(b"trailers"))
    };
    let mut fields = Vec::new();
    if request.head.fields.iter().any(reads_them) {
        push_target(request, &mut fields);
    }
    fields.into()
}

/// The rules that decided and why, as one line of JSON.
fn applied(record: &Record) -> String {
    let mut applied = serde_json::Map::new();
    if let Some(Choice { route, target, reason, passed_over }) = path::choice(record) {
        let mut decided = serde_json::json!({"rule_id": &*route.rule, "type": route.routing_type,
            "target": &*target.fqn, "reason": reason.as_str()});
        if let Some(PassedOver { count, why }) = passed_over {
            decided["passed_over"] = count.into();
            decided["passed_over_why"] = why.as_str().into();
        }
        applied.insert("load_balancing".to_owned(), decided);
    }
    // Every move, on the rule that made it: where there were several, the last one is the `fallback`.
    let steps = path::steps(record).filter(Step::is_move).map(moved);
    let diverted = path::first_move(record).map(|FirstMove { rule, from, to, why }| {
        serde_json::json!({"rule_id": rule, "from": &*from.fqn, "target": &*to.target.fqn, "reason": why.as_str()})
    });
    let mut moves: Vec<_> = diverted.into_iter().chain(steps).collect();
    if moves.len() > 1 {
        applied.insert("moves".to_owned(), moves.clone().into());
    }
    applied.extend(moves.pop().map(|last| ("fallback".to_owned(), last)));
    let hedge = path::steps(record).find(|step| step.kind == StepKind::Hedge && step.is_last);
    applied.extend(hedge.map(|step| ("hedge".to_owned(), moved(step))));
    let retries = record.attempts.iter().filter(|attempt| attempt.reason == AttemptReason::Retry).count();
    if retries > 0 {
        applied.insert("retries".to_owned(), retries.into());
    }
    let line = serde_json::Value::Object(applied).to_string();
    // A field's value is plain text (RFC 9110 5.5).
    line.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect()
}

fn moved(step: Step<'_>) -> serde_json::Value {
    serde_json::json!({"rule_id": step.rule, "from": &*step.from.target.fqn, "target": &*step.to.target.fqn,
        "reason": step.error().map_or("", ErrorClass::as_str)})
}

/// `server-timing` in milliseconds: what was Sluice's own, what was the provider's.
fn push_timing(request: &mut Request, out: &mut Vec<u8>) {
    let record = request.record();
    let admit_ns = record.admit_ns;
    let Some(attempt) = record.attempts.last() else { return };
    let upstream_ns = attempt.first_byte_ns.unwrap_or(attempt.start_ns).saturating_sub(attempt.start_ns);
    out.extend_from_slice(b"server-timing: admit;dur=");
    write_ms(admit_ns, out);
    out.extend_from_slice(b", upstream;dur=");
    write_ms(upstream_ns, out);
    out.extend_from_slice(b"\r\n");
}

fn write_ms(ns: u64, out: &mut Vec<u8>) {
    let us = ns / 1000;
    push_decimal(us / 1000, out);
    out.push(b'.');
    out.extend([us / 100 % 10, us / 10 % 10, us % 10].map(|digit| b'0' + digit as u8));
}
