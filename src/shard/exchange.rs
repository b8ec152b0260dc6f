//! One attempt on the wire, up to where its answer can be committed to: connects, sends, waits for the head, and holds
//! what follows back until it is known to be an answer (spec "providers" 14 g: a 200 may be an error).
//!
//! It knows the request by [`About`] only and holds neither the client's connection nor the record, so two can run beside
//! each other and one can be dropped at any time: dropping closes its connection.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::attempt::{InputEstimate, Outgoing};
use super::buffers::Held;
use super::failure::Told;
use super::pump::Relay;
use super::reader::{Answer, Content, End, Reader};
use super::request::head_limits;
use super::settle;
use super::state::Shard;
use super::translate::Back;
use super::upstream::{ConnectError, Upstream, connect};
use super::watch::Deadline;
use crate::config::{Account, Api, Snapshot};
use crate::dialect::{Reading, Translation, Wire};
use crate::http1::{BodyDecoder, HeadLimits, Method, Name, ResponseHead, Span, parse_response};
use crate::meter::{Family, Usage};
use crate::policy::route::judge::Failure;
use crate::provider::Hints;
use crate::runtime::Buf;
use crate::telemetry::{ErrorClass, Face, Target};

/// A whole JSON answer up to this waits for its end: it can be given to another target until then, and its head can say
/// what it cost.
const GATHERED_BYTES_MAX: usize = 1 << 20;
/// A provider's error answer is kept for its meaning up to this.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// What an attempt knows of its request.
#[derive(Clone)]
pub struct About {
    pub shard: Rc<Shard>,
    pub snapshot: Rc<Snapshot>,
    /// Of the request.
    pub start_ns: u64,
    pub face: Face,
    pub method: Method,
    pub stream: bool,
}

impl About {
    /// Nanoseconds since the request began.
    pub fn elapsed_ns(&self) -> u64 {
        self.shard.clock.now_ns() - self.start_ns
    }
}

/// When an attempt is too late, as readings of the shard's coarse clock.
#[derive(Clone, Copy)]
pub struct Late {
    pub first_token_at_ms: u64,
    pub total_at_ms: u64,
}

/// An answer that has begun.
pub struct Begun {
    pub relay: Relay,
    pub facts: Facts,
    /// Why it is none.
    pub failure: Option<ErrorClass>,
}

/// What is known of an answer before its body.
pub struct Facts {
    pub head: ResponseHead,
    /// The bytes that `head` is spans of.
    pub head_bytes: Vec<u8>,
    pub content: Content,
    pub api: Api,
    pub family: Family,
    pub input: InputEstimate,
    /// Of an answer that is translated.
    pub told: Option<Told>,
    /// How long the target wishes to be left alone, once the answer is committed to.
    pub exhausted_ms: Option<u64>,
}

/// No answer at all.
#[derive(Clone, Copy, Debug)]
pub struct Nothing {
    pub error: ErrorClass,
    /// The provider cannot have worked on the request.
    pub unsent: bool,
}

/// How the answer that comes is to be read.
pub struct Coming {
    pub target: Arc<Target>,
    pub api: Api,
    pub wire: Wire,
    pub back: Option<Back>,
    pub hide_usage: bool,
    pub input: InputEstimate,
    pub held: Held,
    /// Follows a stream that passes as it is, so that another target can go on with it.
    pub track: Option<Box<Translation>>,
    /// What attempts before it have used for the same answer.
    pub prior: Option<Box<Usage>>,
}

/// For the attempt's entry in the record.
#[derive(Clone, Copy, Default)]
pub struct Seen {
    pub first_byte_ns: Option<u64>,
    pub status: u16,
    pub reused: bool,
    /// A reused connection had died before; see [`exchange`].
    pub raced: bool,
}

impl From<ErrorClass> for Nothing {
    fn from(error: ErrorClass) -> Self {
        Self { error, unsent: false }
    }
}

impl From<Nothing> for Failure {
    fn from(Nothing { error: class, unsent }: Nothing) -> Self {
        Self { class, status: 0, hint_ms: None, forbids_retry: false, unsent }
    }
}

impl Facts {
    /// What its head says of a failure.
    pub fn told(&mut self) -> Told {
        self.told.take().unwrap_or_else(|| Told::of(&self.head, &self.head_bytes))
    }

    /// What its head says of when to come again.
    pub fn hints(&self, shard: &Shard) -> Hints {
        let of = |span: Span| span.of(&self.head_bytes);
        Hints::read(self.head.fields.iter().map(|field| (of(field.name_span), of(field.value))), shard.unix_ms())
    }

    /// The answer is committed to. `is_heard`: somebody wants to know what its head wished for.
    pub fn commit(&mut self, shard: &Shard, is_heard: bool) {
        if is_heard {
            self.exhausted_ms = self.hints(shard).exhausted_ms();
        }
        self.let_go(shard);
    }

