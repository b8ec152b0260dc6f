//! One request from its head to its record. Each step consumes the proof of the one before, so a path that skips a
//! check does not compile: `Parsed -> Identified -> Admitted -> Routed -> Sent -> Settled`.

use std::borrow::Cow;
use std::rc::Rc;

use super::client::Client;
use super::state::Shard;
use super::{admit, answer, attempt, relay, upload};
use crate::config::{Limits, Snapshot};
use crate::http1::{HeadLimits, Method, Name, RequestBody, RequestHead, Span};
use crate::meter::Usage;
use crate::telemetry::{ErrorClass, Face, Outcome, Record, Trace};

/// What the connection does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    KeepAlive,
    /// Everything was delivered; the client has been told.
    Close,
    /// An answer went out while the client was still sending.
    Linger,
    /// Nothing more can be said on it.
    Abort,
    /// The same where the end of the connection is the end of the answer: this end must not look like one.
    Reset,
}

/// The context of a request. Dropping it, at its end or by a panic, pushes its record.
pub struct Request {
    pub shard: Rc<Shard>,
    pub snapshot: Rc<Snapshot>,
    pub head: RequestHead,
    pub start_ns: u64,
    /// Whether the connection may go on after this request.
    pub keep_alive: bool,
    /// The whole body has come off the connection.
    pub body_consumed: bool,
    /// Bytes of this request that still lie at the front of the client's inbox.
    pub in_inbox: usize,
    entry: Entry,
}

/// The record being filled. Dropping it pushes it.
pub struct Entry {
    shard: Rc<Shard>,
    start_ns: u64,
    record: Option<Box<Record>>,
}

/// The head is valid and its path is known.
pub struct Parsed(());

/// Sluice answers this itself.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: Cow<'static, str>,
    pub outcome: Outcome,
    pub retry_after_s: Option<u32>,
}

/// A step that ends the request before its end.
#[derive(Debug)]
pub enum Stop {
    Refuse(Refusal),
    /// The client cannot be told: it is gone, or the answer had begun.
    Silent(Outcome),
}

impl Refusal {
    /// The client's own mistake.
    pub fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), outcome: Outcome::Refused, retry_after_s: None }
    }

    /// No provider brought an answer.
    pub fn failed(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { outcome: Outcome::Failed, ..Self::new(status, code, message) }
    }

    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refuse(refusal)
    }
}

/// Serves one request whose head lies at the front of the client's inbox. `last`: the connection has served enough.
pub async fn serve(client: &mut Client, head: RequestHead, start_ns: u64, last: bool) -> Next {
    let mut request = Request::begin(client, head, start_ns);
    request.keep_alive &= !last;
    match run(&mut request, client).await {
        Ok(next) => next,
        Err(Stop::Refuse(refusal)) => answer::refuse(&mut request, client, refusal).await,
        Err(Stop::Silent(outcome)) => {
            request.record().outcome = outcome;
            Next::Abort
        }
    }
}

/// Refuses what is not a request: the client is told in the shape of OpenAI's errors, and there is a record of it.
pub async fn refuse_head(client: &mut Client, refusal: Refusal, start_ns: u64) -> Next {
    let head = RequestHead {
        method: Method::Other,
        method_span: Span::default(),
        path: Span::default(),
        query: None,
        authority: Span::default(),
        http10: false,
        fields: Vec::new(),
        // Whatever follows is not read.
        body: RequestBody::Length(u64::MAX),
        keep_alive: false,
        expect_continue: false,
        head_bytes: 0,
    };
    let mut request = Request::begin(client, head, start_ns);
    answer::refuse(&mut request, client, refusal).await
}

async fn run(request: &mut Request, client: &mut Client) -> Result<Next, Stop> {
    let parsed = request.parse(client)?;
    let identified = admit::identify(parsed, request, client)?;
    if request.record().face == Face::Models {
        return Ok(answer::models(identified, request, client).await);
    }
    if upload::is_multipart(request, client) {
        return upload::run(identified, request, client).await;
    }
    let admitted = admit::read(identified, request, client).await?;
    let routed = admit::route(admitted, request)?;
    let sent = attempt::run(routed, request, client).await?;
    Ok(relay::run(sent, request, client).await)
}

