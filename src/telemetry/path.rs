//! The way a request took from target to target, read off its attempts: one reading for metrics, spans and rows, so that
//! they never disagree. Called for requests with more than one attempt; the others have no way to speak of.
//!
//! The attempts of a record lie in the order in which they began, but for the last, which is the delivered one.

use super::{Attempt, AttemptReason, Diverted, ErrorClass, PassedOver, Record, Route, Target, verdict};

/// What made one attempt follow another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepKind {
    Retry,
    Fallback,
    Hedge,
    Continue,
    Restart,
}

/// One attempt that was made because of another one.
#[derive(Clone, Copy, Debug)]
pub struct Step<'r> {
    pub kind: StepKind,
    /// The one that failed, or was late.
    pub from: &'r Attempt,
    pub to: &'r Attempt,
    /// The rule that named the target of `to`, of the fallback configuration or of the routing; empty without one.
    pub rule: &'r str,
    /// `to` is the attempt that was delivered.
    pub is_last: bool,
}

impl Step<'_> {
    /// Another target took over what one had failed at.
    pub fn is_move(&self) -> bool {
        self.to.target.fqn != self.from.target.fqn && !matches!(self.kind, StepKind::Retry | StepKind::Hedge)
    }

    /// Why the attempt before could not stay the last; empty for a hedge, before which nothing had failed.
    pub fn error(&self) -> Option<ErrorClass> {
        verdict::attempt_error(self.from).filter(|_| self.kind != StepKind::Hedge)
    }

    /// Of a stream that had broken off.
    pub fn is_rescue(&self) -> bool {
        matches!(self.kind, StepKind::Continue | StepKind::Restart)
    }
}

/// How a request was saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rescue {
    Retry,
    Fallback,
    Hedge,
    Stream,
}

impl Rescue {
    pub fn as_str(self) -> &'static str {
        match self {
            Rescue::Retry => "retry",
            Rescue::Fallback => "fallback",
            Rescue::Hedge => "hedge",
            Rescue::Stream => "stream",
        }
    }
}

/// The attempt that began first.
pub fn first(record: &Record) -> Option<&Attempt> {
    record.attempts.iter().min_by_key(|attempt| attempt.start_ns)
}

/// What the routing's rule chose first.
pub struct Choice<'r> {
    pub route: &'r Route,
    pub target: &'r Target,
    pub reason: AttemptReason,
    pub passed_over: Option<PassedOver>,
}

pub fn choice(record: &Record) -> Option<Choice<'_>> {
    let (route, first) = (record.routing.as_ref()?, first(record)?);
    Some(match &record.diverted {
        Some(Diverted { from, reason, .. }) => Choice { route, target: from, reason: *reason, passed_over: None },
        None => Choice { route, target: &first.target, reason: first.reason, passed_over: first.passed_over },
    })
}

/// The move that was made before anything was tried, from a target that could not be used.
pub struct FirstMove<'r> {
    pub rule: &'r str,
    pub from: &'r Target,
    pub to: &'r Attempt,
    pub why: ErrorClass,
}

pub fn first_move(record: &Record) -> Option<FirstMove<'_>> {
    let Diverted { from, why, .. } = record.diverted.as_ref()?;
    Some(FirstMove { rule: record.fallback_rule.as_deref()?, from, to: first(record)?, why: *why })
}

/// The routing's rule; empty where the name was a target's own.
pub fn rule(record: &Record) -> &str {
    record.routing.as_ref().map_or("", |route| &route.rule)
}

/// The rule that named the target of an attempt; empty where none did.
fn rule_of<'r>(record: &'r Record, attempt: &Attempt) -> &'r str {
    if attempt.by_fallback_rule { record.fallback_rule.as_deref().unwrap_or("") } else { rule(record) }
}

/// Every step, in the order of the attempts. A reuse race is none: the connection was spent, not the target.
pub fn steps(record: &Record) -> impl Iterator<Item = Step<'_>> {
    let attempts = &record.attempts;
    let last = attempts.len().saturating_sub(1);
    attempts.iter().enumerate().filter_map(move |(at, to)| {
        let kind = kind_of(to.reason)?;
        let from = before(attempts, at, kind)?;
        Some(Step { kind, from, to, rule: rule_of(record, to), is_last: at == last })
    })
}

