//! `model_configs`: what holds for a model whichever rule chose it, and when the caller named it (spec "seed" 2.3).

use super::candidate::{number32, one_at_least};
use super::places::Places;
use super::{FailureTolerance, UsageLimits, codes};
use crate::config::read::{Fields, Reader};
use crate::config::tree::Node;

const MANY: u64 = 1 << 40;
const DAY_MIN: u64 = 24 * 60;

pub(super) fn read(reader: &mut Reader<'_>, places: &mut Places<'_>, node: &Node) {
    let what = "an entry of `model_configs`";
    let kinds = ["usage_limits", "failure_tolerance"];
    let Some(fields) = reader.fields(node, what, &["model", kinds[0], kinds[1]]) else { return };
    reader.need(fields, what, &["model"]);
    one_at_least(reader, fields, what, &kinds);
    let place = places.find(reader, fields, "model");
    let (limits, tolerance) = (usage_limits(reader, fields), failure_tolerance(reader, fields));
    if let Some(target) = place.and_then(|place| places.get_mut(place.target)) {
        target.usage_limits = limits;
        target.tolerance = tolerance;
    }
}

fn usage_limits(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<UsageLimits> {
    let keys = ["tokens_per_minute", "requests_per_minute"];
    let limits = reader.map(fields, "usage_limits", &keys)?;
    one_at_least(reader, limits, "usage_limits", &keys);
    let [tokens_per_minute, requests_per_minute] = keys.map(|key| reader.number(limits, key, 1..=MANY));
    Some(UsageLimits { tokens_per_minute, requests_per_minute })
}

fn failure_tolerance(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<FailureTolerance> {
    let keys = ["allowed_failures_per_minute", "cooldown_period_minutes", "failure_status_codes"];
    let tolerance = reader.map(fields, "failure_tolerance", &keys)?;
    reader.need(tolerance, "failure_tolerance", &keys[..2]);
    let allowed_failures_per_minute = number32(reader, tolerance, keys[0], 0..=1_000_000);
    let cooldown_ms = reader.number(tolerance, keys[1], 1..=DAY_MIN).map(|minutes| minutes * 60_000);
    let on = codes::read(reader, tolerance, keys[2]);
    Some(FailureTolerance { allowed_failures_per_minute: allowed_failures_per_minute?, cooldown_ms: cooldown_ms?, on })
}
