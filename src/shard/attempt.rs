//! What one attempt sends to one target, its entry in the record, and what the client is told when nothing came of it.

use std::sync::Arc;

use super::exchange::{About, Coming, Nothing, Seen};
use super::head::{Call, write_head};
use super::pick::{From, Pick};
use super::plan::Plan;
use super::proof;
use super::request::{Refusal, Request, Stop};
use super::translate::{self, Back};
use crate::config::{Account, Change, Snapshot};
use crate::dialect::Translation;
use crate::json;
use crate::meter::{self, Usage};
use crate::policy::spoken::Spoken;
use crate::runtime::Buf;
use crate::telemetry::{Attempt, AttemptReason, ErrorClass, Face, Outcome, Target};

/// A request on its way to a target.
pub struct Outgoing {
    /// Index into the snapshot's accounts.
    pub account: usize,
    /// Head and body, until they are sent.
    pub bytes: Option<Buf>,
    pub span_id: [u8; 8],
    pub waits: Waits,
    pub input: InputEstimate,
    /// Until an answer comes.
    pub coming: Option<Coming>,
}

/// How long an attempt may take.
#[derive(Clone, Copy)]
pub struct Waits {
    pub first_token_ms: Option<u64>,
    pub total_ms: u64,
}

/// Tokens that the request probably has.
#[derive(Clone, Copy, Default)]
pub struct InputEstimate {
    /// By bytes alone.
    pub base: u64,
    pub tokens: u64,
    pub has_tools: bool,
}

/// By bytes, corrected by what this target's provider reported before.
pub fn estimate(scan: &json::RequestScan, target: &Target) -> InputEstimate {
    let has_tools = scan.has_tools;
    let base = meter::estimate(scan);
    InputEstimate { base, tokens: target.learned.correct(base, has_tools), has_tools }
}

/// What goes out behind the head.
#[derive(Default)]
struct Body {
    /// To the client's own.
    edits: Vec<json::Edit>,
    /// In place of it, where it was translated.
    made: Option<Vec<u8>>,
    back: Option<Back>,
    hide_usage: bool,
}

pub fn about(request: &mut Request) -> About {
    let (face, stream) = (request.record().face, request.record().stream);
    About {
        shard: request.shard.clone(),
        snapshot: request.snapshot.clone(),
        start_ns: request.start_ns,
        face,
        method: request.head.method,
        stream,
    }
}

/// Makes what is sent to the target of `pick`. A refusal says why this target cannot be asked this.
pub async fn prepare(plan: &Plan, pick: &Pick, request: &mut Request) -> Result<Outgoing, Refusal> {
    let snapshot = request.snapshot.clone();
    let account = account_of(pick, &snapshot)?;
    let (received, content) = (plan.bytes.content(), plan.body.of(plan.bytes.content()));
    let change = pick.change(&snapshot);
    let body = match pick.spoken {
        Spoken::Translated(wire) => {
            let asked = translate::asked(content, change.map_or(&[], |change| &change.params))?;
            let translate::Outgoing { body, back } =
                translate::outgoing(request, received, account, &pick.target, wire, asked)?;
            Body { made: Some(body), back: Some(back), ..Body::default() }
        }
        _ => same(request.record().face, account, &pick.target, &plan.scan, content, change),
    };
    assemble(plan, pick, body, request).await
}

/// The same with a body that was made already.
pub async fn prepare_made(plan: &Plan, pick: &Pick, body: Vec<u8>, request: &mut Request) -> Result<Outgoing, Refusal> {
    assemble(plan, pick, Body { made: Some(body), ..Body::default() }, request).await
}

/// A target that cannot be asked this is passed over: `pick` is the one that can.
pub async fn prepared(plan: &mut Plan, pick: &mut Pick, request: &mut Request) -> Result<Outgoing, Refusal> {
    let mut first: Option<Refusal> = None;
    loop {
        match prepare(plan, pick, request).await {
            Ok(mut out) => {
                track(plan, pick, &mut out, request);
                return Ok(out);
            }
            Err(refusal) => {
                let said = first.take().unwrap_or(refusal);
                let Some(next) = plan.instead(request) else { return Err(said) };
                first = Some(said);
                *pick = next.because(pick.reason);
            }
        }
    }
}