fn kind_of(reason: AttemptReason) -> Option<StepKind> {
    match reason {
        AttemptReason::Retry => Some(StepKind::Retry),
        AttemptReason::Fallback => Some(StepKind::Fallback),
        AttemptReason::Hedge => Some(StepKind::Hedge),
        AttemptReason::Continue => Some(StepKind::Continue),
        AttemptReason::Restart => Some(StepKind::Restart),
        _ => None,
    }
}

/// The attempt because of which attempt `at` was made: the one that began last before it, for a retry on the same
/// target; where something had failed, what failed last.
fn before(attempts: &[Attempt], at: usize, kind: StepKind) -> Option<&Attempt> {
    let to = attempts.get(at)?;
    let earlier = attempts.iter().enumerate().filter(|&(other, attempt)| {
        other != at
            && (attempt.start_ns, other) < (to.start_ns, at)
            && (kind != StepKind::Retry || attempt.target.fqn == to.target.fqn)
    });
    let latest = earlier.max_by_key(|&(other, attempt)| match kind {
        StepKind::Hedge | StepKind::Retry => (true, attempt.start_ns, other),
        _ => (verdict::attempt_error(attempt).is_some(), attempt.end_ns, other),
    });
    latest.map(|(_, attempt)| attempt)
}

/// What saved the request: it was served though an attempt at it had failed.
pub fn rescue(record: &Record) -> Option<Rescue> {
    if !verdict::succeeded(record) {
        return None;
    }
    let (last, earlier) = record.attempts.split_last()?;
    let reason = match last.reason {
        // Why its target was asked is with the attempt that it repeats.
        AttemptReason::ReuseRace => {
            let same = |attempt: &&Attempt| {
                attempt.target.fqn == last.target.fqn && attempt.reason != AttemptReason::ReuseRace
            };
            earlier.iter().filter(same).max_by_key(|attempt| attempt.start_ns)?.reason
        }
        reason => reason,
    };
    match reason {
        AttemptReason::Retry => Some(Rescue::Retry),
        // Alone, it only began elsewhere: nothing had failed.
        AttemptReason::Fallback => (!earlier.is_empty()).then_some(Rescue::Fallback),
        AttemptReason::Continue | AttemptReason::Restart => Some(Rescue::Stream),
        // It saved the request only where the one that was late failed in the end.
        AttemptReason::Hedge => earlier.iter().any(|attempt| has_failed(record, attempt)).then_some(Rescue::Hedge),
        _ => None,
    }
}

/// Whether the target failed, rather than a connection that was no longer good.
fn has_failed(record: &Record, attempt: &Attempt) -> bool {
    let repeats = |other: &Attempt| {
        other.reason == AttemptReason::ReuseRace
            && other.target.fqn == attempt.target.fqn
            && other.start_ns >= attempt.end_ns
    };
    verdict::attempt_error(attempt).is_some() && !record.attempts.iter().any(repeats)
}

/// What being saved took: from when the first attempt began until the one that served did; of a stream, since it had
/// broken off. Nanoseconds.
pub fn added_ns(record: &Record) -> u64 {
    let broke_off = steps(record).filter(Step::is_rescue).map(|step| step.from.end_ns).min();
    let since = broke_off.or_else(|| first(record).map(|attempt| attempt.start_ns)).unwrap_or(0);
    record.attempts.last().map_or(0, |last| last.start_ns.saturating_sub(since))
}

#[cfg(test)]
mod tests {
    use super::StepKind::{Continue, Fallback, Hedge, Restart, Retry};
    use super::*;
    use crate::telemetry::{Outcome, fixture};

