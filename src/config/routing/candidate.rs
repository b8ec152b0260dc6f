//! One entry of `load_balance_targets`, or of a fallback rule's `fallback_models`.

use super::places::{Place, Places};
use super::{CANDIDATES_MAX, Candidate, Codes, Retry, RoutingType, SlaCutoff, change, codes};
use crate::config::account::owned_headers;
use crate::config::identity;
use crate::config::read::{Fields, Reader};
use crate::config::snapshot::Api;
use crate::config::tree::Node;

pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A wait is never longer than this (policy/route/backoff.rs).
const DELAY_MS_MAX: u64 = 10_000;

const KEYS: [&str; 9] = [
    "target",
    "retry_config",
    "fallback_status_codes",
    "fallback_candidate",
    "override_params",
    "headers_override",
    "timeout_ms",
    "ttft_timeout_ms",
    "metadata_match",
];

/// Keys of some types only, and what to say where they stand elsewhere.
const WEIGHT: (&str, &str) = ("weight", "it is for weight-based-routing");
const PRIORITY: (&str, &str) = ("priority", "it is for priority-based-routing");
const SLA: (&str, &str) = ("sla_cutoff", "it is for priority-based-routing and cost-based-routing");

/// The list under `key`. With an unknown type of rule, `None`, the keys of all types are accepted.
pub(super) fn list(
    reader: &mut Reader<'_>,
    places: &mut Places<'_>,
    rule: Fields<'_>,
    routing_type: Option<RoutingType>,
) -> Vec<Candidate> {
    let key = "load_balance_targets";
    let items = items(reader, rule, key);
    let candidates: Vec<Candidate> =
        items.iter().filter_map(|item| balanced(reader, places, item, routing_type)).collect();
    let weightless = candidates.len() == items.len() && candidates.iter().all(|one| one.weight == 0);
    if routing_type == Some(RoutingType::Weight) && !items.is_empty() && weightless {
        reader.fault(rule.line_of(key), format!("`{key}`: expected weights with a sum above 0"));
    }
    candidates
}

/// The entries under `key`, of which there must be some, but not too many.
pub(super) fn items<'n>(reader: &mut Reader<'_>, rule: Fields<'n>, key: &str) -> &'n [Node] {
    let items = reader.list(rule, key);
    let listed = rule.get(key).and_then(Node::items).is_some();
    if listed && !(1..=CANDIDATES_MAX).contains(&items.len()) {
        reader.fault(rule.line_of(key), format!("`{key}`: expected from 1 to {CANDIDATES_MAX} targets"));
    }
    items
}

fn balanced(
    reader: &mut Reader<'_>,
    places: &mut Places<'_>,
    node: &Node,
    routing_type: Option<RoutingType>,
) -> Option<Candidate> {
    let (own, misplaced): (&[_], &[_]) = match routing_type {
        None => (&[WEIGHT, PRIORITY, SLA], &[]),
        Some(RoutingType::Weight) => (&[WEIGHT], &[PRIORITY, SLA]),
        Some(RoutingType::Priority) => (&[PRIORITY, SLA], &[WEIGHT]),
        Some(RoutingType::Cost) => (&[SLA], &[WEIGHT, PRIORITY]),
        Some(RoutingType::Latency | RoutingType::Slo(_) | RoutingType::LeastBusy) => (&[], &[WEIGHT, PRIORITY, SLA]),
    };
    let keys: Vec<&str> = KEYS.into_iter().chain(own.iter().map(|(key, _)| *key)).collect();
    let what = match routing_type {
        None => "a target".to_owned(),
        Some(one) => format!("a target of {}", one.as_str()),
    };
    let fields = reader.fields_but(node, &what, &keys, misplaced)?;
    reader.need(fields, &what, &["target"]);
    let weighted = routing_type == Some(RoutingType::Weight);
    if weighted {
        reader.need(fields, &what, &["weight"]);
    }
    let place = places.find(reader, fields, "target");
    let weight = number32(reader, fields, "weight", 0..=100);
    let candidate = Candidate {
        target: place.map_or(0, |place| place.target),
        weight: weight.unwrap_or(0),
        priority: number32(reader, fields, "priority", 0..=1_000_000).unwrap_or(0),
        sla: sla(reader, fields),
        retry: retry(reader, fields),
        fallback_on: codes::read(reader, fields, "fallback_status_codes"),
        takes_fallback: reader.flag(fields, "fallback_candidate").unwrap_or(true),
        change: change::read(reader, fields, &owned(place)),
        timeout_ms: reader.number(fields, "timeout_ms", 1..=DAY_MS),
        ttft_timeout_ms: reader.number(fields, "ttft_timeout_ms", 1..=DAY_MS),
        metadata_match: identity::metadata(reader, fields, "metadata_match"),
    };
    (place.is_some() && (weight.is_some() || !weighted)).then_some(candidate)
}

/// An entry of `fallback_models`: it is tried in its turn, by the defaults of a target.
pub(super) fn fallback(reader: &mut Reader<'_>, places: &mut Places<'_>, node: &Node) -> Option<Candidate> {
    let what = "a fallback model";
    let fields = reader.fields(node, what, &["target", "override_params", "headers_override"])?;
    reader.need(fields, what, &["target"]);
    let place = places.find(reader, fields, "target");
    let change = change::read(reader, fields, &owned(place));
    Some(Candidate {
        target: place?.target,
        weight: 0,
        priority: 0,
        sla: None,
        retry: Retry::default(),
        fallback_on: Codes::ByClass,
        takes_fallback: true,
        change,
        timeout_ms: None,
        ttft_timeout_ms: None,
        metadata_match: Vec::new(),
    })
}

fn owned(place: Option<Place<'_>>) -> Vec<&'static str> {
    match place {
        Some(place) => owned_headers(place.account.api, Some(&place.account.paths)),
        None => owned_headers(Api::OpenAi, None),
    }
}

fn sla(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<SlaCutoff> {
    let keys = ["time_per_output_token_ms", "time_to_first_token_ms"];
    let cutoff = reader.map(fields, "sla_cutoff", &keys)?;
    one_at_least(reader, cutoff, "sla_cutoff", &keys);
    let [time_per_output_token_ms, time_to_first_token_ms] =
        keys.map(|key| number32(reader, cutoff, key, 1..=DAY_MS as u32));
    Some(SlaCutoff { time_per_output_token_ms, time_to_first_token_ms })
}

fn retry(reader: &mut Reader<'_>, fields: Fields<'_>) -> Retry {
    let keys = ["attempts", "delay", "on_status_codes"];
    let mut retry = Retry::default();
    let Some(config) = reader.map(fields, "retry_config", &keys) else { return retry };
    reader.need(config, "retry_config", &["attempts"]);
    retry.attempts = number32(reader, config, "attempts", 0..=10).unwrap_or(retry.attempts);
    retry.delay_ms = reader.number(config, "delay", 0..=DELAY_MS_MAX).unwrap_or(retry.delay_ms);
    retry.on = codes::read(reader, config, "on_status_codes");
    retry
}

pub(super) fn number32(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    key: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Option<u32> {
    let number = reader.number(fields, key, u64::from(*range.start())..=u64::from(*range.end()))?;
    u32::try_from(number).ok()
}

/// Notes that a mapping has none of the keys of which it needs one.
pub(super) fn one_at_least(reader: &mut Reader<'_>, fields: Fields<'_>, what: &str, keys: &[&str]) {
    if keys.iter().all(|key| fields.get(key).is_none()) {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        reader.fault(fields.line, format!("{what} has none of its keys; expected {}", keys.join(" or ")));
    }
}
