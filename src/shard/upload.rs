//! Multipart bodies (audio, image edits) stream through: only their beginning, up to the `model` field, is held.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::admit::{self, Identified};
use super::attempt::{self, InputEstimate};
use super::attempts::{self, Tried};
use super::buffers::STREAM_BYTES;
use super::client::{Client, NoBytes, send_ms};
use super::exchange::{self, Coming, Late, Nothing, Seen};
use super::head::{Call, write_head};
use super::pick;
use super::proof::Proof;
use super::request::{Next, Refusal, Request, Stop};
use super::upstream::Upstream;
use super::using::Using;
use crate::dialect::{ModelField, Parts, Wire, boundary, find_model};
use crate::http1::{BodyDecoder, CHUNK_END, LAST_CHUNK, Name, RequestBody, chunk_head};
use crate::meter::Usage;
use crate::runtime::Buf;
use crate::telemetry::{ErrorClass, Outcome};

/// How far into the body the model is looked for.
const PREFIX_BYTES_MAX: usize = 64 * 1024;

pub fn is_multipart(request: &Request, client: &Client) -> bool {
    request.head.value(Name::ContentType, client.received()).and_then(boundary).is_some()
}

/// The body as it comes off the connection.
struct Incoming {
    decoder: BodyDecoder,
    parts: Parts,
    bytes: u64,
    bytes_max: u64,
}

pub async fn run(identified: Identified, request: &mut Request, client: &mut Client) -> Result<Next, Stop> {
    admit::check_memory(request)?;
    let limits = request.snapshot.limits;
    if let RequestBody::Length(length) = request.head.body
        && length > limits.request_body_bytes_max
    {
        return Err(admit::too_large(limits.request_body_bytes_max).into());
    }
    let received = client.received();
    let Some(boundary) = request.head.value(Name::ContentType, received).and_then(boundary).map(<[u8]>::to_vec) else {
        return Err(Refusal::new(400, "invalid_multipart", "The multipart body has no boundary.").into());
    };
    // The head is needed until the provider's is written; the inbox is for the body from here on.
    let head = received.get(..request.head.head_bytes).unwrap_or(&[]).to_vec();
    if received.len() == head.len() {
        admit::send_continue(request, client).await?;
    }
    client.consume(std::mem::take(&mut request.in_inbox));
    let decoder = BodyDecoder::request(request.head.body, limits.trailer_bytes_max);
    let mut incoming =
        Incoming { decoder, parts: Parts::new(&boundary), bytes: 0, bytes_max: limits.request_body_bytes_max };
    let mut held = request.shard.memory.hold();
    let mut prefix = Vec::new();
    let (start, end) = loop {
        incoming.take(client, &mut prefix)?;
        held.set(prefix.capacity());
        match find_model(&prefix, &boundary) {
            ModelField::Found { start, end } => break (start, end),
            ModelField::NotYet if incoming.decoder.is_done() || prefix.len() > PREFIX_BYTES_MAX => {
                let message = "The multipart body must have a `model` field within its first 64 KiB, before any file.";
                return Err(Refusal::new(400, "missing_model", message).into());
            }
            ModelField::NotYet => receive(request, client).await?,
        }
    };
    let model = String::from_utf8_lossy(prefix.get(start..end).unwrap_or(&[])).into_owned();
    request.record().model_requested = admit::shortened(&model).into();
    let pick = pick::target_of(&identified, request, &head, &model)?;
    let snapshot = request.snapshot.clone();
    let Some(account) = snapshot.accounts.get(pick.account) else {
        return Err(Refusal::failed(500, "internal", "The account is gone from the configuration.").into());
    };
    let target = &pick.target;
    prefix.splice(start..end, target.model_id.bytes());
    let length = match request.head.body {
        RequestBody::Length(length) => Some(length - (end - start) as u64 + target.model_id.len() as u64),
        _ => None,
    };
    let span_id = request.shard.random_bytes();
    let mut out = Vec::with_capacity(head.len() + prefix.len() + 512);
    let call = Call {
        account,
        target,
        spoken: pick.spoken,
        stream: false,
        span_id,
        body_len: length,
        // Every API that takes uploads has a key in the configuration.
        proof: &Proof::Account,
        change: pick.change(&snapshot),
    };
    write_head(request, &head, &call, &mut out);
    let mut using = Using::begin(request, &pick, 0);
    let at = attempt::begin(request, &pick, span_id);
    let about = attempt::about(request);
    let deadline = client.deadline.clone();
    let late = Late { first_token_at_ms: u64::MAX, total_at_ms: deadline.after_ms(limits.total_ms) };
    let connected = client.or_gone(pin!(exchange::open(&about, account, &deadline, true))).await;
    let mut upstream = match connected {
        Some(Ok(upstream)) => upstream,
        Some(Err(nothing)) => {
            using.ended(request, Some(nothing.error), 0, None, Usage::default());
            return Err(attempt::fail(request, nothing));
        }
        None => return Err(attempt::gone(request)),
    };
    frame(&prefix, length.is_none(), incoming.decoder.is_done(), &mut out);
    send(request, client, &mut upstream, out).await?;
    pass_on(request, client, &mut upstream, &mut incoming, length.is_none()).await?;
    let mut seen = Seen::default();
    let answered = {
        let coming = Coming {
            target: pick.target.clone(),
            api: account.api,
            wire: Wire::of(about.face),
            back: None,
            hide_usage: false,
            input: InputEstimate::default(),
            held,
            track: None,
            prior: None,
        };
        let answering = async {
            let head = exchange::await_head(&about, &mut upstream, &deadline, late, &mut seen).await;
            let head = head.map_err(|failed| Nothing::from(failed.error))?;
            let mut begun = exchange::begin(about.clone(), upstream, head, coming, late);
            begun.hold(&deadline).await;
            Ok(begun)
        };
        client.or_gone(pin!(answering)).await
    };
    attempt::saw(request, at, seen);
    let Some(result) = answered else { return Err(attempt::gone(request)) };
    let mut tried = Tried { at, pick, using, input: InputEstimate::default(), result };
    Ok(match attempts::answer_once(&mut tried, request, client).await? {
        Next::Close if !request.body_consumed => Next::Linger,
        next => next,
    })
}

