//! What a request carries through its steps (serve.rs), the record it fills, and how a step says no.

use std::borrow::Cow;
use std::rc::Rc;

use super::client::Client;
use super::state::Shard;
use super::trace::trace_of;
use crate::config::{Limits, Snapshot};
use crate::dialect::gemini_path;
use crate::http1::{HeadLimits, Method, Name, RequestBody, RequestHead};
use crate::meter::Usage;
use crate::telemetry::{ErrorClass, Face, Outcome, Record};

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
    /// What of the request the provider was not told, for the answer's `warning`.
    pub warning: Option<Box<str>>,
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

impl Request {
    pub fn begin(client: &Client, head: RequestHead, start_ns: u64) -> Self {
        let shard = client.shard.clone();
        let snapshot = shard.snapshot();
        let buf = client.received();
        let (face, route) = route_of(head.path.of(buf));
        let trace = trace_of(&shard, &head, buf);
        let start_unix_ns = shard.clock.unix_ns_at(start_ns);
        // First the place, then what is put there: it is not copied into it that way.
        let place = Box::new_uninit();
        let record = Box::write(
            place,
            Record {
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
                routing: None,
                fallback_rule: None,
                diverted: None,
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
            },
        );
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
            warning: None,
            entry: Entry { shard: client.shard.clone(), start_ns, record: Some(record) },
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

    pub fn parse(&mut self, client: &Client) -> Result<Parsed, Refusal> {
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
                 /v1/messages, /v1/messages/count_tokens, /v1/moderations, /v1/rerank, /v1/images/*, /v1/audio/*, \
                 /v1beta/models/{model}:generateContent, :streamGenerateContent and /v1/models.",
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

    /// Fixes the duration and ends attempts that were left open.
    fn close(&mut self) {
        let duration_ns = self.shard.clock.now_ns() - self.start_ns;
        let Some(record) = &mut self.record else { return };
        if record.duration_ns != 0 {
            return;
        }
        record.duration_ns = duration_ns;
        for attempt in record.attempts.iter_mut().filter(|attempt| attempt.end_ns == 0) {
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
        _ if gemini_path(path).is_some() => (Face::Gemini, "/v1beta/models/{model}:generateContent"),
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
