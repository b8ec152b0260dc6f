//! From the provider's head to the end of the answer: forwards, meters, settles.
//!
//! While a send to the client is under way, receiving goes on; what came meanwhile leaves in one send. Past
//! `client_pending_bytes_max` the provider is not read any more, so a slow client slows its provider down and nothing
//! is kept in between.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use super::attempt::{self, Sent};
use super::buffers::{Held, LARGEST_BYTES, STREAM_BYTES};
use super::client::{Client, send_ms};
use super::reader::{Answer, Content, End, Reader};
use super::request::{Next, Request};
use super::respond::{self, Framing};
use super::upstream::Upstream;
use super::{answer, failure, settle};
use crate::dialect::{self, Reading};
use crate::http1::{BodyDecoder, CHUNK_END, LAST_CHUNK, Name, ResponseBody, ResponseHead, chunk_head};
use crate::meter::{self, Family};
use crate::runtime::Buf;
use crate::telemetry::{ErrorClass, Outcome};

/// A whole JSON answer up to this waits for its end, so that its head can say what it cost.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

pub async fn run(sent: Sent, request: &mut Request, client: &mut Client) -> Next {
    let Sent { mut upstream, head, wire, back, hide_usage, input, api, held } = sent;
    if back.is_none() && matches!(head.status, 401 | 403) {
        // The provider's text may quote this gateway's own key, and a 401 would tell the caller that theirs is bad.
        drop(upstream);
        return match attempt::fail(request, ErrorClass::Auth) {
            super::request::Stop::Refuse(refusal) => answer::refuse(request, client, refusal).await,
            super::request::Stop::Silent(_) => Next::Abort,
        };
    }
    let received = upstream.received();
    let content = content_of(&head, received);
    let readable = head.value(Name::ContentEncoding, received).is_none_or(|value| has_prefix(value, b"identity"));
    let failure = back.is_some().then(|| failure::Told::of(&head, received));
    let translated = back.is_some();
    // A translated answer that is no stream is made when all of it is here.
    let streams = content.is_stream() && head.status < 300;
    let mut framing = Framing::of(request, &head, content.is_stream() || (translated && streams));
    let mut keep_alive = request.may_keep_alive() && framing != Framing::Close;
    let mut out = request.shard.buffers.take_vec(1024 + received.len());
    if !translated {
        respond::begin_head(request, &head, received, framing, keep_alive, &mut out);
        request.record().status = head.status;
    }
    upstream.consume(head.head_bytes);

    let decoder = BodyDecoder::response(head.body, request.snapshot.limits.trailer_bytes_max);
    let family = request.record().attempts.last().map_or(Family::Unknown, |last| meter::family(&last.target.model_id));
    let input_estimate = input.tokens;
    let answer = Answer { wire, back, head: &head, decoder, content, readable, hide_usage, input_estimate };
    let mut reader = Reader::new(answer, Reading::new(family));
    let mut relay = Relay {
        upstream,
        reader: &mut reader,
        framing,
        is_stream: content.is_stream(),
        head: None,
        waiting: None,
        end: None,
        held,
        ended: false,
    };
    let gathered = match (translated, streams, content) {
        (true, false, _) => relay.gather(request, client, usize::MAX).await,
        (true, true, _) => Ok(()),
        (false, _, Content::Json) => relay.gather(request, client, GATHERED_BYTES_MAX).await,
        _ => Ok(()),
    };
    if let Some(told) = failure {
        let broken = match relay.end {
            Some(End::Broken(error)) => Some(error),
            // Nobody follows a redirection with another's credentials.
            _ if (300..400).contains(&head.status) => Some(ErrorClass::Protocol),
            _ => settle::error_of(api, head.status, &told.name, relay.reader.kept()),
        };
        if let (false, Ok(()), Some(class)) = (streams, &gathered, broken) {
            let Relay { upstream, .. } = relay;
            upstream.stream.shutdown();
            attempt::end(request, Some(class));
            let refusal = told.refusal(request, class, reader.kept());
            settle::usage(request, &mut reader.reading, family, input, head.status);
            return answer::refuse(request, client, refusal).await;
        }
        if !streams {
            framing = Framing::Length(relay.waiting.as_ref().map_or(0, |waiting| waiting.len() as u64));
        }
        keep_alive = request.may_keep_alive() && framing != Framing::Close;
        relay.framing = framing;
        let content_type = relay.reader.content_type();
        respond::begin_translated_head(request, content_type, &told.request_id, framing, keep_alive, &mut out);
        request.record().status = 200;
    }
    let cost = (!content.is_stream() && relay.end == Some(End::Complete))
        .then(|| settle::cost_so_far(request, &relay.reader.reading))
        .flatten();
    respond::finish_head(cost, &mut out);
    relay.head = Some(out);
    let delivered = match gathered {
        Ok(()) => relay.pump(request, client).await,
        Err(error) => Err(error),
    };
    let Relay { upstream, end, .. } = relay;

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
        (Ok(()), _) => reader.reading.error.or_else(|| settle::error_of(api, head.status, "", reader.kept())),
    };
    attempt::end(request, error);
    request.record().outcome = match (&delivered, end) {
        (Err(_), _) => Outcome::Cancelled,
        (Ok(()), Some(End::Complete)) if reader.reading.error.is_none() => Outcome::Served,
        _ => Outcome::Truncated,
    };
    settle::usage(request, &mut reader.reading, family, input, head.status);
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

