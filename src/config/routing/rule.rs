//! One rule: of a `gateway-load-balancing-config`, or the `routing_config` of a virtual model, which has no `id` and no
//! `when` of its own.

use std::sync::Arc;

use super::candidate::{self, DAY_MS, number32, one_at_least};
use super::places::Places;
use super::{Hedge, OnStreamFailure, RoutingType, Rule, SessionIdentifier, Slo, Sticky, called, matching};
use crate::config::read::{Fields, Reader};
use crate::config::secret::is_token;
use crate::config::tree::Node;

const KEYS: [&str; 4] = ["type", "load_balance_targets", "on_stream_failure", "hedge"];
const STICKY: &str = "sticky_routing";
const SLO: [&str; 2] = ["ttft_p95_ms", "itl_p95_ms"];
/// Why a virtual model has none of these.
const NO_RULE: [(&str, &str); 2] =
    [("id", "the virtual model's name is its id"), ("when", "it is for whoever asks for the model")];

const TYPES: [(&str, RoutingType); 6] = [
    ("weight-based-routing", RoutingType::Weight),
    ("latency-based-routing", RoutingType::Latency),
    ("priority-based-routing", RoutingType::Priority),
    ("cost-based-routing", RoutingType::Cost),
    ("slo-routing", RoutingType::Slo(Slo { ttft_p95_ms: None, itl_p95_ms: None })),
    ("least-busy-routing", RoutingType::LeastBusy),
];
const ON_STREAM_FAILURE: [OnStreamFailure; 3] =
    [OnStreamFailure::Error, OnStreamFailure::Continue, OnStreamFailure::Restart];

/// `name`: that of the virtual model; `None` for a rule of a load-balancing document.
pub(super) fn read(reader: &mut Reader<'_>, places: &mut Places<'_>, node: &Node, name: Option<&str>) -> Option<Rule> {
    let what = if name.is_some() { "a virtual model's `routing_config`" } else { "a rule" };
    // The type first: it decides which other keys there may be.
    let fields = reader.open_fields(node, what)?;
    let routing_type = reader.choice(fields, "type", &TYPES);
    known_keys(reader, node, name.is_some(), what, routing_type);
    reader.need(fields, what, &["type", "load_balance_targets"]);
    let id = match name {
        Some(name) => Some(Arc::from(name)),
        None => {
            reader.need(fields, what, &["id"]);
            id(reader, fields)
        }
    };
    let when = fields.get("when").filter(|_| name.is_none());
    let when = when.and_then(|when| reader.fields(when, "when", &matching::KEYS));
    when.into_iter().for_each(|when| called::check_rule(reader, places, when));
    let when = when.map(|when| matching::read(reader, when)).unwrap_or_default();
    let candidates = candidate::list(reader, places, fields, routing_type);
    let sticky = sticky(reader, fields);
    let choices = ON_STREAM_FAILURE.map(|choice| (choice.as_str(), choice));
    let on_stream_failure = reader.choice(fields, "on_stream_failure", &choices).unwrap_or_default();
    let hedge = hedge(reader, fields);
    let routing_type = match routing_type? {
        RoutingType::Slo(_) => RoutingType::Slo(slo(reader, fields)),
        other => other,
    };
    Some(Rule { id: id?, when, routing_type, candidates, sticky, on_stream_failure, hedge })
}

/// Notes the keys that do not belong there. With an unknown type, `None`, those of all types are accepted.
fn known_keys(reader: &mut Reader<'_>, node: &Node, is_model: bool, what: &str, routing_type: Option<RoutingType>) {
    let (of_rule, no_rule): (&[_], &[_]) = if is_model { (&[], &NO_RULE) } else { (&["id", "when"], &[]) };
    let (mut keys, mut misplaced) = ([&KEYS, of_rule].concat(), no_rule.to_vec());
    let weight = routing_type.is_none_or(|one| one == RoutingType::Weight);
    let slo = routing_type.is_none_or(|one| matches!(one, RoutingType::Slo(_)));
    match weight {
        true => keys.push(STICKY),
        false => misplaced.push((STICKY, "it is for weight-based-routing")),
    }
    match slo {
        true => keys.extend(SLO),
        false => misplaced.extend(SLO.map(|key| (key, "it is for slo-routing"))),
    }
    let what = match routing_type {
        Some(one) => format!("{what} of type {}", one.as_str()),
        None => what.to_owned(),
    };
    reader.fields_but(node, &what, &keys, &misplaced);
}

/// What appears in logs, metrics and headers.
pub(super) fn id(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Arc<str>> {
    let what = "visible ASCII without spaces, at most 128 characters";
    let sound = |text: &str| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    reader.parsed(fields, "id", what, |text| sound(text).then(|| Arc::from(text)))
}

fn slo(reader: &mut Reader<'_>, fields: Fields<'_>) -> Slo {
    one_at_least(reader, fields, "a rule of type slo-routing", &SLO);
    let [ttft_p95_ms, itl_p95_ms] = SLO.map(|key| number32(reader, fields, key, 1..=DAY_MS as u32));
    Slo { ttft_p95_ms, itl_p95_ms }
}

fn sticky(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Sticky> {
    let keys = ["ttl_seconds", "session_identifiers"];
    let sticky = reader.map(fields, STICKY, &keys)?;
    reader.need(sticky, STICKY, &keys);
    let ttl_s = reader.number(sticky, "ttl_seconds", 1..=366 * DAY_MS / 1000).unwrap_or(1);
    let items = reader.list(sticky, "session_identifiers");
    if sticky.get("session_identifiers").and_then(Node::items).is_some_and(<[_]>::is_empty) {
        reader.fault(sticky.line_of("session_identifiers"), "`session_identifiers`: expected at least one");
    }
    let mut identifiers = Vec::new();
    for item in items {
        let Some(identifier) = identifier(reader, item) else { continue };
        match identifiers.contains(&identifier) {
            true => reader.fault(item.line, "`session_identifiers`: the same one is given twice"),
            false => identifiers.push(identifier),
        }
    }
    Some(Sticky { ttl_s, identifiers })
}

fn identifier(reader: &mut Reader<'_>, node: &Node) -> Option<SessionIdentifier> {
    let what = "a session identifier";
    let fields = reader.fields(node, what, &["source", "key"])?;
    reader.need(fields, what, &["source", "key"]);
    let is_header = reader.choice(fields, "source", &[("headers", true), ("metadata", false)])?;
    if !is_header {
        return reader.text(fields, "key").map(|key| SessionIdentifier::Metadata(key.to_owned()));
    }
    let header = |text: &str| is_token(text).then(|| SessionIdentifier::Header(text.to_ascii_lowercase()));
    reader.parsed(fields, "key", "a header name (RFC 9110 5.1)", header)
}

fn hedge(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Hedge> {
    let hedge = reader.map(fields, "hedge", &["after", "after_ms"])?;
    match (hedge.get("after"), hedge.get("after_ms")) {
        (Some(_), None) => reader.choice(hedge, "after", &[("p95", Hedge::AfterP95)]),
        (None, Some(_)) => reader.number(hedge, "after_ms", 1..=DAY_MS).map(Hedge::AfterMs),
        _ => {
            reader.fault(hedge.line, "`hedge` has either `after: p95` or `after_ms`");
            None
        }
    }
}
