//! One attempt at a provider: a connection, the rebuilt head with the body behind it, and the answer's head.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use super::admit::Routed;
use super::buffers::Held;
use super::client::Client;
use super::request::{Refusal, Request, Stop, head_limits, hops};
use super::text::{push_decimal, push_traceparent};
use super::upstream::{ConnectError, Upstream, connect};
use crate::config::{Account, Api};
use crate::http1::{HeadLimits, Method, Name, ResponseHead, forward_fields, parse_response, push_field};
use crate::json;
use crate::meter::Usage;
use crate::runtime::Buf;
use crate::telemetry::{Attempt, AttemptReason, ErrorClass, Face, Outcome, Target};

/// The provider has answered with a head.
pub struct Sent {
    pub upstream: Upstream,
    pub head: ResponseHead,
    /// The client did not ask for the usage chunk that was asked for in its name.
    pub hide_usage: bool,
    /// Bytes of text in the request, for estimates.
    pub text_bytes: u64,
    pub api: Api,
    pub held: Held,
}

pub async fn run(routed: Routed, request: &mut Request, client: &mut Client) -> Result<Sent, Stop> {
    let Routed { body, scan, account_index, target, mut held } = routed;
    let snapshot = request.snapshot.clone();
    let Some(account) = snapshot.accounts.get(account_index) else {
        return Err(Refusal::failed(500, "internal", "The account is gone from the configuration.").into());
    };
    let received = client.received();
    let content = body.of(received);
    let mut edits = Vec::new();
    if scan.model.as_ref().is_some_and(|model| *model.decode(content) != *target.model_id) {
        edits.push(json::edit_model(&scan, &target.model_id));
    }
    let may_ask = account.ask_usage && matches!(request.record().face, Face::ChatCompletions | Face::Completions);
    let hide_usage = may_ask && scan.stream && scan.include_usage != Some(true);
    if hide_usage {
        edits.extend(json::edit_include_usage(&scan, content));
    }
    let body_len = edits.iter().fold(content.len(), |len, edit| len + edit.with.len() - edit.span.len());
    let span_id = request.shard.random_bytes();
    let mut out = request.shard.buffers.take_vec(request.head.head_bytes + body_len + 512);
    write_head(request, received, account, span_id, Some(body_len as u64), &mut out);
    if edits.is_empty() {
        out.extend_from_slice(content);
    } else {
        json::apply_edits(content, &mut edits, &mut out);
    }
    held.set(out.capacity());
    client.consume(std::mem::take(&mut request.in_inbox));
    client.watch();
    begin(request, target, AttemptReason::Direct, span_id);
    let (upstream, head) = exchange(request, client, account, out).await?;
    Ok(Sent { upstream, head, hide_usage, text_bytes: scan.text_bytes, api: account.api, held })
}

/// Opens the attempt's entry in the record.
pub fn begin(request: &mut Request, target: Arc<Target>, reason: AttemptReason, span_id: [u8; 8]) {
    let start_ns = request.elapsed_ns();
    let record = request.record();
    if record.attempts.is_empty() {
        record.admit_ns = start_ns;
    }
    record.attempts.push(Attempt {
        target,
        reason,
        span_id,
        start_ns,
        first_byte_ns: None,
        end_ns: 0,
        status: 0,
        error: None,
        reused: false,
        usage: Usage::default(),
        cost_pico_usd: None,
    });
}

/// Closes it. The error that came first is the one that counts.
pub fn end(request: &mut Request, error: Option<ErrorClass>) {
    let now_ns = request.elapsed_ns();
    if let Some(attempt) = request.record().attempts.last_mut() {
        attempt.end_ns = now_ns;
        attempt.error = attempt.error.or(error);
    }
}

/// Sends the request and waits for the answer's head. A reused connection that dies before any byte of an answer has
/// lost a race with the provider's idle timeout: the request goes out once more on a fresh one.
async fn exchange(
    request: &mut Request,
    client: &mut Client,
    account: &Account,
    out: Vec<u8>,
) -> Result<(Upstream, ResponseHead), Stop> {
    let mut buf = Buf::from_content(out);
    let len = buf.len();
    let mut fresh_only = false;
    loop {
        let mut upstream = open(request, client, account, fresh_only).await?;
        upstream.stream.post_send_lazily(buf);
        let waited = await_head(request, client, &mut upstream).await;
        match waited {
            Ok(head) => {
                if let Some(sent) = upstream.unsent.take() {
                    request.shard.buffers.give(sent);
                }
                return Ok((upstream, head));
            }
            Err(NoHead { error: ErrorClass::Disconnected, clean: true, buf: Some(mut returned) })
                if upstream.reused =>
            {
                returned.rewind(len);
                buf = returned;
                fresh_only = true;
                if let Some(attempt) = request.record().attempts.last_mut() {
                    attempt.reason = AttemptReason::ReuseRace;
                }
            }
            Err(failure) => return Err(fail(request, failure.error)),
        }
    }
}

