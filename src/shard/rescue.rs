//! Carries on a stream that broke off after some of it reached the client (`on_stream_failure`): another target goes on
//! from what was delivered, or says it again first. What the client gets next is the true rest of one answer, or nothing:
//! then the stream ends with an error event, which is the caller's to write.

use std::pin::pin;

use super::attempt::{self, Outgoing};
use super::client::Client;
use super::exchange::{self, Begun, Nothing, Seen};
use super::pick::Pick;
use super::plan::Plan;
use super::reader::End;
use super::relay;
use super::request::Request;
use super::respond;
use super::settle;
use super::translate::{self, Back};
use super::tried::Tried;
use super::using::Using;
use crate::config::{OnStreamFailure, OnUnsupported};
use crate::dialect::common::Lost;
use crate::dialect::{Resume, To, Translation};
use crate::policy::route::judge::{Failure, Then};
use crate::telemetry::{AttemptReason, ErrorClass};

/// A stream to be carried on, and what takes its place.
pub struct Rescue<'a> {
    pub begun: &'a mut Box<Begun>,
    pub using: &'a mut Using,
    pub pick: &'a mut Pick,
    pub plan: &'a mut Plan,
}

/// One attempt at it.
struct Attempted {
    tried: Tried,
    /// Unless it is in the answer.
    translation: Option<Box<Translation>>,
}