/// Has the answer remembered, where another target may have to carry it on.
pub fn track(plan: &Plan, pick: &Pick, out: &mut Outgoing, request: &mut Request) {
    if plan.rescues(request).is_none() {
        return;
    }
    let Some(coming) = &mut out.coming else { return };
    let received = plan.bytes.content();
    match &mut coming.back {
        Some(back) => back.stream().into_iter().for_each(Translation::track),
        None => coming.track = translate::followed(request, received, &pick.target, plan.body.of(received)),
    }
}

pub fn account_of<'a>(pick: &Pick, snapshot: &'a Snapshot) -> Result<&'a Account, Refusal> {
    let gone = || Refusal::failed(500, "internal", "The account is gone from the configuration.");
    snapshot.accounts.get(pick.account).ok_or_else(gone)
}

/// Puts head and body together.
async fn assemble(plan: &Plan, pick: &Pick, mut body: Body, request: &mut Request) -> Result<Outgoing, Refusal> {
    let snapshot = request.snapshot.clone();
    let account = account_of(pick, &snapshot)?;
    let (received, content) = (plan.bytes.content(), plan.body.of(plan.bytes.content()));
    let (stream, target) = (request.record().stream, &pick.target);
    let wire = pick.wire(request.record().face);
    let body_len = match &body.made {
        Some(made) => made.len(),
        None => body.edits.iter().fold(content.len(), |len, edit| len + edit.with.len() - edit.span.len()),
    };
    let proof = proof::prove(request, account, wire, target, body.made.as_deref()).await?;
    let span_id = request.shard.random_bytes();
    let mut out = request.shard.buffers.take_vec(request.head.head_bytes + body_len + 512);
    let call = Call {
        account,
        target,
        spoken: pick.spoken,
        stream,
        span_id,
        body_len: Some(body_len as u64),
        proof: &proof,
        change: pick.change(&snapshot),
    };
    write_head(request, received, &call, &mut out);
    match (&body.made, body.edits.is_empty()) {
        (Some(made), _) => out.extend_from_slice(made),
        (None, true) => out.extend_from_slice(content),
        (None, false) => json::apply_edits(content, &mut body.edits, &mut out),
    }
    let mut held = request.shard.memory.hold();
    held.set(out.capacity());
    let input = estimate(&plan.scan, target);
    let coming = Coming {
        target: target.clone(),
        api: account.api,
        wire,
        back: body.back,
        hide_usage: body.hide_usage,
        input,
        held,
        track: None,
        prior: None,
    };
    let waits = plan.waits(pick, &snapshot);
    let bytes = Some(Buf::from_content(out));
    Ok(Outgoing { account: pick.account, bytes, span_id, waits, input, coming: Some(coming) })
}

/// The client's own body, with the few places that change.
fn same(
    face: Face,
    account: &Account,
    target: &Target,
    scan: &json::RequestScan,
    content: &[u8],
    change: Option<&Change>,
) -> Body {
    let params = change.map_or(&[][..], |change| &change.params);
    let mut edits = if params.is_empty() { Vec::new() } else { json::edit_members(scan, content, params) };
    let named = face != Face::Gemini;
    if named && scan.model.as_ref().is_some_and(|model| *model.decode(content) != *target.model_id) {
        edits.push(json::edit_model(scan, &target.model_id));
    }
    let may_ask = account.ask_usage && matches!(face, Face::ChatCompletions | Face::Completions);
    let set = params.iter().any(|(name, _)| name == "stream_options");
    let hide_usage = may_ask && !set && scan.stream && scan.include_usage != Some(true);
    if hide_usage {
        edits.extend(json::edit_include_usage(scan, content));
    }
    Body { edits, hide_usage, ..Body::default() }
}

