//! Moves an answer: receives, has it read (reader.rs), sends.
//!
//! While a send to the client is under way, receiving goes on; what came meanwhile leaves in one send. Past
//! `client_pending_bytes_max` the provider is not read any more, so a slow client slows its provider down and nothing
//! is kept in between.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use super::buffers::{Buffers, Held, LARGEST_BYTES, STREAM_BYTES};
use super::client::{Client, send_ms};
use super::reader::{End, Reader};
use super::request::Request;
use super::respond::Framing;
use super::upstream::Upstream;
use crate::dialect;
use crate::http1::{CHUNK_END, LAST_CHUNK, chunk_head};
use crate::runtime::Buf;
use crate::telemetry::ErrorClass;

/// An answer on its way from the provider to the client.
pub struct Relay {
    pub upstream: Upstream,
    pub reader: Reader,
    pub framing: Framing,
    pub is_stream: bool,
    /// The answer's head, until it leaves with the first content.
    pub head: Option<Vec<u8>>,
    /// Content that came while a send was under way.
    pub waiting: Option<Buf>,
    pub end: Option<End>,
    held: Held,
    /// The proper end of the answer has been handed to the client's connection.
    ended: bool,
}

enum Turn {
    Sent,
    Received(io::Result<usize>),
    Failed(ErrorClass),
}

impl Relay {
    pub fn new(upstream: Upstream, reader: Reader, framing: Framing, is_stream: bool, held: Held) -> Self {
        Self { upstream, reader, framing, is_stream, head: None, waiting: None, end: None, held, ended: false }
    }

    /// Reads on without sending anything: until the end, or until this much waits. The error is the client's.
    pub async fn gather(
        &mut self,
        request: &mut Request,
        client: &mut Client,
        bytes_max: usize,
    ) -> Result<(), ErrorClass> {
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
    pub async fn pump(&mut self, request: &mut Request, client: &mut Client) -> Result<(), ErrorClass> {
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
    async fn turn(&mut self, client: &mut Client, buffers: &Buffers) -> Turn {
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
        match event.strip_prefix(b"data: ") {
            // Google's clients of a JSON array get one more element, and never its end.
            Some(element) if !self.reader.is_event_stream() => {
                let is_first = buf.is_empty() && request.record().response_body_bytes == 0;
                buf.extend(if is_first { b"[" } else { b"," });
                buf.extend(element);
            }
            _ => buf.extend(&event),
        }
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