struct Relay<'a> {
    upstream: Upstream,
    reader: &'a mut Reader,
    framing: Framing,
    is_stream: bool,
    /// The answer's head, until it leaves with the first content.
    head: Option<Vec<u8>>,
    /// Content that came while a send was under way.
    waiting: Option<Buf>,
    end: Option<End>,
    held: Held,
    /// The proper end of the answer has been handed to the client's connection.
    ended: bool,
}

enum Turn {
    Sent,
    Received(io::Result<usize>),
    Failed(ErrorClass),
}

impl Relay<'_> {
    /// Reads on without sending anything: until the end, or until this much waits. The error is the client's.
    async fn gather(&mut self, request: &mut Request, client: &mut Client, bytes_max: usize) -> Result<(), ErrorClass> {
        let limits = request.snapshot.limits;
        let total_at_ms = client.deadline.after_ms(limits.total_ms);
        let mut room = STREAM_BYTES;
        self.take_first(request);
        while self.end.is_none() && self.waiting.as_ref().map_or(0, Buf::len) < bytes_max {
            if !self.upstream.stream.is_receiving() {
                self.upstream.stream.post_receive(request.shard.buffers.take(room));
            }
            client.deadline.set_at_ms(client.deadline.after_ms(limits.stream_idle_ms).min(total_at_ms));
            match self.turn(client, &request.shard.buffers).await {
                Turn::Sent => {}
                Turn::Received(result) => self.receive(result, request, &mut room),
                Turn::Failed(ErrorClass::TotalTimeout) => {
                    let timed_out = total_at_ms <= client.deadline.now_ms();
                    let error = if timed_out { ErrorClass::TotalTimeout } else { ErrorClass::IdleTimeout };
                    self.break_off(error, request);
                }
                Turn::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What came together with the head.
    fn take_first(&mut self, request: &mut Request) {
        if let Some(mut first) = self.upstream.inbox.take() {
            self.process(&mut first, request);
            self.deliver(first, request);
        }
    }

    /// Until all is delivered. The error is the client's: it left, or it stopped reading.
    async fn pump(&mut self, request: &mut Request, client: &mut Client) -> Result<(), ErrorClass> {
        let limits = request.snapshot.limits;
        let total_at_ms = client.deadline.after_ms(limits.total_ms);
        let mut idle_at_ms = client.deadline.after_ms(limits.stream_idle_ms);
        let mut send_at_ms = u64::MAX;
        // When a send that was to complete by itself is looked after.
        let mut nudge_at_ms = u64::MAX;
        let mut room = STREAM_BYTES;
        if !self.upstream.stream.is_receiving() {
            self.take_first(request);
        }
        loop {
            if !client.stream.is_sending() {
                match self.next_send(request) {
                    Some(buf) => {
                        send_at_ms = client.deadline.after_ms(send_ms(buf.len(), limits.client_bytes_per_s_min));
                        nudge_at_ms = u64::MAX;
                        if self.end.is_some() {
                            client.stream.post_send(buf);
                        } else {
                            client.stream.post_send_lazily(buf);
                            nudge_at_ms = client.deadline.after_ms(0);
                        }
                    }
                    None if self.end.is_some() => return Ok(()),
                    None => (send_at_ms, nudge_at_ms) = (u64::MAX, u64::MAX),
                }
            } else if self.end.is_some() {
                client.stream.watch_send();
            }
            let waiting = self.waiting.as_ref().map_or(0, Buf::len);
            let reading = self.end.is_none() && waiting < limits.client_pending_bytes_max;
            if reading && !self.upstream.stream.is_receiving() {
                self.upstream.stream.post_receive(request.shard.buffers.take(room));
            }
            if !reading {
                // Not the provider's silence.
                idle_at_ms = u64::MAX;
            }
            // Once the end is known only the client's pace counts.
            let over_at_ms = if self.end.is_some() { u64::MAX } else { idle_at_ms.min(total_at_ms) };
            client.deadline.set_at_ms(over_at_ms.min(send_at_ms).min(nudge_at_ms));
            match self.turn(client, &request.shard.buffers).await {
                Turn::Sent => {
                    if reading || self.end.is_none() {
                        idle_at_ms = idle_at_ms.min(client.deadline.after_ms(limits.stream_idle_ms));
                    }
                }
                Turn::Received(result) => {
                    idle_at_ms = client.deadline.after_ms(limits.stream_idle_ms);
                    self.receive(result, request, &mut room);
                }
                Turn::Failed(ErrorClass::TotalTimeout) => {
                    let now_ms = client.deadline.now_ms();
                    if nudge_at_ms <= now_ms && over_at_ms.min(send_at_ms) > now_ms {
                        client.stream.watch_send();
                        nudge_at_ms = u64::MAX;
                        continue;
                    }
                    // A drain that waits no longer lets every deadline pass, again and again.
                    if send_at_ms <= now_ms || self.end.is_some() {
                        return Err(ErrorClass::ClientStalled);
                    }
                    let timeout =
                        if total_at_ms <= now_ms { ErrorClass::TotalTimeout } else { ErrorClass::IdleTimeout };
                    self.break_off(timeout, request);
                }
                Turn::Failed(error) => return Err(error),
            }
        }
    }

    /// Waits for whatever happens first.
    async fn turn(&mut self, client: &mut Client, buffers: &super::buffers::Buffers) -> Turn {
        poll_fn(|cx| {
            if let Poll::Ready((result, buf)) = client.stream.poll_send(cx) {
                buffers.give(buf);
                return Poll::Ready(result.map_or(Turn::Failed(ErrorClass::ClientGone), |_| Turn::Sent));
            }
            // The rest of a request whose answer has begun already. If it fails, what is received says why.
            if let Poll::Ready((_, buf)) = self.upstream.stream.poll_send(cx) {
                buffers.give(buf);
            }
            if let Poll::Ready((result, buf)) = self.upstream.stream.poll_receive(cx) {
                self.upstream.inbox = Some(buf);
                return Poll::Ready(Turn::Received(result));
            }
            if client.poll_gone(cx) {
                return Poll::Ready(Turn::Failed(ErrorClass::ClientGone));
            }
            if client.deadline.expired(cx) {
                return Poll::Ready(Turn::Failed(ErrorClass::TotalTimeout));
            }
            Poll::Pending
        })
        .await
    }

    fn receive(&mut self, result: io::Result<usize>, request: &mut Request, room: &mut usize) {
        let Some(mut buf) = self.upstream.inbox.take() else { return };
        match result {
            Ok(count) if count > 0 => {
                // A filled buffer says that more is coming; a nearly empty one that a smaller does.
                if buf.room() == 0 {
                    *room = (*room * 4).min(LARGEST_BYTES);
                } else if count < *room / 8 {
                    *room = (*room / 4).max(STREAM_BYTES);
                }
                self.process(&mut buf, request);
            }
            result => {
                buf.clear();
                let now_ns = request.elapsed_ns();
                let end = self.reader.end_of_input(result.is_err(), &mut buf, request.record(), now_ns);
                self.set_end(end, &mut buf, request);
            }
        }
        self.deliver(buf, request);
    }

    fn process(&mut self, buf: &mut Buf, request: &mut Request) {
        let shard = request.shard.clone();
        let now_ns = request.elapsed_ns();
        if let Some(end) = self.reader.process(buf, request.record(), &shard, now_ns) {
            self.set_end(end, buf, request);
        }
        if !self.is_stream {
            self.held.set(self.reader.held_bytes());
        }
    }

    /// The provider is silent, or has been at it for too long.
    fn break_off(&mut self, error: ErrorClass, request: &mut Request) {
        let mut buf = request.shard.buffers.take(STREAM_BYTES);
        self.set_end(End::Broken(error), &mut buf, request);
        self.deliver(buf, request);
    }

    /// A stream that breaks off ends with an event that says so; whatever breaks off lacks its proper end.
    fn set_end(&mut self, end: End, buf: &mut Buf, request: &mut Request) {
        self.end = Some(end);
        let End::Broken(error) = end else { return };
        request.keep_alive = false;
        if !self.is_stream {
            return;
        }
        let id = request.record().id.to_string();
        let face = request.record().face;
        let mut event = Vec::with_capacity(256);
        match self.reader.stream_error() {
            // In a stream that passes as it is the provider's own event has been passed on.
            Some(said) => {
                let said = if dialect::may_quote(error) { said } else { "" };
                let (_, code) = dialect::answer_of(error, face);
                let message = format!("The provider failed in the middle of its answer. {said}");
                dialect::error_event(face, code, message.trim_end(), &id, &mut event);
            }
            None => {
                let message = "The answer broke off before its end: the provider's stream is incomplete.";
                dialect::error_event(face, code_of(error), message, &id, &mut event);
            }
        }
        buf.extend(&event);
    }

    /// Content goes out at the next chance, behind what waits already.
    fn deliver(&mut self, buf: Buf, request: &mut Request) {
        request.record().response_body_bytes += buf.len() as u64;
        match &mut self.waiting {
            Some(waiting) => {
                waiting.extend(buf.content());
                request.shard.buffers.give(buf);
            }
            None if buf.is_empty() => request.shard.buffers.give(buf),
            None => self.waiting = Some(buf),
        }
    }

    /// What is to be sent now, framed.
    fn next_send(&mut self, request: &Request) -> Option<Buf> {
        let last = self.end == Some(End::Complete) && !self.ended;
        let chunked = self.framing == Framing::Chunked;
        let mut buf = match (self.waiting.take(), self.head.is_some() || (last && chunked)) {
            (Some(buf), _) => buf,
            (None, true) => request.shard.buffers.take(64),
            (None, false) => return None,
        };
        if chunked {
            let len = buf.len();
            if len > 0 && !buf.prepend(chunk_head(len).as_ref()) {
                let mut roomy = request.shard.buffers.take(Buf::HEADROOM + Buf::TAILROOM + len);
                roomy.extend(buf.content());
                roomy.prepend(chunk_head(len).as_ref());
                request.shard.buffers.give(std::mem::replace(&mut buf, roomy));
            }
            if len > 0 {
                buf.extend(CHUNK_END);
            }
            if last {
                buf.extend(LAST_CHUNK);
            }
        }
        self.ended |= last;
        if let Some(mut head) = self.head.take() {
            head.extend_from_slice(buf.content());
            request.shard.buffers.give(buf);
            return Some(Buf::from_content(head));
        }
        Some(buf)
    }
}

fn code_of(error: ErrorClass) -> &'static str {
    match error {
        ErrorClass::IdleTimeout => "upstream_stalled",
        ErrorClass::TotalTimeout => "total_timeout",
        ErrorClass::Protocol => "upstream_protocol",
        _ => "upstream_truncated",
    }
}