/// Opens the attempt's entry in the record; its place there.
pub fn begin(request: &mut Request, pick: &Pick, span_id: [u8; 8]) -> usize {
    let start_ns = request.elapsed_ns();
    let record = request.record();
    if record.attempts.is_empty() {
        record.admit_ns = start_ns;
        // Most requests have one.
        record.attempts.reserve_exact(1);
    }
    record.attempts.push(Attempt {
        target: pick.target.clone(),
        reason: pick.reason,
        by_fallback_rule: matches!(pick.from, From::Fallback(..)),
        passed_over: pick.passed_over,
        waited_ns: pick.waited_ms * 1_000_000,
        span_id,
        start_ns,
        first_byte_ns: None,
        end_ns: 0,
        status: 0,
        error: None,
        reused: false,
        usage: Usage::default(),
        cost_pico_usd: None,
        cost_source: None,
    });
    record.attempts.len() - 1
}

/// What was seen of it, up to where its answer begins.
pub fn saw(request: &mut Request, at: usize, seen: Seen) {
    let Some(attempt) = request.record().attempts.get_mut(at) else { return };
    attempt.first_byte_ns = seen.first_byte_ns;
    attempt.status = seen.status;
    attempt.reused = seen.reused;
    if seen.raced && attempt.reason == AttemptReason::Direct {
        attempt.reason = AttemptReason::ReuseRace;
    }
}

/// Closes the last one. The error that came first is the one that counts.
pub fn end(request: &mut Request, error: Option<ErrorClass>) {
    let at = request.record().attempts.len().saturating_sub(1);
    end_at(request, at, error);
}

pub fn end_at(request: &mut Request, at: usize, error: Option<ErrorClass>) {
    let now_ns = request.elapsed_ns();
    if let Some(attempt) = request.record().attempts.get_mut(at) {
        attempt.end_ns = now_ns;
        attempt.error = attempt.error.or(error);
    }
}

/// The client left while attempts were under way.
pub fn gone(request: &mut Request) -> Stop {
    for at in 0..request.record().attempts.len() {
        if request.record().attempts.get(at).is_some_and(|attempt| attempt.end_ns == 0) {
            end_at(request, at, Some(ErrorClass::ClientGone));
        }
    }
    Stop::Silent(Outcome::Cancelled)
}

/// What the client gets when the last attempt brought nothing.
pub fn fail(request: &mut Request, nothing: Nothing) -> Stop {
    end(request, Some(nothing.error));
    let target: Option<Arc<Target>> = request.record().attempts.last().map(|attempt| attempt.target.clone());
    let account = target.map(|target| target.account.clone()).unwrap_or_default();
    let (status, code, what) = match nothing.error {
        ErrorClass::ClientGone | ErrorClass::ClientStalled => return Stop::Silent(Outcome::Cancelled),
        ErrorClass::Internal => {
            let message = "The gateway has as many connections to providers as it may. Try again shortly.";
            return Refusal::failed(503, "overloaded", message).retry_after(1).into();
        }
        ErrorClass::Resolve => (502, "upstream_unresolved", "its host name does not resolve"),
        ErrorClass::Connect => (502, "upstream_unreachable", "it refuses connections"),
        ErrorClass::ConnectTimeout => (504, "upstream_connect_timeout", "it did not accept a connection in time"),
        ErrorClass::Tls => (502, "upstream_tls", "the TLS handshake with it failed"),
        ErrorClass::FirstByteTimeout => (504, "upstream_timeout", "it did not begin to answer in time"),
        ErrorClass::TotalTimeout => (504, "upstream_timeout", "it did not answer in time"),
        ErrorClass::IdleTimeout => (504, "upstream_stalled", "it stopped in the middle of its answer"),
        ErrorClass::Protocol => (502, "upstream_protocol", "its answer is not valid"),
        ErrorClass::Truncated => (502, "upstream_truncated", "its answer broke off before its end"),
        ErrorClass::Auth => (502, "upstream_auth", "it refused this gateway's own credentials"),
        _ => (502, "upstream_disconnected", "it closed the connection before answering"),
    };
    Refusal::failed(status, code, format!("The provider account `{account}` brought no answer: {what}.")).into()
}