impl Request {
    fn begin(client: &Client, head: RequestHead, start_ns: u64) -> Self {
        let shard = client.shard.clone();
        let snapshot = shard.snapshot();
        let buf = client.received();
        let (face, route) = route_of(head.path.of(buf));
        let trace = trace_of(&shard, &head, buf);
        let start_unix_ns = shard.clock.unix_ns_at(start_ns);
        let record = Record {
            id: shard.next_request_id(start_unix_ns),
            shard: shard.index as u16,
            trace,
            start_unix_ns,
            duration_ns: 0,
            face,
            method: method_of(&head, buf),
            route,
            client: Some(client.peer),
            tls: matches!(client.stream, crate::tls::Stream::Tls(_)),
            principal: None,
            metadata: None,
            model_requested: "".into(),
            stream: false,
            max_tokens: None,
            status: 0,
            outcome: Outcome::Crashed,
            error_code: None,
            attempts: Vec::new(),
            usage: Usage::default(),
            cost_pico_usd: None,
            finish_reason: None,
            response_id: None,
            response_model: None,
            first_token_ns: None,
            last_token_ns: None,
            chunks: 0,
            gaps: Default::default(),
            request_body_bytes: 0,
            response_body_bytes: 0,
            admit_ns: 0,
        };
        shard.requests.set(shard.requests.get() + 1);
        let keep_alive = head.keep_alive && !head.http10;
        let (body_consumed, in_inbox) = (head.body == RequestBody::None, head.head_bytes);
        Self {
            shard,
            snapshot,
            head,
            start_ns,
            keep_alive,
            body_consumed,
            in_inbox,
            entry: Entry { shard: client.shard.clone(), start_ns, record: Some(Box::new(record)) },
        }
    }

    pub fn record(&mut self) -> &mut Record {
        self.entry.record()
    }

    /// Takes the record away, to be settled after the client has gone on. The request must not touch it any more.
    pub fn detach(&mut self) -> Entry {
        self.entry.close();
        let record = self.entry.record.take();
        Entry { shard: self.shard.clone(), start_ns: self.start_ns, record }
    }

    /// Nanoseconds since the request began.
    pub fn elapsed_ns(&self) -> u64 {
        self.shard.clock.now_ns() - self.start_ns
    }

    pub fn is_head(&self) -> bool {
        self.head.method == Method::Head
    }

    /// Whether the connection goes on after an answer that ends now.
    pub fn may_keep_alive(&self) -> bool {
        self.keep_alive && self.body_consumed && !self.shard.draining.get()
    }

    fn parse(&mut self, client: &Client) -> Result<Parsed, Refusal> {
        const HOPS_MAX: u32 = 4;
        let buf = client.received();
        if hops(&self.head, buf) >= HOPS_MAX {
            return Err(Refusal::new(
                508,
                "loop_detected",
                "The request has passed through this gateway too often: an account's base_url leads back to it.",
            ));
        }
        let face = self.record().face;
        match (face, self.head.method) {
            (Face::Unknown, _) => Err(Refusal::new(
                404,
                "unknown_path",
                "This path is not served. Served are /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/responses, \
                 /v1/messages, /v1/messages/count_tokens, /v1/moderations, /v1/rerank, /v1/images/*, /v1/audio/* and \
                 /v1/models.",
            )),
            (Face::Models, Method::Get | Method::Head) => Ok(Parsed(())),
            (Face::Models, _) => Err(Refusal::new(405, "method_not_allowed", "This path is read with GET.")),
            (_, Method::Post) => Ok(Parsed(())),
            _ => Err(Refusal::new(405, "method_not_allowed", "This path is called with POST.")),
        }
    }
}

impl Entry {
    pub fn record(&mut self) -> &mut Record {
        self.record.get_or_insert_with(|| unreachable!("a record is taken once, when its request is over"))
    }

    /// Fixes the duration and ends an attempt that was left open.
    fn close(&mut self) {
        let duration_ns = self.shard.clock.now_ns() - self.start_ns;
        let Some(record) = &mut self.record else { return };
        if record.duration_ns != 0 {
            return;
        }
        record.duration_ns = duration_ns;
        if let Some(attempt) = record.attempts.last_mut()
            && attempt.end_ns == 0
        {
            attempt.end_ns = duration_ns;
            attempt.error.get_or_insert(ErrorClass::Internal);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.close();
        if let Some(record) = self.record.take() {
            self.shard.requests.set(self.shard.requests.get() - 1);
            self.shard.push_record(record);
        }
    }
}

/// The bounds of a head, from either side.
pub fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        line_bytes_max: limits.request_line_bytes_max,
        head_bytes_max: limits.head_bytes_max,
        fields_max: limits.fields_max,
    }
}