    type Shown<'r> = (StepKind, &'r str, &'r str, &'r str, Option<ErrorClass>);

    fn shown(record: &Record) -> Vec<Shown<'_>> {
        fn show(step: Step<'_>) -> Shown<'_> {
            (step.kind, &step.from.target.account, &step.to.target.account, step.rule, step.error())
        }
        steps(record).map(show).collect()
    }

    #[test]
    fn every_step_names_what_failed_and_which_rule_went_on() {
        let limited = Some(ErrorClass::RateLimited);
        let fallback = fixture::fallback();
        assert_eq!(
            shown(&fallback),
            [
                (Retry, "openai-main", "openai-main", "chat", limited),
                (Fallback, "openai-main", "claude", "last-resort", Some(ErrorClass::Overloaded)),
            ]
        );
        assert_eq!(steps(&fallback).map(|step| step.is_move()).collect::<Vec<_>>(), [false, true]);
        assert_eq!(shown(&fixture::hedged()), [(Hedge, "slow", "fast", "split", None)]);
        assert_eq!(
            shown(&fixture::rescued()),
            [
                (Continue, "openai-main", "claude", "fast", Some(ErrorClass::Truncated)),
                (Restart, "claude", "mistral", "fast", Some(ErrorClass::BadRequest)),
            ]
        );
        assert!(shown(&fixture::stream()).is_empty() && shown(&fixture::refused()).is_empty());
        assert!(shown(&fixture::failed_attempts()).is_empty(), "a spent connection is no step");
    }

    #[test]
    fn a_step_is_of_the_rule_that_named_its_target() {
        let rules = |record: &Record| steps(record).map(|step| step.rule.to_owned()).collect::<Vec<_>>();
        let alone = Record { routing: None, ..fixture::fallback() };
        assert_eq!(rules(&alone), ["", "last-resort"], "no rule made the caller's own target be asked again");
        assert_eq!(rules(&Record { fallback_rule: None, ..alone }), ["", ""]);
        assert_eq!(rules(&fixture::twice_moved()), ["chat", "last-resort", "last-resort", "last-resort"]);
    }

    #[test]
    fn a_request_is_rescued_where_it_was_served_after_a_failure() {
        assert_eq!(rescue(&fixture::fallback()), Some(Rescue::Fallback));
        assert_eq!(rescue(&fixture::rescued()), Some(Rescue::Stream));
        let whole = [fixture::stream(), fixture::refused(), fixture::failed_attempts()];
        for whole in whole.into_iter().chain([fixture::hedged(), fixture::diverted()]) {
            assert_eq!(rescue(&whole), None, "{:?}", whole.outcome);
        }
        assert_eq!(rescue(&Record { outcome: Outcome::Truncated, ..fixture::rescued() }), None);
        assert_eq!(rescue(&Record { status: 503, ..fixture::fallback() }), None);
        let mut retried = fixture::fallback();
        retried.attempts.remove(2);
        retried.attempts[1].error = None;
        retried.attempts[1].status = 200;
        assert_eq!(rescue(&retried), Some(Rescue::Retry));
    }

    #[test]
    fn a_hedge_rescues_only_where_the_late_one_failed() {
        let mut record = fixture::hedged();
        record.attempts[0].error = Some(ErrorClass::Disconnected);
        assert_eq!(rescue(&record), Some(Rescue::Hedge));
        // The late one came in first after all: it is the last of the list.
        let mut record = fixture::hedged();
        record.attempts.swap(0, 1);
        record.attempts[0].error = Some(ErrorClass::HedgeLost);
        record.attempts[1].error = None;
        assert_eq!((rescue(&record), first(&record).map(|first| &*first.target.account)), (None, Some("slow")));
        assert_eq!(shown(&record), [(Hedge, "slow", "fast", "split", None)]);
        assert!(steps(&record).all(|step| !step.is_last));
    }

    #[test]
    fn a_spent_connection_changes_neither_how_nor_whether() {
        let mut record = fixture::fallback();
        let mut spent = record.attempts[2].clone();
        (spent.error, spent.status, spent.end_ns) = (Some(ErrorClass::Disconnected), 0, spent.start_ns + 10);
        record.attempts[2].start_ns += 20;
        record.attempts[2].reason = AttemptReason::ReuseRace;
        record.attempts.insert(2, spent);
        assert_eq!(rescue(&record), Some(Rescue::Fallback));
        assert_eq!(steps(&record).count(), 2);
    }

    #[test]
    fn what_a_rescue_took_counts_from_the_first_attempt_or_from_the_break() {
        assert_eq!(added_ns(&fixture::fallback()), 150_000_000);
        assert_eq!(added_ns(&fixture::rescued()), 21_000_000);
        assert_eq!(added_ns(&fixture::stream()), 0);
    }
}