    /// A stream does not carry the bytes of its head to its end.
    pub fn let_go(&mut self, shard: &Shard) {
        shard.buffers.give(Buf::from_content(std::mem::take(&mut self.head_bytes)));
        self.head.fields = Vec::new();
    }

    /// The client gets events as they come. A translated answer that is no stream is made when all of it is here.
    pub fn streams(&self) -> bool {
        self.content.is_stream() && self.head.status < 300
    }
}

/// Runs an attempt until its answer can be committed to, or has failed. `deadline`: nobody else's meanwhile.
pub async fn run(about: About, deadline: Deadline, out: &mut Outgoing, seen: &mut Seen) -> Result<Box<Begun>, Nothing> {
    let late = Late {
        first_token_at_ms: out.waits.first_token_ms.map_or(u64::MAX, |wait_ms| deadline.after_ms(wait_ms)),
        total_at_ms: deadline.after_ms(out.waits.total_ms),
    };
    let internal = Nothing { error: ErrorClass::Internal, unsent: true };
    let account = about.snapshot.accounts.get(out.account).ok_or(internal)?;
    let bytes = out.bytes.take().ok_or(internal)?;
    let (upstream, head) = exchange(&about, account, bytes, &deadline, late, seen).await?;
    let coming = out.coming.take().ok_or(internal)?;
    let mut begun = begin(about.clone(), upstream, head, coming, late);
    begun.hold(&deadline).await;
    Ok(begun)
}

/// The head is here.
pub fn begin(about: About, mut upstream: Upstream, head: ResponseHead, coming: Coming, late: Late) -> Box<Begun> {
    let Coming { target, api, wire, back, hide_usage, input, held, track, prior } = coming;
    let received = upstream.received();
    let content = content_of(&head, received);
    let readable = head.value(Name::ContentEncoding, received).is_none_or(|value| has_prefix(value, b"identity"));
    let told = back.is_some().then(|| Told::of(&head, received));
    let mut head_bytes = about.shard.buffers.take_vec(head.head_bytes);
    head_bytes.extend_from_slice(received.get(..head.head_bytes).unwrap_or(received));
    upstream.consume(head.head_bytes);
    let decoder = BodyDecoder::response(head.body, about.snapshot.limits.trailer_bytes_max);
    let (family, input_estimate, is_stream) = (target.family, input.tokens, content.is_stream());
    // First the place, then what is put there: it is large, and not copied into it that way.
    let place = Box::new_uninit();
    let answer =
        Answer { wire, back, head: &head, decoder, content, readable, hide_usage, input_estimate, track, prior };
    let reader = Reader::new(answer, Reading::new(family));
    let relay = Relay::new(about, upstream, reader, is_stream, late, held);
    let facts = Facts { head, head_bytes, content, api, family, input, told, exhausted_ms: None };
    Box::write(place, Begun { relay, facts, failure: None })
}

impl Begun {
    /// Holds back what follows the head until it can be committed to, or is known to be no answer.
    pub async fn hold(&mut self, deadline: &Deadline) {
        let (relay, facts) = (&mut self.relay, &self.facts);
        match facts.content {
            _ if facts.head.status >= 400 => relay.hold_body(deadline, ERROR_BYTES_MAX).await,
            _ if facts.streams() => relay.hold_stream(deadline).await,
            _ if facts.told.is_some() => relay.hold_body(deadline, usize::MAX).await,
            // (Gemini streams JSON arrays.)
            Content::Json if !relay.about.stream => relay.hold_body(deadline, GATHERED_BYTES_MAX).await,
            _ => {}
        }
        self.failure = self.failure();
    }

    /// Why what is here is no answer.
    fn failure(&mut self) -> Option<ErrorClass> {
        let (relay, facts) = (&mut self.relay, &self.facts);
        let status = facts.head.status;
        if status >= 400 {
            let name = facts.told.as_ref().map_or("", |told| &told.name);
            return settle::error_of(facts.api, status, name, relay.reader.kept());
        }
        match relay.end {
            Some(End::Broken(error)) => return Some(error),
            // Nobody follows a redirection with another's credentials.
            _ if facts.told.is_some() && (300..400).contains(&status) => return Some(ErrorClass::Protocol),
            _ if relay.reader.reading.error.is_some() && relay.progress.chunks == 0 => {
                return relay.reader.reading.error;
            }
            _ => {}
        }
        // A length that was too small cuts an answer off as well, however soundly it is framed.
        let whole = relay.end == Some(End::Complete) && status < 300;
        let is_json = facts.content == Content::Json && facts.told.is_none() && !relay.about.stream;
        let is_cut = whole && is_json && !relay.reader.too_large && !relay.reader.reading.terminated;
        is_cut.then_some(ErrorClass::Protocol)
    }
}