fn method_of(head: &RequestHead, buf: &[u8]) -> Cow<'static, str> {
    match head.method {
        Method::Post => "POST".into(),
        Method::Get => "GET".into(),
        _ => String::from_utf8_lossy(head.method_span.of(buf)).into_owned().into(),
    }
}

fn route_of(path: &[u8]) -> (Face, &'static str) {
    match path {
        b"/v1/chat/completions" => (Face::ChatCompletions, "/v1/chat/completions"),
        b"/v1/messages" => (Face::Messages, "/v1/messages"),
        b"/v1/responses" => (Face::Responses, "/v1/responses"),
        b"/v1/embeddings" => (Face::Embeddings, "/v1/embeddings"),
        b"/v1/completions" => (Face::Completions, "/v1/completions"),
        b"/v1/messages/count_tokens" => (Face::CountTokens, "/v1/messages/count_tokens"),
        b"/v1/moderations" => (Face::Moderations, "/v1/moderations"),
        b"/v1/rerank" => (Face::Rerank, "/v1/rerank"),
        b"/v1/models" => (Face::Models, "/v1/models"),
        b"/v1/images/generations" => (Face::Images, "/v1/images/generations"),
        b"/v1/images/edits" => (Face::Images, "/v1/images/edits"),
        b"/v1/images/variations" => (Face::Images, "/v1/images/variations"),
        b"/v1/audio/speech" => (Face::Audio, "/v1/audio/speech"),
        b"/v1/audio/transcriptions" => (Face::Audio, "/v1/audio/transcriptions"),
        b"/v1/audio/translations" => (Face::Audio, "/v1/audio/translations"),
        _ => (Face::Unknown, ""),
    }
}

/// How many gateways of this kind the request has passed (`x-sluice-hop`).
pub fn hops(head: &RequestHead, buf: &[u8]) -> u32 {
    let field = head
        .fields
        .iter()
        .find(|field| field.name == Name::TfyOrSluice && field.name_span.of(buf).eq_ignore_ascii_case(b"x-sluice-hop"));
    let value = field.and_then(|field| std::str::from_utf8(field.value.of(buf)).ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn trace_of(shard: &Shard, head: &RequestHead, buf: &[u8]) -> Trace {
    let span_id = shard.random_bytes();
    match head.value(Name::Traceparent, buf).and_then(parse_traceparent) {
        Some((trace_id, parent, flags)) => Trace {
            trace_id,
            span_id,
            parent_span_id: Some(parent),
            flags,
            state: head.value(Name::Tracestate, buf).map(|state| String::from_utf8_lossy(state).into()),
        },
        None => Trace { trace_id: shard.random_bytes(), span_id, parent_span_id: None, flags: 1, state: None },
    }
}

/// `00-TRACEID-SPANID-FLAGS` (W3C Trace Context, traceparent). Later versions may be longer after another dash.
fn parse_traceparent(value: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let fixed = value.get(..55)?;
    let version = unhex::<1>(&fixed[..2])?[0];
    let longer = value.len() > 55;
    if version == 0xff || (version == 0 && longer) || (longer && value[55] != b'-') {
        return None;
    }
    if fixed[2] != b'-' || fixed[35] != b'-' || fixed[52] != b'-' {
        return None;
    }
    let trace_id = unhex::<16>(&fixed[3..35])?;
    let span_id = unhex::<8>(&fixed[36..52])?;
    let flags = unhex::<1>(&fixed[53..55])?[0];
    (trace_id != [0; 16] && span_id != [0; 8]).then_some((trace_id, span_id, flags))
}

/// Lower-case hex only, as the specification demands.
fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_continued_only_when_it_is_valid() {
        let good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (trace_id, span_id, flags) = parse_traceparent(good).expect("valid");
        assert_eq!((trace_id[0], span_id[7], flags), (0x4b, 0xb7, 1));
        for bad in [
            &b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"[..],
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            b"",
        ] {
            assert_eq!(parse_traceparent(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        assert!(parse_traceparent(b"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
    }
}
