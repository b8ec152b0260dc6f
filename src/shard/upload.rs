//! Multipart bodies (audio, image edits) stream through: only their beginning, up to the `model` field, is held.

use std::pin::pin;

use super::admit::{self, Identified};
use super::attempt::{self, InputEstimate};
use super::attempts;
use super::client::Client;
use super::exchange::{self, Coming, Late, Nothing, Seen};
use super::head::{Call, write_head};
use super::incoming::{Incoming, frame, pass_on, receive, send};
use super::pick::Pick;
use super::plan::{self, Plan};
use super::proof::Proof;
use super::request::{Next, Refusal, Request, Stop};
use super::tried::Tried;
use super::upstream::Upstream;
use super::using::Using;
use crate::dialect::{ModelField, Parts, Wire, boundary, find_model};
use crate::http1::{BodyDecoder, Name, RequestBody};
use crate::meter::Usage;
use crate::policy::route::judge::{Failure, Then};
use crate::runtime::sleep_ms;

/// How far into the body the model is looked for.
const PREFIX_BYTES_MAX: usize = 64 * 1024;

pub fn is_multipart(request: &Request, client: &Client) -> bool {
    request.head.value(Name::ContentType, client.received()).and_then(boundary).is_some()
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
    let (mut plan, first) = plan::route_upload(identified, model, &head, request)?;
    let Connected { at, pick, using, span_id, mut upstream } = connect(&mut plan, first, request, client).await?;
    let (snapshot, about) = (request.snapshot.clone(), attempt::about(request));
    let account = attempt::account_of(&pick, &snapshot)?;
    let target = &pick.target;
    prefix.splice(start..end, target.model_id.bytes());
    let length = match request.head.body {
        RequestBody::Length(length) => Some(length - (end - start) as u64 + target.model_id.len() as u64),
        _ => None,
    };
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
    let deadline = client.deadline.clone();
    let late = Late { first_token_at_ms: u64::MAX, total_at_ms: deadline.after_ms(limits.total_ms) };
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

/// A target that took the connection.
struct Connected {
    /// Its attempt's place in the record.
    at: usize,
    pick: Pick,
    using: Using,
    span_id: [u8; 8],
    upstream: Upstream,
}

/// Nothing of the body has gone out yet, so a target that cannot be connected to costs nothing: it is asked again, or the
/// next one is, as for any request. From the first byte on there is no other target, since the body is not kept.
async fn connect(
    plan: &mut Plan,
    mut pick: Pick,
    request: &mut Request,
    client: &mut Client,
) -> Result<Connected, Stop> {
    request.shard.budget.borrow_mut().deposit(request.shard.unix_ms());
    let (snapshot, about, deadline) = (request.snapshot.clone(), attempt::about(request), client.deadline.clone());
    loop {
        let account = attempt::account_of(&pick, &snapshot)?;
        let span_id = request.shard.random_bytes();
        let at = attempt::begin(request, &pick, span_id);
        let mut using = Using::begin(request, &pick, 0);
        let nothing = match client.or_gone(pin!(exchange::open(&about, account, &deadline, true))).await {
            Some(Ok(upstream)) => return Ok(Connected { at, pick, using, span_id, upstream }),
            Some(Err(nothing)) => nothing,
            None => return Err(attempt::gone(request)),
        };
        let (class, failure) = (nothing.error, Failure::from(nothing));
        using.ended(request, Some(class), 0, None, Usage::default());
        let next = match plan.judge(&failure, &pick, request) {
            Then::Retry { wait_ms } => {
                attempt::end_at(request, at, Some(class));
                if client.or_gone(sleep_ms(wait_ms).as_mut()).await.is_none() {
                    return Err(attempt::gone(request));
                }
                pick = pick.again(wait_ms);
                continue;
            }
            then => plan.next(then, &failure, &pick, request),
        };
        let Some(next) = next else { return Err(attempt::fail(request, nothing)) };
        attempt::end_at(request, at, Some(class));
        pick = next;
    }
}
