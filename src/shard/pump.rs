//! Moves an answer: receives, has it read (reader.rs), sends.
//!
//! While a send to the client is under way, receiving goes on; what came meanwhile leaves in one send. Past
//! `client_pending_bytes_max` the provider is not read any more, so a slow client slows its provider down and nothing
//! is kept in between.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use super::buffers::{ANSWER_BYTES, EVENT_BYTES, Held, LARGEST_BYTES};
use super::client::{Client, send_ms};
use super::exchange::{About, Late};
use super::progress::Progress;
use super::reader::{End, Reader};
use super::respond::Framing;
use super::upstream::Upstream;
use super::watch::Deadline;
use crate::dialect;
use crate::http1::{CHUNK_END, LAST_CHUNK, chunk_head};
use crate::runtime::Buf;
use crate::telemetry::{ErrorClass, RequestId};

/// An answer on its way from the provider to the client.
pub struct Relay {
    pub about: About,
    pub upstream: Upstream,
    pub reader: Reader,
    pub progress: Progress,
    /// Known once the answer is committed to.
    pub framing: Framing,
    pub is_stream: bool,
    /// The answer's head, until it leaves with the first content.
    pub head: Option<Vec<u8>>,
    /// Field lines behind the last chunk; mostly none.
    pub trailers: Box<[u8]>,
    /// Content that came while a send was under way, or before anything may be sent.
    pub waiting: Option<Buf>,
    pub end: Option<End>,
    late: Late,
    /// Of the next receive.
    room: usize,
    silence: Silence,
    held: Held,
    /// The proper end of the answer has been handed to the client's connection.
    ended: bool,
}

/// Since when a provider has said nothing. Bytes that never make an event are nothing (a drip), unless they are many.
#[derive(Default)]
struct Silence {
    events: u64,
    bytes: usize,
}

enum Turn {
    Sent,
    Received(io::Result<usize>),
    Failed(ErrorClass),
}

impl Relay {
    #[inline]
    pub fn new(about: About, upstream: Upstream, reader: Reader, is_stream: bool, late: Late, held: Held) -> Self {
        Self {
            about,
            upstream,
            reader,
            progress: Progress::default(),
            framing: Framing::None,
            is_stream,
            head: None,
            trailers: Box::default(),
            waiting: None,
            end: None,
            late,
            room: room_min(is_stream),
            silence: Silence::default(),
            held,
            ended: false,
        }
    }

    /// Reads on without sending anything: until the end, or until this much waits.
    pub async fn hold_body(&mut self, deadline: &Deadline, bytes_max: usize) {
        let idle_ms = self.about.snapshot.limits.stream_idle_ms;
        self.take_first();
        let mut idle_at_ms = deadline.after_ms(idle_ms);
        while self.end.is_none() && self.waiting_bytes() < bytes_max {
            deadline.set_at_ms(idle_at_ms.min(self.late.total_at_ms));
            if !self.receive_by(deadline).await {
                let in_all = self.late.total_at_ms <= deadline.now_ms();
                self.end = Some(End::Broken(if in_all { ErrorClass::TotalTimeout } else { ErrorClass::IdleTimeout }));
            } else if self.was_heard() {
                idle_at_ms = deadline.after_ms(idle_ms);
            }
        }
    }

    /// Reads on until the stream has said something: content, its end, or so much beside it that a client waits for it.
    pub async fn hold_stream(&mut self, deadline: &Deadline) {
        // Opening events are not kept from a client for longer than this.
        const OPENING_MS_MAX: u64 = 3_000;
        const OPENING_BYTES_MAX: usize = 64 * 1024;
        let idle_ms = self.about.snapshot.limits.stream_idle_ms;
        self.take_first();
        let mut idle_at_ms = deadline.after_ms(idle_ms);
        let mut shown_at_ms = u64::MAX;
        while !self.has_said_something() && self.waiting_bytes() < OPENING_BYTES_MAX {
            if self.waiting_bytes() > 0 && self.late.first_token_at_ms == u64::MAX {
                shown_at_ms = shown_at_ms.min(deadline.after_ms(OPENING_MS_MAX));
            }
            let late_at_ms = self.late.total_at_ms.min(self.late.first_token_at_ms);
            deadline.set_at_ms(idle_at_ms.min(late_at_ms).min(shown_at_ms));
            if self.receive_by(deadline).await {
                if self.was_heard() {
                    idle_at_ms = deadline.after_ms(idle_ms);
                }
                continue;
            }
            let now_ms = deadline.now_ms();
            let error = match () {
                () if self.late.total_at_ms <= now_ms => ErrorClass::TotalTimeout,
                () if self.late.first_token_at_ms <= now_ms => ErrorClass::FirstByteTimeout,
                () if idle_at_ms <= now_ms => ErrorClass::IdleTimeout,
                () => return,
            };
            self.end = Some(End::Broken(error));
        }
    }

