//! The body of an upload on its way: off the client's connection, piece by piece, and on to the provider's. What has gone
//! by is kept nowhere, so it cannot be sent twice.

use std::future::poll_fn;
use std::task::Poll;

use super::admit;
use super::attempt;
use super::buffers::ANSWER_BYTES;
use super::client::{Client, NoBytes, send_ms};
use super::request::{Refusal, Request, Stop};
use super::upstream::Upstream;
use crate::dialect::Parts;
use crate::http1::{BodyDecoder, CHUNK_END, LAST_CHUNK, chunk_head};
use crate::runtime::Buf;
use crate::telemetry::{ErrorClass, Outcome};

/// The body as it comes off the connection.
pub struct Incoming {
    pub decoder: BodyDecoder,
    pub parts: Parts,
    pub bytes: u64,
    pub bytes_max: u64,
}

/// Passes the rest of the body on, piece by piece, until it ends or the provider has begun to answer.
pub async fn pass_on(
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
        let mut piece = Vec::with_capacity(ANSWER_BYTES);
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

pub fn frame(content: &[u8], chunked: bool, last: bool, out: &mut Vec<u8>) {
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

pub async fn send(
    request: &mut Request,
    client: &mut Client,
    upstream: &mut Upstream,
    out: Vec<u8>,
) -> Result<(), Stop> {
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

pub async fn receive(request: &mut Request, client: &mut Client) -> Result<(), Stop> {
    client.deadline.set_ms(request.snapshot.limits.body_idle_ms);
    match client.receive().await {
        Ok(()) => Ok(()),
        Err(NoBytes::Expired) => Err(Refusal::new(408, "body_timeout", "The body did not arrive in time.").into()),
        Err(_) => Err(Stop::Silent(Outcome::Cancelled)),
    }
}

impl Incoming {
    /// Moves decoded content out of the inbox.
    pub fn take(&mut self, client: &mut Client, out: &mut Vec<u8>) -> Result<(), Refusal> {
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
