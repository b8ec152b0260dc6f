//! Answers of Sluice's own: refusals in the caller's dialect, and the list of models.

use std::io::Write;

use super::admit::{Identified, visible_models};
use super::client::Client;
use super::pick::Pick;
use super::plan::Plan;
use super::request::{Next, Refusal, Request};
use super::respond::push_target;
use super::text::{push_request_id, push_traceparent};
use super::translate;
use crate::dialect;
use crate::http1::{push_field, write_status_line};
use crate::mesh::Up;
use crate::meter::{self, Family};
use crate::runtime::Buf;
use crate::telemetry::{Face, Outcome};

/// Tells the client why, and settles what the connection does next.
pub async fn refuse(request: &mut Request, client: &mut Client, refusal: Refusal) -> Next {
    let id = request.record().id.to_string();
    let face = request.record().face;
    request.record().outcome = refusal.outcome;
    request.record().error_code = Some(refusal.code);
    let mut body = Vec::with_capacity(256);
    dialect::error_body(face, refusal.status, refusal.code, &refusal.message, &id, &mut body);
    let retry_after = refusal.retry_after_s;
    send(request, client, refusal.status, "application/json", body, |head| {
        if let Some(seconds) = retry_after {
            let _ = write!(head, "retry-after: {seconds}\r\n");
        }
    })
    .await
}

/// Both OpenAI's and Anthropic's clients read this list: it carries the members of both.
pub async fn models(identified: Identified, request: &mut Request, client: &mut Client) -> Next {
    // Fixed, so that the list is the same from every shard and restart.
    const CREATED_UNIX_S: u64 = 1_767_225_600;
    const CREATED_AT: &str = "2026-01-01T00:00:00Z";
    let models = visible_models(&identified, request);
    let data: Vec<serde_json::Value> = models
        .iter()
        .map(|model| {
            let (id, owner, types) = (&model.id, model.owner, model.types);
            let mut entry = serde_json::json!({"id": id, "object": "model", "type": "model", "display_name": id,
                "owned_by": owner, "created": CREATED_UNIX_S, "created_at": CREATED_AT});
            if !types.is_empty() {
                entry["model_types"] = types.into();
            }
            entry
        })
        .collect();
    let list = serde_json::json!({"object": "list", "data": data, "has_more": false,
        "first_id": models.first().map(|model| &model.id), "last_id": models.last().map(|model| &model.id)});
    request.record().outcome = Outcome::Served;
    send(request, client, 200, "application/json", list.to_string().into_bytes(), |_| {}).await
}

/// Where no provider counts for others: by the family's own tokenizer where that is public and loaded, else the estimate
/// that limits go by.
pub async fn count_tokens(plan: &Plan, pick: &Pick, request: &mut Request, client: &mut Client) -> Next {
    let family = pick.target.family;
    let counted = translate::text_of(plan.body.of(plan.bytes.content())).and_then(|text| text.count(family));
    if counted.is_none() && family != Family::Unknown && !meter::tokenizers_loaded() {
        request.shard.send(Up::NeedTokenizers);
    }
    let tokens = counted.unwrap_or_else(|| plan.input_tokens(&pick.target));
    request.record().outcome = Outcome::Served;
    send(request, client, 200, "application/json", format!("{{\"input_tokens\":{tokens}}}").into_bytes(), |_| {}).await
}

async fn send(
    request: &mut Request,
    client: &mut Client,
    status: u16,
    content_type: &str,
    body: Vec<u8>,
    more: impl FnOnce(&mut Vec<u8>),
) -> Next {
    let keep_alive = request.may_keep_alive();
    let mut head = request.shard.buffers.take_vec(512 + body.len());
    write_status_line(&mut head, status);
    push_field(&mut head, "content-type", content_type.as_bytes());
    let _ = write!(head, "content-length: {}\r\n", body.len());
    more(&mut head);
    push_ids(request, &mut head);
    push_target(request, &mut head);
    push_field(&mut head, "date", request.shard.clock.http_date().as_bytes());
    if !keep_alive {
        head.extend_from_slice(b"connection: close\r\n");
    }
    head.extend_from_slice(b"\r\n");
    if !request.is_head() {
        head.extend_from_slice(&body);
        request.record().response_body_bytes = body.len() as u64;
    }
    request.record().status = status;
    client.consume(std::mem::take(&mut request.in_inbox));
    if client.send(Buf::from_content(head)).await.is_err() {
        request.record().outcome = Outcome::Cancelled;
        return Next::Abort;
    }
    match (keep_alive, request.body_consumed) {
        (true, _) => Next::KeepAlive,
        (false, true) => Next::Close,
        (false, false) => Next::Linger,
    }
}

/// `x-request-id` and `traceparent`, on every answer; `request-id` where Anthropic's SDKs look for it.
pub fn push_ids(request: &mut Request, head: &mut Vec<u8>) {
    let record = request.record();
    head.extend_from_slice(b"x-request-id: ");
    push_request_id(record.id, head);
    if matches!(record.face, Face::Messages | Face::CountTokens) {
        head.extend_from_slice(b"\r\nrequest-id: ");
        push_request_id(record.id, head);
    }
    head.extend_from_slice(b"\r\ntraceparent: ");
    push_traceparent(&record.trace.trace_id, &record.trace.span_id, record.trace.flags, head);
    head.extend_from_slice(b"\r\n");
}
