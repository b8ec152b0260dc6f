//! An attempt that was made, from its begin to what became of it: what the loop of attempts, hedges, rescues and uploads
//! hand to each other.

use super::attempt::{self, InputEstimate, Outgoing};
use super::exchange::{About, Begun, Nothing};
use super::pick::Pick;
use super::request::Request;
use super::using::Using;
use crate::policy::route::judge::Failure;
use crate::telemetry::ErrorClass;

/// An attempt that has come to its answer, or to nothing.
pub struct Tried {
    /// Its place in the record.
    pub at: usize,
    pub pick: Pick,
    pub using: Using,
    pub input: InputEstimate,
    pub result: Result<Box<Begun>, Nothing>,
}

impl Tried {
    /// Opens the attempt in the record and towards routing.
    pub fn begin(pick: &Pick, out: &Outgoing, request: &mut Request) -> (Self, About) {
        // Reads the clock, by which health tells attempts apart.
        let at = attempt::begin(request, pick, out.span_id);
        let using = Using::begin(request, pick, out.input.tokens);
        let unsent = Nothing { error: ErrorClass::Internal, unsent: true };
        (Self { at, pick: pick.clone(), using, input: out.input, result: Err(unsent) }, attempt::about(request))
    }

    /// Why it is no answer.
    pub fn failure(&self, request: &Request) -> Option<Failure> {
        let begun = match &self.result {
            Err(nothing) => return Some((*nothing).into()),
            Ok(begun) => begun,
        };
        let class = begun.failure?;
        let hints = begun.facts.hints(&request.shard);
        Some(Failure {
            class,
            status: if begun.facts.head.status >= 400 { begun.facts.head.status } else { 0 },
            hint_ms: hints.wait_ms(begun.relay.said()),
            forbids_retry: hints.forbids_retry(),
            unsent: false,
        })
    }

    /// Takes its answer out of it, or why there is none.
    pub fn take(&mut self) -> Result<Box<Begun>, Nothing> {
        std::mem::replace(&mut self.result, Err(ErrorClass::Internal.into()))
    }
}
