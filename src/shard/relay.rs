//! From the provider's head to the end of the answer: decides how it is read and forwarded, and settles it.

use super::attempt::{self, InputEstimate, Sent};
use super::client::Client;
use super::failure::Told;
use super::pump::Relay;
use super::reader::{Answer, Content, End, Reader};
use super::request::{Next, Refusal, Request, Stop};
use super::respond::{self, Framing};
use super::{answer, settle};
use crate::config::Api;
use crate::dialect::Reading;
use crate::http1::{BodyDecoder, Name, ResponseBody, ResponseHead};
use crate::meter::{self, Family};
use crate::telemetry::{ErrorClass, Outcome};

/// A whole JSON answer up to this waits for its end, so that its head can say what it cost.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// What is known of an answer before its body.
struct Facts {
    head: ResponseHead,
    content: Content,
    api: Api,
    family: Family,
    input: InputEstimate,
    /// Of an answer that is translated.
    told: Option<Told>,
}

pub async fn run(sent: Sent, request: &mut Request, client: &mut Client) -> Next {
    if sent.back.is_none() && matches!(sent.head.status, 401 | 403) {
        // The provider's text may quote this gateway's own key, and a 401 would tell the caller that theirs is bad.
        drop(sent);
        return match attempt::fail(request, ErrorClass::Auth) {
            Stop::Refuse(refusal) => answer::refuse(request, client, refusal).await,
            Stop::Silent(_) => Next::Abort,
        };
    }
    let (mut relay, facts, mut out) = begin(sent, request);
    let gathered = gather(&mut relay, &facts, request, client).await;
    if let Some(told) = &facts.told {
        if let (Ok(()), Some(refusal)) = (gathered, failure(&mut relay, &facts, told, request)) {
            relay.upstream.stream.shutdown();
            settle::usage(request, &mut relay.reader.reading, facts.family, facts.input, facts.head.status);
            return answer::refuse(request, client, refusal).await;
        }
        if !facts.streams() {
            relay.framing = Framing::Length(relay.waiting.as_ref().map_or(0, |waiting| waiting.len() as u64));
        }
        let keep_alive = keeps_alive(request, relay.framing);
        let content_type = relay.reader.content_type();
        respond::begin_translated_head(request, content_type, &told.request_id, relay.framing, keep_alive, &mut out);
        request.record().status = 200;
    }
    let keep_alive = keeps_alive(request, relay.framing);
    let whole = !facts.content.is_stream() && relay.end == Some(End::Complete);
    let cost = if whole { settle::cost_so_far(request, &relay.reader.reading) } else { None };
    respond::finish_head(cost, &mut out);
    relay.head = Some(out);
    let delivered = match gathered {
        Ok(()) => relay.pump(request, client).await,
        Err(error) => Err(error),
    };
    finish(relay, facts, delivered, keep_alive, request)
}

fn keeps_alive(request: &Request, framing: Framing) -> bool {
    request.may_keep_alive() && framing != Framing::Close
}

impl Facts {
    /// The client gets events as they come. A translated answer that is no stream is made when all of it is here.
    fn streams(&self) -> bool {
        self.content.is_stream() && self.head.status < 300
    }
}

/// The head of an answer that passes as it is lies in the last of these, but for its last lines.
fn begin(sent: Sent, request: &mut Request) -> (Relay, Facts, Vec<u8>) {
    let Sent { mut upstream, head, wire, back, hide_usage, input, api, held } = sent;
    let received = upstream.received();
    let content = content_of(&head, received);
    let readable = head.value(Name::ContentEncoding, received).is_none_or(|value| has_prefix(value, b"identity"));
    let told = back.is_some().then(|| Told::of(&head, received));
    let framing = Framing::of(request, &head, content.is_stream());
    let mut out = request.shard.buffers.take_vec(1024 + received.len());
    if told.is_none() {
        let keep_alive = keeps_alive(request, framing);
        respond::begin_head(request, &head, received, framing, keep_alive, &mut out);
        request.record().status = head.status;
    }
    upstream.consume(head.head_bytes);

    let decoder = BodyDecoder::response(head.body, request.snapshot.limits.trailer_bytes_max);
    let family = request.record().attempts.last().map_or(Family::Unknown, |last| meter::family(&last.target.model_id));
    let input_estimate = input.tokens;
    let answer = Answer { wire, back, head: &head, decoder, content, readable, hide_usage, input_estimate };
    let reader = Reader::new(answer, Reading::new(family));
    let relay = Relay::new(upstream, reader, framing, content.is_stream(), held);
    (relay, Facts { head, content, api, family, input, told }, out)
}