/// Sends the request and waits for the answer's head. A reused connection that dies before any byte of an answer has
/// lost a race with the provider's idle timeout: the request goes out once more on a fresh one.
async fn exchange(
    about: &About,
    account: &Account,
    mut buf: Buf,
    deadline: &Deadline,
    late: Late,
    seen: &mut Seen,
) -> Result<(Upstream, ResponseHead), Nothing> {
    let len = buf.len();
    loop {
        let mut upstream = open(about, account, deadline, seen.raced).await?;
        seen.reused = upstream.reused;
        upstream.stream.post_send_lazily(buf);
        match await_head(about, &mut upstream, deadline, late, seen).await {
            Ok(head) => {
                if let Some(sent) = upstream.unsent.take() {
                    about.shard.buffers.give(sent);
                }
                return Ok((upstream, head));
            }
            Err(NoHead { error: ErrorClass::Disconnected, clean: true }) if upstream.reused => {
                let Some(mut returned) = upstream.take_back().await else {
                    return Err(Nothing { error: ErrorClass::Disconnected, unsent: false });
                };
                returned.rewind(len);
                buf = returned;
                seen.raced = true;
            }
            Err(NoHead { error, .. }) => return Err(Nothing { error, unsent: false }),
        }
    }
}

/// A connection from the pool, else a new one.
pub async fn open(
    about: &About,
    account: &Account,
    deadline: &Deadline,
    fresh_only: bool,
) -> Result<Upstream, Nothing> {
    let connected = connect(&about.shard, deadline, &account.upstream, &about.snapshot.limits, fresh_only).await;
    connected.map_err(|error| match error {
        ConnectError::Failed(error) => Nothing { error, unsent: true },
        // The gateway's own bound, and nobody else's fault.
        ConnectError::TooMany => Nothing { error: ErrorClass::Internal, unsent: true },
    })
}

pub struct NoHead {
    pub error: ErrorClass,
    /// Not a byte of an answer had come.
    clean: bool,
}

/// Waits for the answer's head while the request goes out. Interim answers are swallowed, within bounds.
pub async fn await_head(
    about: &About,
    upstream: &mut Upstream,
    deadline: &Deadline,
    late: Late,
    seen: &mut Seen,
) -> Result<ResponseHead, NoHead> {
    let limits = &about.snapshot.limits;
    let head_limits = head_limits(limits);
    let wait_ms = limits.upstream_first_byte_ms;
    let late_at_ms = || deadline.after_ms(wait_ms).min(late.first_token_at_ms).min(late.total_at_ms);
    // Until the request has left the deadline is a nudge: a small one leaves by itself and wakes nobody.
    let mut nudged = !upstream.stream.is_sending();
    deadline.set_at_ms(if nudged { late_at_ms() } else { deadline.after_ms(0) });
    let mut informational = 0;
    loop {
        let clean = upstream.received().is_empty() && informational == 0;
        if let Some(head) = final_head(about, upstream, &head_limits, &mut informational, seen)? {
            return Ok(head);
        }
        upstream.post_receive(&about.shard);
        let arrived = poll_fn(|cx| {
            if let Poll::Ready((_, buf)) = upstream.stream.poll_send(cx) {
                // A send that fails is followed by a receive that says why.
                upstream.unsent = Some(buf);
                nudged = true;
                deadline.set_at_ms(late_at_ms());
            }
            if let Poll::Ready((result, buf)) = upstream.stream.poll_receive(cx) {
                upstream.inbox = Some(buf);
                return Poll::Ready(closed_or(result));
            }
            if deadline.expired(cx) {
                if nudged {
                    let in_all = late.total_at_ms <= deadline.now_ms();
                    let error = if in_all { ErrorClass::TotalTimeout } else { ErrorClass::FirstByteTimeout };
                    return Poll::Ready(Err(error));
                }
                nudged = true;
                upstream.stream.watch_send();
                deadline.set_at_ms(late_at_ms());
                // Polled once more, so that the send knows whom to wake.
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
        arrived.map_err(|error| NoHead { error, clean })?;
    }
}

/// The head of the answer proper, when it is here.
fn final_head(
    about: &About,
    upstream: &mut Upstream,
    head_limits: &HeadLimits,
    informational: &mut u32,
    seen: &mut Seen,
) -> Result<Option<ResponseHead>, NoHead> {
    let protocol = || NoHead { error: ErrorClass::Protocol, clean: false };
    loop {
        let parsed = match upstream.received() {
            [] => None,
            bytes => parse_response(bytes, about.method, head_limits).map_err(|_| protocol())?,
        };
        let Some(head) = parsed else { return Ok(None) };
        seen.first_byte_ns.get_or_insert(about.elapsed_ns());
        seen.status = head.status;
        if head.status >= 200 {
            return Ok(Some(head));
        }
        *informational += 1;
        // Nobody asked for another protocol.
        if head.status == 101 || *informational > about.snapshot.limits.informational_max {
            return Err(protocol());
        }
        upstream.consume(head.head_bytes);
    }
}

fn closed_or(result: io::Result<usize>) -> Result<(), ErrorClass> {
    match result {
        Ok(count) if count > 0 => Ok(()),
        _ => Err(ErrorClass::Disconnected),
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