/// A connection from the pool, else a new one.
pub async fn open(
    request: &mut Request,
    client: &mut Client,
    account: &Account,
    fresh_only: bool,
) -> Result<Upstream, Stop> {
    let upstream = match connect(&request.shard, client, &account.upstream, &request.snapshot.limits, fresh_only).await
    {
        Ok(upstream) => upstream,
        Err(ConnectError::ClientGone) => return Err(fail(request, ErrorClass::ClientGone)),
        Err(ConnectError::Failed(error)) => return Err(fail(request, error)),
        Err(ConnectError::TooMany) => {
            end(request, Some(ErrorClass::Connect));
            let message = "The gateway has as many connections to providers as it may. Try again shortly.";
            return Err(Refusal::failed(503, "overloaded", message).retry_after(1).into());
        }
    };
    if let Some(attempt) = request.record().attempts.last_mut() {
        attempt.reused = upstream.reused;
    }
    Ok(upstream)
}

/// Ends the attempt and says what the client gets.
pub fn fail(request: &mut Request, error: ErrorClass) -> Stop {
    end(request, Some(error));
    let host = request.record().attempts.last().map(|attempt| attempt.target.account.to_string()).unwrap_or_default();
    let (status, code, what) = match error {
        ErrorClass::ClientGone | ErrorClass::ClientStalled => return Stop::Silent(Outcome::Cancelled),
        ErrorClass::Resolve => (502, "upstream_unresolved", "its host name does not resolve"),
        ErrorClass::Connect => (502, "upstream_unreachable", "it refuses connections"),
        ErrorClass::ConnectTimeout => (504, "upstream_connect_timeout", "it did not accept a connection in time"),
        ErrorClass::Tls => (502, "upstream_tls", "the TLS handshake with it failed"),
        ErrorClass::FirstByteTimeout => (504, "upstream_timeout", "it did not begin to answer in time"),
        ErrorClass::Protocol => (502, "upstream_protocol", "its answer is not valid HTTP/1.1"),
        ErrorClass::Auth => (502, "upstream_auth", "it refused this gateway's own credentials"),
        _ => (502, "upstream_disconnected", "it closed the connection before answering"),
    };
    Refusal::failed(status, code, format!("The provider account `{host}` brought no answer: {what}.")).into()
}

pub struct NoHead {
    pub error: ErrorClass,
    /// Not a byte of an answer had come.
    clean: bool,
    /// The request's bytes, when the send gave them back.
    buf: Option<Buf>,
}