    fn has_said_something(&self) -> bool {
        let reading = &self.reader.reading;
        // Of an answer that is said again the client has the beginning already.
        let said = !self.reader.catches_up()
            && (self.progress.chunks > 0 || reading.finish_reason.is_some() || reading.terminated);
        said || self.end.is_some() || reading.error.is_some()
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, Buf::len)
    }

    /// One receive; false when the deadline passes first.
    async fn receive_by(&mut self, deadline: &Deadline) -> bool {
        if !self.upstream.stream.is_receiving() {
            self.upstream.stream.post_receive(self.about.shard.buffers.take(self.room));
        }
        let received = poll_fn(|cx| {
            if let Poll::Ready((_, buf)) = self.upstream.stream.poll_send(cx) {
                self.about.shard.buffers.give(buf);
            }
            if let Poll::Ready((result, buf)) = self.upstream.stream.poll_receive(cx) {
                self.upstream.inbox = Some(buf);
                return Poll::Ready(Some(result));
            }
            if deadline.expired(cx) { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        let Some(result) = received else { return false };
        self.receive(result);
        true
    }

    /// Whether what was received last broke the silence.
    fn was_heard(&mut self) -> bool {
        const BYTES: usize = 16 * 1024;
        let heard = !self.is_stream || self.progress.events != self.silence.events || self.silence.bytes >= BYTES;
        if heard {
            self.silence = Silence { events: self.progress.events, bytes: 0 };
        }
        heard
    }

    /// What came together with the head.
    fn take_first(&mut self) {
        if let Some(mut first) = self.upstream.inbox.take() {
            // The head was read off the same bytes.
            let now_ns = self.about.shard.clock.latest_ns() - self.about.start_ns;
            self.process(&mut first, now_ns);
            self.deliver(first);
        }
    }

    /// Until all is delivered that there is. The error is the client's: it left, or it stopped reading.
    pub async fn pump(&mut self, client: &mut Client) -> Result<(), ErrorClass> {
        let limits = self.about.snapshot.limits;
        let total_at_ms = self.late.total_at_ms;
        let mut idle_at_ms = client.deadline.after_ms(limits.stream_idle_ms);
        let mut send_at_ms = u64::MAX;
        // When a send that was to complete by itself is looked after.
        let mut nudge_at_ms = u64::MAX;
        if !self.upstream.stream.is_receiving() {
            self.take_first();
        }
        loop {
            if !client.stream.is_sending() {
                match self.next_send() {
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
            let reading = self.end.is_none() && self.waiting_bytes() < limits.client_pending_bytes_max;
            if reading && !self.upstream.stream.is_receiving() {
                self.upstream.stream.post_receive(self.about.shard.buffers.take(self.room));
            }
            if !reading {
                // Not the provider's silence.
                idle_at_ms = u64::MAX;
            }
            // Once the end is known only the client's pace counts.
            let over_at_ms = if self.end.is_some() { u64::MAX } else { idle_at_ms.min(total_at_ms) };
            client.deadline.set_at_ms(over_at_ms.min(send_at_ms).min(nudge_at_ms));
            match self.turn(client).await {
                Turn::Sent => {
                    if reading || self.end.is_none() {
                        idle_at_ms = idle_at_ms.min(client.deadline.after_ms(limits.stream_idle_ms));
                    }
                }
                Turn::Received(result) => {
                    self.receive(result);
                    if self.was_heard() {
                        idle_at_ms = client.deadline.after_ms(limits.stream_idle_ms);
                    }
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
                    let in_all = total_at_ms <= now_ms;
                    let error = if in_all { ErrorClass::TotalTimeout } else { ErrorClass::IdleTimeout };
                    self.end = Some(End::Broken(error));
                }
                Turn::Failed(error) => return Err(error),
            }
        }
    }

    /// Waits for whatever happens first.
    async fn turn(&mut self, client: &mut Client) -> Turn {
        let buffers = &self.about.shard.buffers;
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

    fn receive(&mut self, result: io::Result<usize>) {
        let Some(mut buf) = self.upstream.inbox.take() else { return };
        let now_ns = self.about.elapsed_ns();
        match result {
            Ok(count) if count > 0 => {
                // A filled buffer says that more is coming; a nearly empty one that a smaller does.
                if buf.room() == 0 {
                    self.room = (self.room * 4).min(LARGEST_BYTES);
                } else if count < self.room / 8 {
                    self.room = (self.room / 4).max(room_min(self.is_stream));
                }
                self.silence.bytes += count;
                self.process(&mut buf, now_ns);
            }
            result => {
                buf.clear();
                self.end = Some(self.reader.end_of_input(result.is_err(), &mut buf, &mut self.progress, now_ns));
            }
        }
        self.deliver(buf);
    }

    /// `now_ns` is since the request's start.
    fn process(&mut self, buf: &mut Buf, now_ns: u64) {
        let end = self.reader.process(buf, &mut self.progress, &self.about.shard, now_ns);
        self.end = self.end.or(end);
        if !self.is_stream {
            self.held.set(self.reader.held_bytes());
        }
    }

    /// A stream that can still be carried on, or at least be told to be incomplete.
    pub fn is_broken(&self) -> bool {
        matches!(self.end, Some(End::Broken(_)))
    }

    /// The error that the provider answered with, as far as it is here: a body, or the data of a stream's event.
    pub fn said(&self) -> &[u8] {
        if !self.is_stream {
            return self.reader.kept();
        }
        let waiting = self.waiting.as_ref().map_or(&[][..], Buf::content);
        let data = |line: &'_ [u8]| line.starts_with(b"data:") && line.contains(&b'{');
        let line = waiting.split(|&byte| byte == b'\n').rfind(|line| data(line)).unwrap_or_default();
        line.strip_prefix(b"data:").unwrap_or_default()
    }

    /// A stream that broke off ends with an event that says so; whatever breaks off lacks its proper end.
    pub fn say_broken(&mut self, id: RequestId) {
        let Some(End::Broken(error)) = self.end else { return };
        if !self.is_stream {
            return;
        }
        let id = id.to_string();
        let face = self.about.face;
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
                let (code, why) = broken(error);
                let message = format!("The answer broke off before its end: {why}.");
                dialect::error_event(face, code, &message, &id, &mut event);
            }
        }
        let mut buf = self.about.shard.buffers.take(EVENT_BYTES);
        match event.strip_prefix(b"data: ") {
            // Google's clients of a JSON array get one more element, and never its end.
            Some(element) if !self.reader.is_event_stream() => {
                let is_first = self.progress.body_bytes == 0;
                buf.extend(if is_first { b"[" } else { b"," });
                buf.extend(element);
            }
            _ => buf.extend(&event),
        }
        self.deliver(buf);
    }

    /// Content goes out at the next chance, behind what waits already.
    fn deliver(&mut self, buf: Buf) {
        self.progress.body_bytes += buf.len() as u64;
        let buffers = &self.about.shard.buffers;
        match &mut self.waiting {
            Some(waiting) => {
                waiting.extend(buf.content());
                buffers.give(buf);
            }
            None if buf.is_empty() => buffers.give(buf),
            None => self.waiting = Some(buf),
        }
    }

    /// What is to be sent now, framed.
    fn next_send(&mut self) -> Option<Buf> {
        let last = self.end == Some(End::Complete) && !self.ended;
        let chunked = self.framing == Framing::Chunked;
        let mut buf = match (self.waiting.take(), self.head.is_some() || (last && chunked)) {
            (Some(buf), _) => buf,
            (None, true) => self.about.shard.buffers.take(64),
            (None, false) => return None,
        };
        if chunked {
            let len = buf.len();
            if len > 0 && !buf.prepend(chunk_head(len).as_ref()) {
                let mut roomy = self.about.shard.buffers.take(Buf::HEADROOM + Buf::TAILROOM + len);
                roomy.extend(buf.content());
                roomy.prepend(chunk_head(len).as_ref());
                self.about.shard.buffers.give(std::mem::replace(&mut buf, roomy));
            }
            if len > 0 {
                buf.extend(CHUNK_END);
            }
            if last {
                push_last_chunk(&self.trailers, &mut buf);
            }
        }
        self.ended |= last;
        if let Some(mut head) = self.head.take() {
            head.extend_from_slice(buf.content());
            self.about.shard.buffers.give(buf);
            return Some(Buf::from_content(head));
        }
        Some(buf)
    }
}

/// What a receive asks for at least.
fn room_min(is_stream: bool) -> usize {
    if is_stream { EVENT_BYTES } else { ANSWER_BYTES }
}

/// RFC 9112 7.1.2.
fn push_last_chunk(trailers: &[u8], buf: &mut Buf) {
    match LAST_CHUNK.strip_suffix(b"\r\n") {
        Some(size) if !trailers.is_empty() => [size, trailers, b"\r\n"].iter().for_each(|part| buf.extend(part)),
        _ => buf.extend(LAST_CHUNK),
    }
}

/// The code of a stream that broke off, and why it did.
fn broken(error: ErrorClass) -> (&'static str, &'static str) {
    match error {
        ErrorClass::IdleTimeout => ("upstream_stalled", "the provider stopped sending"),
        ErrorClass::TotalTimeout => ("total_timeout", "the time it may take is over"),
        ErrorClass::Protocol => ("upstream_protocol", "what the provider sent next is not valid"),
        _ => ("upstream_truncated", "the provider's stream is incomplete"),
    }
}
