//! What routing decided, as events of the SERVER span: which target and why, and each time it went on, with the time.

use super::field;
use crate::control::export::otlp::proto::{self, Attributes};
use crate::telemetry::path::{self, Choice, FirstMove, Step, StepKind};
use crate::telemetry::{ErrorClass, PassedOver, Record};

/// Fields of Span.Event.
const TIME: u32 = 1;
const NAME: u32 = 2;
const ATTRIBUTES: u32 = 3;

/// Nothing for a request that went where its name says, at the first attempt.
pub fn write(record: &Record, out: &mut Vec<u8>) {
    if let (Some(Choice { route, target, reason, passed_over }), Some(first)) =
        (path::choice(record), path::first(record))
    {
        event(record, first.start_ns, "sluice.route", out, |attributes| {
            attributes.text("sluice.route.rule", &route.rule);
            attributes.text("sluice.route.type", route.routing_type);
            attributes.text("sluice.target", &target.fqn);
            attributes.text("sluice.reason", reason.as_str());
            passed(passed_over, attributes);
        });
    }
    if let Some(FirstMove { rule, from, to, why }) = path::first_move(record) {
        event(record, to.start_ns, "sluice.fallback", out, |attributes| {
            attributes.text("sluice.route.rule", rule);
            attributes.text("sluice.from", &from.fqn);
            attributes.text("sluice.target", &to.target.fqn);
            attributes.text("sluice.reason", why.as_str());
            passed(to.passed_over, attributes);
        });
    }
    if record.attempts.len() > 1 {
        path::steps(record).for_each(|step| step_event(record, step, out));
    }
}

fn step_event(record: &Record, step: Step<'_>, out: &mut Vec<u8>) {
    let name = match step.kind {
        StepKind::Retry => "sluice.retry",
        StepKind::Fallback => "sluice.fallback",
        StepKind::Hedge => "sluice.hedge",
        StepKind::Continue | StepKind::Restart => "sluice.rescue",
    };
    event(record, step.to.start_ns, name, out, |attributes| {
        attributes.text("sluice.route.rule", step.rule);
        if step.kind != StepKind::Retry {
            attributes.text("sluice.from", &step.from.target.fqn);
        }
        attributes.text("sluice.target", &step.to.target.fqn);
        // What came before is the reason; how a stream is to be finished is said beside it.
        attributes.text("sluice.reason", step.error().map_or("", ErrorClass::as_str));
        if step.is_rescue() {
            attributes.text("sluice.rescue.how", step.to.reason.as_str());
        }
        if step.to.waited_ns > 0 {
            attributes.float("sluice.waited_ms", step.to.waited_ns as f64 / 1e6);
        }
        passed(step.to.passed_over, attributes);
    });
}

fn passed(over: Option<PassedOver>, attributes: &mut Attributes<'_>) {
    if let Some(PassedOver { count, why }) = over {
        attributes.int("sluice.passed_over", count.into());
        attributes.text("sluice.passed_over_why", why.as_str());
    }
}

fn event(record: &Record, at_ns: u64, name: &str, out: &mut Vec<u8>, fill: impl FnOnce(&mut Attributes<'_>)) {
    proto::message(out, field::EVENTS, |out| {
        proto::fixed64(out, TIME, record.start_unix_ns.saturating_add(at_ns));
        proto::bytes(out, NAME, name.as_bytes());
        fill(&mut Attributes { out, field: ATTRIBUTES });
    });
}
