//! From a committed answer to its end: the head the client gets, what the connection does next, and what is settled.

use super::attempt;
use super::exchange::Begun;
use super::reader::End;
use super::request::{Next, Refusal, Request, Stop};
use super::respond::{self, Framing};
use super::settle;
use super::tried::Tried;
use super::using::Using;
use crate::http1::ResponseBody;
use crate::provider::error_message;
use crate::telemetry::{ErrorClass, Outcome};

/// Writes the head of the answer, which leaves with the first content. True when the connection may go on after it.
pub fn commit(begun: &mut Begun, using: &Using, request: &mut Request) -> bool {
    let Begun { relay, facts, .. } = begun;
    let mut out = request.shard.buffers.take_vec(1024 + facts.head_bytes.len());
    relay.framing = match (&facts.told, facts.streams()) {
        (Some(_), false) => Framing::Length(relay.waiting.as_ref().map_or(0, |waiting| waiting.len() as u64)),
        _ => Framing::of(request, &facts.head, facts.content.is_stream()),
    };
    request.keep_alive &= !matches!(relay.end, Some(End::Broken(_)));
    let keep_alive = request.may_keep_alive() && relay.framing != Framing::Close;
    match &facts.told {
        Some(told) => {
            let content_type = relay.reader.content_type();
            respond::begin_translated_head(
                request,
                content_type,
                &told.request_id,
                relay.framing,
                keep_alive,
                &mut out,
            );
            request.record().status = 200;
        }
        None => {
            respond::begin_head(request, &facts.head, &facts.head_bytes, relay.framing, keep_alive, &mut out);
            request.record().status = facts.head.status;
        }
    }
    let whole = !facts.content.is_stream() && relay.end == Some(End::Complete);
    let cost = if whole { settle::cost_so_far(request, &relay.reader.reading) } else { None };
    respond::finish_head(cost, &mut out);
    relay.head = Some(out);
    facts.commit(&request.shard, using.is_heard());
    keep_alive
}

/// What the client gets when the last answer is a failure; `None`: the answer itself.
pub fn refusal(begun: &mut Begun, error: ErrorClass, request: &mut Request) -> Option<Refusal> {
    let Begun { relay, facts, .. } = begun;
    let status = facts.head.status;
    // What the provider itself says went wrong is told below.
    let is_said = relay.reader.reading.error.is_some();
    if let (Some(End::Broken(error)), true) = (relay.end, status < 400 && !is_said) {
        return match attempt::fail(request, error.into()) {
            Stop::Refuse(refusal) => Some(refusal),
            Stop::Silent(_) => None,
        };
    }
    if facts.told.is_none() && status >= 400 && !matches!(status, 401 | 403) {
        return None;
    }
    // The provider's text may quote this gateway's own key, and a 401 would tell the caller that theirs is bad.
    let error = if facts.told.is_none() && status >= 400 { ErrorClass::Auth } else { error };
    attempt::end(request, Some(error));
    let told = facts.told();
    let said = match relay.reader.stream_error() {
        Some(said) => said.to_owned(),
        None => error_message(relay.said()),
    };
    Some(told.refusal(request, error, &said, relay.said()))
}

/// Ends a failed attempt that another one follows.
pub fn close(tried: &mut Tried, class: ErrorClass, request: &mut Request) {
    attempt::end_at(request, tried.at, Some(class));
    if let Ok(mut begun) = tried.take() {
        let Begun { relay, facts, .. } = &mut *begun;
        settle::undelivered(request, tried.at, &mut relay.reader.reading, facts);
        release(begun, request, true);
    }
}

/// The connection to the provider: kept where nothing of the exchange is left on it.
pub fn release(mut begun: Box<Begun>, request: &Request, delivered: bool) {
    begun.facts.let_go(&request.shard);
    let (relay, head) = (&begun.relay, &begun.facts.head);
    // A provider may answer before it has the whole request: what it reads next would be the rest of that.
    let sent_whole = request.body_consumed && !relay.upstream.stream.is_sending();
    let is_over = delivered && relay.end == Some(End::Complete) && !relay.reader.talked_on;
    let reusable = is_over && head.keep_alive && sent_whole && head.body != ResponseBody::UntilClose;
    // Moved out of the box: what stays there is not copied.
    let upstream = begun.relay.upstream;
    if reusable {
        upstream.keep(&request.shard, &request.snapshot.limits);
    } else {
        // A provider that still generates must notice at once: what nobody reads is still billed.
        upstream.stream.shutdown();
    }
}

/// The record, and what the client's connection does next.
pub fn finish(tried: &mut Tried, delivered: Result<(), ErrorClass>, keep_alive: bool, request: &mut Request) -> Next {
    let Ok(mut begun) = tried.take() else { return Next::Abort };
    let using = &mut tried.using;
    let Begun { relay, facts, .. } = &mut *begun;
    let (end, framing) = (relay.end, relay.framing);
    let reading = &mut relay.reader.reading;
    let error = match (&delivered, end) {
        (Err(error), _) => Some(*error),
        (Ok(()), Some(End::Broken(error))) => Some(error),
        (Ok(()), _) => {
            reading.error.or_else(|| settle::error_of(facts.api, facts.head.status, "", relay.reader.kept()))
        }
    };
    attempt::end(request, error);
    let failed = relay.reader.reading.error.is_some();
    request.record().outcome = match (&delivered, end) {
        (Err(_), _) => Outcome::Cancelled,
        (Ok(()), Some(End::Complete)) if !failed => Outcome::Served,
        _ => Outcome::Truncated,
    };
    relay.progress.record(request.record());
    let prior = relay.reader.prior();
    let usage = settle::usage(request, &mut relay.reader.reading, facts, prior);
    using.ended(request, error, facts.head.status, facts.exhausted_ms, usage);
    release(begun, request, delivered.is_ok());
    match (delivered, end) {
        (Ok(()), Some(End::Complete)) if keep_alive => Next::KeepAlive,
        (Ok(()), Some(End::Complete)) => Next::Close,
        _ if framing == Framing::Close => Next::Reset,
        _ => Next::Abort,
    }
}
