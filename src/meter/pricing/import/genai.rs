//! pydantic's genai-prices `data.json` (MIT): providers with their models, USD per million tokens, prices that hold
//! from a day on or at hours of the day.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::date::Date;
use super::super::file::second_of_day;
use super::super::listed::Listed;
use super::super::rates::{Ladder, Rates, Unit};
use super::super::row::Window;
use super::{is_plain, rate};

/// Its provider and our account kind. Not its `aws`: the ids there are no models of Bedrock's but patterns, of which
/// one stands for the models of all regions but one.
const PROVIDERS: [(&str, &str); 12] = [
    ("anthropic", "anthropic"),
    ("azure", "azure-openai"),
    ("cerebras", "cerebras"),
    ("cohere", "cohere"),
    ("deepseek", "deepseek"),
    ("google", "google-gemini"),
    ("groq", "groq"),
    ("mistral", "mistral-ai"),
    ("openai", "openai"),
    ("openrouter", "openrouter"),
    ("together", "together-ai"),
    ("x-ai", "xai"),
];

const FIELDS: [(&str, Unit); 6] = [
    ("input_mtok", Unit::Input),
    ("output_mtok", Unit::Output),
    ("cache_read_mtok", Unit::CacheRead),
    ("cache_write_mtok", Unit::CacheWrite5m),
    ("input_audio_mtok", Unit::AudioInput),
    ("output_audio_mtok", Unit::AudioOutput),
];

pub fn rows(providers: &[Value]) -> Vec<Listed> {
    let mut rows = Vec::new();
    for provider in providers {
        let id = provider.get("id").and_then(Value::as_str);
        let Some((_, kind)) = PROVIDERS.iter().find(|(theirs, _)| Some(*theirs) == id) else { continue };
        let models: &[Value] = provider.get("models").and_then(Value::as_array).map_or(&[], Vec::as_slice);
        let named = |model: &Value| model.get("id").and_then(Value::as_str).map(str::to_owned);
        let mut taken: HashSet<String> = models.iter().filter_map(named).collect();
        for model in models {
            // Vertex has a kind of its own, whose prices this list does not tell apart.
            if *kind == "google-gemini" && named(model).is_some_and(|name| name.contains("claude")) {
                continue;
            }
            let Some(name) = named(model).filter(|name| is_plain(name)) else { continue };
            let mut also = Vec::new();
            aliases(model.get("match"), &mut also);
            // An alias is one model's only.
            also.retain(|alias| taken.insert(alias.clone()));
            rows.extend(dated(&format!("{kind}/{name}"), &also, model));
        }
    }
    rows
}

/// Names it is known by as a whole, or by their beginning (names.rs finds what follows).
fn aliases(clause: Option<&Value>, also: &mut Vec<String>) {
    let Some(Value::Object(clause)) = clause else { return };
    for (how, what) in clause {
        match (how.as_str(), what) {
            ("equals" | "starts_with", Value::String(name)) => {
                also.push(name.trim_end_matches(['-', '@', ':']).to_owned())
            }
            // One level is all there is.
            ("or", Value::Array(clauses)) => {
                for clause in clauses {
                    for how in ["equals", "starts_with"] {
                        let name = clause.get(how).and_then(Value::as_str);
                        also.extend(name.map(|name| name.trim_end_matches(['-', '@', ':']).to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
}

/// The prices of one model, one row for each span of time.
fn dated(id: &str, also: &[String], model: &Value) -> Vec<Listed> {
    let prices = model.get("prices");
    let one = |prices: &Map<String, Value>| {
        let context = model.get("context_window").and_then(Value::as_u64);
        let standard = ladder(id, prices)?;
        Some(Listed { id: id.to_owned(), also: also.to_vec(), context, standard, ..Listed::default() })
    };
    let entries = match prices {
        Some(Value::Object(prices)) => return one(prices).into_iter().collect(),
        Some(Value::Array(entries)) => entries,
        _ => return Vec::new(),
    };
    let mut rows: Vec<Listed> = Vec::new();
    for entry in entries {
        let Some(row) = entry.get("prices").and_then(Value::as_object).and_then(one) else { return Vec::new() };
        let Some(constraint) = entry.get("constraint") else {
            rows.push(row);
            continue;
        };
        let text = |key: &str| constraint.get(key).and_then(Value::as_str);
        let time = |key: &str| text(key).and_then(|time| second_of_day(time.trim_end_matches('Z')));
        match (text("start_date").and_then(Date::parse), time("start_time"), time("end_time"), rows.last_mut()) {
            (Some(from), None, None, Some(before)) => {
                before.to = Some(from);
                rows.push(Listed { from: Some(from), ..row });
            }
            (None, Some(from_s), Some(to_s), Some(all_day)) => {
                all_day.daily.push(Window { from_s, to_s, rates: row.standard.base });
            }
            // A condition not known here: no price is better than one that may not hold.
            _ => return Vec::new(),
        }
    }
    rows
}

fn ladder(id: &str, prices: &Map<String, Value>) -> Option<Ladder> {
    // A fee per request is in no count of tokens.
    if prices.contains_key("requests_kcount") {
        return None;
    }
    let mut ladder = Ladder::default();
    for (field, unit) in FIELDS {
        let Some(value) = prices.get(field) else { continue };
        let base = value.get("base").unwrap_or(value);
        ladder.base.set(unit, rate(base, 12));
        for tier in value.get("tiers").and_then(Value::as_array).into_iter().flatten() {
            let (start, price) = (tier.get("start")?.as_u64()?, rate(tier.get("price")?, 12)?);
            if !ladder.steps.iter().any(|(above, _)| *above == start) {
                ladder.steps.push((start, Rates::NONE));
            }
            ladder
                .steps
                .iter_mut()
                .filter(|(above, _)| *above == start)
                .for_each(|(_, rates)| rates.set(unit, Some(price)));
        }
    }
    ladder.steps.sort_by_key(|(above, _)| *above);
    if id.contains("claude") {
        writes_of_an_hour(&mut ladder.base);
        ladder.steps.iter_mut().for_each(|(_, rates)| writes_of_an_hour(rates));
    }
    (!ladder.base.is_empty()).then_some(ladder)
}

/// Anthropic's documentation of prompt caching: a write for five minutes is 1.25 times the input, one for an hour twice
/// the input. The list knows the first only.
fn writes_of_an_hour(rates: &mut Rates) {
    if let (Some(input), Some(write)) = (rates.own(Unit::Input), rates.own(Unit::CacheWrite5m))
        && i128::from(write) * 4 == i128::from(input) * 5
    {
        rates.set(Unit::CacheWrite1h, input.checked_mul(2));
    }
}