/// What must be known before the head can leave. The error is the client's.
async fn gather(
    relay: &mut Relay,
    facts: &Facts,
    request: &mut Request,
    client: &mut Client,
) -> Result<(), ErrorClass> {
    let bytes_max = match (facts.told.is_some(), facts.content) {
        (true, _) if !facts.streams() => usize::MAX,
        // (Gemini streams JSON arrays.)
        (false, Content::Json) if !request.record().stream => GATHERED_BYTES_MAX,
        _ => return Ok(()),
    };
    relay.gather(request, client, bytes_max).await
}

/// Ends the attempt when the gathered answer is a provider's failure, and says what the client gets.
fn failure(relay: &mut Relay, facts: &Facts, told: &Told, request: &mut Request) -> Option<Refusal> {
    if facts.streams() {
        return None;
    }
    let status = facts.head.status;
    let class = match relay.end {
        Some(End::Broken(error)) => Some(error),
        // Nobody follows a redirection with another's credentials.
        _ if (300..400).contains(&status) => Some(ErrorClass::Protocol),
        _ => settle::error_of(facts.api, status, &told.name, relay.reader.kept()),
    }?;
    attempt::end(request, Some(class));
    Some(told.refusal(request, class, relay.reader.kept()))
}

/// The connections, the record, and what the client's connection does next.
fn finish(
    relay: Relay,
    facts: Facts,
    delivered: Result<(), ErrorClass>,
    keep_alive: bool,
    request: &mut Request,
) -> Next {
    let Relay { upstream, end, mut reader, framing, .. } = relay;
    let head = &facts.head;
    // A provider may answer before it has the whole request: what it reads next would be the rest of that.
    let sent_whole = request.body_consumed && !upstream.stream.is_sending();
    let reusable = delivered.is_ok() && end == Some(End::Complete) && head.keep_alive && !reader.talked_on;
    if reusable && sent_whole && head.body != ResponseBody::UntilClose {
        upstream.keep(&request.shard, &request.snapshot.limits);
    } else {
        // A provider that still generates must notice at once: what nobody reads is still billed.
        upstream.stream.shutdown();
    }
    let error = match (&delivered, end) {
        (Err(error), _) => Some(*error),
        (Ok(()), Some(End::Broken(error))) => Some(error),
        (Ok(()), _) => reader.reading.error.or_else(|| settle::error_of(facts.api, head.status, "", reader.kept())),
    };
    attempt::end(request, error);
    request.record().outcome = match (&delivered, end) {
        (Err(_), _) => Outcome::Cancelled,
        (Ok(()), Some(End::Complete)) if reader.reading.error.is_none() => Outcome::Served,
        _ => Outcome::Truncated,
    };
    settle::usage(request, &mut reader.reading, facts.family, facts.input, head.status);
    match (delivered, end) {
        (Ok(()), Some(End::Complete)) if keep_alive => Next::KeepAlive,
        (Ok(()), Some(End::Complete)) => Next::Close,
        _ if framing == Framing::Close => Next::Reset,
        _ => Next::Abort,
    }
}

fn content_of(head: &ResponseHead, received: &[u8]) -> Content {
    match head.value(Name::ContentType, received) {
        Some(value) if has_prefix(value, b"text/event-stream") => Content::Sse,
        Some(value) if has_prefix(value, b"application/vnd.amazon.eventstream") => Content::Frames,
        Some(value) if has_prefix(value, b"application/json") => Content::Json,
        _ => Content::Other,
    }
}

fn has_prefix(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