/// Passes the rest of the body on, piece by piece, until it ends or the provider has begun to answer.
async fn pass_on(
    request: &mut Request,
    client: &mut Client,
    upstream: &mut Upstream,
    incoming: &mut Incoming,
    chunked: bool,
) -> Result<(), Stop> {
    while !incoming.decoder.is_done() {
        upstream.post_receive(&request.shard);
        client.post_receive();
        client.deadline.set_ms(request.snapshot.limits.body_idle_ms);
        let answered = poll_fn(|cx| {
            if let Poll::Ready((result, buf)) = upstream.stream.poll_receive(cx) {
                upstream.inbox = Some(buf);
                return Poll::Ready(if matches!(result, Ok(count) if count > 0) {
                    Ok(true)
                } else {
                    Err(ErrorClass::Disconnected)
                });
            }
            if client.poll_gone(cx) || client.deadline.expired(cx) {
                return Poll::Ready(Err(ErrorClass::ClientGone));
            }
            if client.inbox.is_some() { Poll::Ready(Ok(false)) } else { Poll::Pending }
        })
        .await;
        match answered {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => return Err(attempt::fail(request, error.into())),
        }
        let mut piece = Vec::with_capacity(STREAM_BYTES);
        if let Err(refusal) = incoming.take(client, &mut piece) {
            // Not the provider's doing.
            attempt::end(request, None);
            return Err(refusal.into());
        }
        let mut out = Vec::with_capacity(piece.len() + 32);
        frame(&piece, chunked, incoming.decoder.is_done(), &mut out);
        if !out.is_empty() {
            send(request, client, upstream, out).await?;
        }
    }
    request.body_consumed = true;
    request.record().request_body_bytes = incoming.bytes;
    client.watch();
    Ok(())
}

fn frame(content: &[u8], chunked: bool, last: bool, out: &mut Vec<u8>) {
    if !chunked {
        out.extend_from_slice(content);
        return;
    }
    if !content.is_empty() {
        out.extend_from_slice(chunk_head(content.len()).as_ref());
        out.extend_from_slice(content);
        out.extend_from_slice(CHUNK_END);
    }
    if last {
        out.extend_from_slice(LAST_CHUNK);
    }
}

async fn send(request: &mut Request, client: &mut Client, upstream: &mut Upstream, out: Vec<u8>) -> Result<(), Stop> {
    client.deadline.set_ms(send_ms(out.len(), request.snapshot.limits.client_bytes_per_s_min));
    upstream.stream.post_send(Buf::from_content(out));
    let sent = poll_fn(|cx| {
        if let Poll::Ready((result, _)) = upstream.stream.poll_send(cx) {
            return Poll::Ready(result.map(|_| ()).map_err(|_| ErrorClass::Disconnected));
        }
        if client.deadline.expired(cx) {
            return Poll::Ready(Err(ErrorClass::IdleTimeout));
        }
        Poll::Pending
    })
    .await;
    match sent {
        Ok(()) => Ok(()),
        // It may have closed because it has answered already: then the answer is there to be read.
        Err(ErrorClass::Disconnected) if upstream.stream.is_receiving() => Ok(()),
        Err(error) => Err(attempt::fail(request, error.into())),
    }
}

async fn receive(request: &mut Request, client: &mut Client) -> Result<(), Stop> {
    client.deadline.set_ms(request.snapshot.limits.body_idle_ms);
    match client.receive().await {
        Ok(()) => Ok(()),
        Err(NoBytes::Expired) => Err(Refusal::new(408, "body_timeout", "The body did not arrive in time.").into()),
        Err(_) => Err(Stop::Silent(Outcome::Cancelled)),
    }
}

impl Incoming {
    /// Moves decoded content out of the inbox.
    fn take(&mut self, client: &mut Client, out: &mut Vec<u8>) -> Result<(), Refusal> {
        while !self.decoder.is_done() {
            let step = self.decoder.advance(client.received()).map_err(|error| {
                Refusal::new(400, "invalid_body_framing", format!("The body's framing is broken: {error}."))
            })?;
            let content = step.content.of(client.received());
            self.parts.feed(content).map_err(|_| {
                let message = "The multipart body must have one `model` field, plainly written: lines end with CRLF.";
                Refusal::new(400, "ambiguous_model", message)
            })?;
            out.extend_from_slice(content);
            self.bytes += step.content.len() as u64;
            client.consume(step.consumed);
            if self.bytes > self.bytes_max {
                return Err(admit::too_large(self.bytes_max));
            }
            if step.consumed == 0 {
                break;
            }
        }
        Ok(())
    }
}