impl Rescue<'_> {
    /// True when the stream goes on, with what can be sent of it waiting. The error is the client's.
    pub async fn run(mut self, request: &mut Request, client: &mut Client) -> Result<bool, ErrorClass> {
        let Some(End::Broken(error)) = self.begun.relay.end else { return Ok(false) };
        let Some(how) = self.plan.rescues(request) else { return Ok(false) };
        let Some(mut translation) = self.begun.relay.reader.take_translation() else { return Ok(false) };
        let mut failed = Failure { class: error, status: 0, hint_ms: None, forbids_retry: false, unsent: false };
        let mut is_closed = false;
        while translation.rescuable() {
            let Some(next) = self.plan.next(Then::Next, &failed, self.pick, request) else { break };
            if !is_closed {
                self.close(error, request);
                is_closed = true;
            }
            *self.pick = next;
            let ways = match how {
                OnStreamFailure::Continue => &[Resume::Continue, Resume::Restart][..],
                _ => &[Resume::Restart],
            };
            for &way in ways {
                let Some(out) = self.prepare(way, &mut translation, request).await else { continue };
                let attempted = self.attempt(way, out, translation, request, client).await?;
                let Attempted { mut tried, translation: kept } = attempted;
                let Some(failure) = tried.failure(request) else {
                    self.replace(tried, request);
                    return Ok(true);
                };
                // It has failed, but behind something new, which counts as given: the client gets that, and the rest is the
                // next one's to carry on.
                if tried.result.as_ref().is_ok_and(|begun| begun.facts.streams() && begun.relay.waiting.is_some()) {
                    self.replace(tried, request);
                    return Ok(true);
                }
                if failure.class != ErrorClass::Diverged {
                    let hint_ms = failure.hint_ms;
                    tried.using.ended(request, Some(failure.class), failure.status, hint_ms, Default::default());
                }
                let held = tried.result.as_mut().ok().and_then(|begun| begun.relay.reader.take_translation());
                relay::close(&mut tried, failure.class, request);
                let Some(back) = kept.or(held) else { return Ok(false) };
                translation = back;
                failed = failure;
                // A target that does not go on from a text may still be asked the whole of it.
                if way == Resume::Continue && !refuses(failure.class) {
                    break;
                }
            }
        }
        self.begun.relay.reader.back = Some(Back::Chat(translation));
        Ok(false)
    }

    /// Ends the attempt that broke off. What it delivered is billed.
    fn close(&mut self, error: ErrorClass, request: &mut Request) {
        let Begun { relay, facts, .. } = &mut **self.begun;
        attempt::end(request, Some(error));
        let at = request.record().attempts.len().saturating_sub(1);
        let mut reading = std::mem::take(&mut relay.reader.reading);
        let usage = settle::undelivered(request, at, &mut reading, facts);
        relay.reader.prior = Some(Box::new(relay.reader.prior().plus(&usage)));
        self.using.ended(request, Some(error), facts.head.status, None, usage);
    }

    async fn prepare(&self, way: Resume, translation: &mut Translation, request: &mut Request) -> Option<Outgoing> {
        let out = match way {
            Resume::Restart => attempt::prepare(self.plan, self.pick, request).await,
            Resume::Continue => {
                let body = self.body(translation, request)?;
                attempt::prepare_made(self.plan, self.pick, body, request).await
            }
        };
        out.ok()
    }

    /// The client's body with what was delivered behind it, where the target's model goes on from that.
    fn body(&self, translation: &mut Translation, request: &mut Request) -> Option<Vec<u8>> {
        let snapshot = request.snapshot.clone();
        let account = snapshot.accounts.get(self.pick.account)?;
        let face = request.record().face;
        let params = self.pick.change(&snapshot).map_or(&[][..], |change| &change.params);
        let content = self.plan.body.of(self.plan.bytes.content());
        let asked = translate::asked(content, params).ok()?;
        let to = To { kind: account.kind, model: &self.pick.target.model_id };
        let wire = self.pick.wire(face);
        let mut lost = Lost::new(face);
        let body = translation.continue_body(&asked, wire, &to, &mut lost)?;
        let is_whole = lost.fields().is_empty() || account.on_unsupported == OnUnsupported::Drop;
        serde_json::to_vec(&body).ok().filter(|_| is_whole)
    }

    async fn attempt(
        &self,
        way: Resume,
        mut out: Outgoing,
        mut translation: Box<Translation>,
        request: &mut Request,
        client: &mut Client,
    ) -> Result<Attempted, ErrorClass> {
        let reason = if way == Resume::Continue { AttemptReason::Continue } else { AttemptReason::Restart };
        let pick = self.pick.clone().because(reason);
        translation.resume(pick.wire(request.record().face), &pick.target.model_id, way);
        if let Some(coming) = &mut out.coming {
            coming.back = Some(Back::Chat(translation));
            coming.hide_usage = false;
            coming.prior = self.begun.relay.reader.prior.clone();
        }
        let (mut tried, about) = Tried::begin(&pick, &out, request);
        let mut seen = Seen::default();
        let result = {
            let running = pin!(exchange::run(about, client.deadline.clone(), &mut out, &mut seen));
            client.or_gone(running).await
        };
        attempt::saw(request, tried.at, seen);
        let result = result.ok_or(ErrorClass::ClientGone)?;
        tried.result = result.and_then(|begun| match begun.facts.streams() || begun.failure.is_some() {
            true => Ok(begun),
            // The client's stream cannot go on with a body that is none.
            false => Err(Nothing::from(ErrorClass::Protocol)),
        });
        let kept = out.coming.and_then(|coming| coming.back);
        let translation = match kept {
            Some(Back::Chat(translation)) => Some(translation),
            _ => None,
        };
        Ok(Attempted { tried, translation })
    }

    /// The client's stream goes on with this answer. Its head has named another target, so the trailers name this one.
    fn replace(self, tried: Tried, request: &mut Request) {
        let Tried { using, result: Ok(begun), pick, .. } = tried else { return };
        let before = std::mem::replace(self.begun, begun);
        self.begun.facts.commit(&before.relay.about.shard, using.is_heard());
        let after = &mut self.begun.relay;
        after.framing = before.relay.framing;
        after.trailers = respond::trailers(request, self.plan.bytes.content());
        after.progress.after(&before.relay.progress);
        let is_broken = after.is_broken();
        *self.using = using;
        if !is_broken {
            self.using.answers();
        }
        *self.pick = pick;
        before.relay.upstream.stream.shutdown();
    }
}

/// The request itself is what the target would not take.
fn refuses(error: ErrorClass) -> bool {
    matches!(error, ErrorClass::BadRequest | ErrorClass::Diverged | ErrorClass::NotFound)
}