/// Waits for the answer's head while the request goes out. Interim answers are swallowed, within bounds.
pub async fn await_head(
    request: &mut Request,
    client: &mut Client,
    upstream: &mut Upstream,
) -> Result<ResponseHead, NoHead> {
    let limits = request.snapshot.limits;
    let head_limits = head_limits(&limits);
    // Until the request has left the deadline is a nudge: a small one leaves by itself and wakes nobody.
    let mut nudged = !upstream.stream.is_sending();
    client.deadline.set_ms(if nudged { limits.upstream_first_byte_ms } else { 0 });
    let mut informational = 0;
    loop {
        let clean = upstream.received().is_empty() && informational == 0;
        if let Some(head) = final_head(request, upstream, &head_limits, &mut informational)? {
            return Ok(head);
        }
        upstream.post_receive(&request.shard);
        let arrived = poll_fn(|cx| {
            if let Poll::Ready((_, buf)) = upstream.stream.poll_send(cx) {
                // A send that fails is followed by a receive that says why.
                upstream.unsent = Some(buf);
                nudged = true;
                client.deadline.set_ms(limits.upstream_first_byte_ms);
            }
            if let Poll::Ready((result, buf)) = upstream.stream.poll_receive(cx) {
                upstream.inbox = Some(buf);
                return Poll::Ready(closed_or(result));
            }
            if client.poll_gone(cx) {
                return Poll::Ready(Err(ErrorClass::ClientGone));
            }
            if client.deadline.expired(cx) {
                if nudged {
                    return Poll::Ready(Err(ErrorClass::FirstByteTimeout));
                }
                nudged = true;
                upstream.stream.watch_send();
                client.deadline.set_ms(limits.upstream_first_byte_ms);
                // Polled once more, so that the send knows whom to wake.
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
        if let Err(error) = arrived {
            return Err(NoHead { error, clean, buf: upstream.take_back().await });
        }
    }
}

/// The head of the answer proper, when it is here.
fn final_head(
    request: &mut Request,
    upstream: &mut Upstream,
    head_limits: &HeadLimits,
    informational: &mut u32,
) -> Result<Option<ResponseHead>, NoHead> {
    let protocol = || NoHead { error: ErrorClass::Protocol, clean: false, buf: None };
    loop {
        let parsed = match upstream.received() {
            [] => None,
            bytes => parse_response(bytes, request.head.method, head_limits).map_err(|_| protocol())?,
        };
        let Some(head) = parsed else { return Ok(None) };
        let now_ns = request.elapsed_ns();
        if let Some(attempt) = request.record().attempts.last_mut() {
            attempt.first_byte_ns.get_or_insert(now_ns);
            attempt.status = head.status;
        }
        if head.status >= 200 {
            return Ok(Some(head));
        }
        *informational += 1;
        // Nobody asked for another protocol.
        if head.status == 101 || *informational > request.snapshot.limits.informational_max {
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

/// The head that goes to the provider: the client's own end-to-end fields, this gateway's credentials in place of the
/// caller's, the trace continued, and framing of our own.
pub fn write_head(
    request: &mut Request,
    received: &[u8],
    account: &Account,
    span_id: [u8; 8],
    body_len: Option<u64>,
    out: &mut Vec<u8>,
) {
    let head = &request.head;
    debug_assert!(head.method == Method::Post);
    out.extend_from_slice(b"POST ");
    out.extend_from_slice(account.upstream.path_prefix.as_bytes());
    let path = head.path.of(received);
    let unversioned = if account.upstream.strip_v1 { path.strip_prefix(b"/v1") } else { None };
    out.extend_from_slice(unversioned.unwrap_or(path));
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query.of(received));
    }
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(account.upstream.authority.as_bytes());
    out.extend_from_slice(b"\r\n");
    forward_fields(&head.fields, received, out, |field, received| {
        let name = field.name_span.of(received);
        // What the account sets replaces what the client says.
        let set = account.headers.iter().any(|(set, _)| name.eq_ignore_ascii_case(set.as_bytes()));
        set || matches!(
            field.name,
            Name::Authorization
                | Name::XApiKey
                | Name::ApiKey
                | Name::XGoogApiKey
                | Name::OpenAiOrganization
                | Name::AcceptEncoding
                | Name::Cookie
                | Name::Forwarded
                | Name::Via
                | Name::XRequestId
                | Name::Metadata
                | Name::TfyOrSluice
                | Name::Traceparent
        )
    });
    push_credentials(account, head.find(Name::AnthropicVersion).is_some(), out);
    for (name, value) in &account.headers {
        push_field(out, name, value.expose().as_bytes());
    }
    // The answer's text is read as it passes, so it must come uncompressed.
    out.extend_from_slice(b"accept-encoding: identity\r\ntraceparent: ");
    let hop = hops(head, received) + 1;
    let trace = &request.record().trace;
    push_traceparent(&trace.trace_id, &span_id, trace.flags, out);
    out.extend_from_slice(b"\r\nx-sluice-hop: ");
    push_decimal(u64::from(hop), out);
    out.extend_from_slice(b"\r\n");
    match body_len {
        Some(len) => {
            out.extend_from_slice(b"content-length: ");
            push_decimal(len, out);
            out.extend_from_slice(b"\r\n\r\n");
        }
        None => out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n"),
    }
}

fn push_credentials(account: &Account, has_version: bool, out: &mut Vec<u8>) {
    if let Some(key) = account.key() {
        match account.api {
            Api::Anthropic => {
                push_field(out, "x-api-key", key.expose().as_bytes());
            }
            _ => {
                let mut value = Vec::with_capacity(7 + key.expose().len());
                value.extend_from_slice(b"Bearer ");
                value.extend_from_slice(key.expose().as_bytes());
                push_field(out, "authorization", &value);
            }
        }
    }
    if account.api == Api::Anthropic && !has_version {
        push_field(out, "anthropic-version", b"2023-06-01");
    }
}
