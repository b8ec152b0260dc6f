//! LiteLLM's `model_prices_and_context_window.json` (MIT): one entry per model, USD per token, under names made of
//! parts: `cache_read_input_token_cost`, `_above_200k_tokens`, `_priority` (spec "providers" 16.2).

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::listed::{Listed, TierPrice};
use super::super::rates::{Ladder, Rates, Unit};
use super::super::ratio::Ratio;
use super::{is_plain, is_zero, rate};

/// LiteLLM's provider, our account kind, the prefix of its keys.
const PROVIDERS: [(&str, &str, &str); 22] = [
    ("openai", "openai", "openai/"),
    ("text-completion-openai", "openai", ""),
    ("anthropic", "anthropic", "anthropic/"),
    ("mistral", "mistral-ai", "mistral/"),
    ("codestral", "mistral-ai", "codestral/"),
    ("groq", "groq", "groq/"),
    ("deepseek", "deepseek", "deepseek/"),
    ("together_ai", "together-ai", "together_ai/"),
    ("openrouter", "openrouter", "openrouter/"),
    ("xai", "xai", "xai/"),
    ("cerebras", "cerebras", "cerebras/"),
    ("deepinfra", "deepinfra", "deepinfra/"),
    ("perplexity", "perplexity-ai", "perplexity/"),
    ("sambanova", "sambanova", "sambanova/"),
    ("azure", "azure-openai", "azure/"),
    ("azure_text", "azure-openai", "azure/"),
    ("azure_ai", "azure-foundry", "azure_ai/"),
    ("gemini", "google-gemini", "gemini/"),
    ("bedrock", "aws-bedrock", "bedrock/"),
    ("bedrock_converse", "aws-bedrock", "bedrock/"),
    ("cohere", "cohere", "cohere/"),
    ("cohere_chat", "cohere", "cohere/"),
];

/// Keys that are no models: the second holds patterns for names nobody listed, which would be guesses.
const RESERVED: [&str; 2] = ["sample_spec", "fallback_generalizations"];

pub fn rows(list: &Map<String, Value>) -> Vec<Listed> {
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    // Where one model stands twice, the first provider of the list above and the plainest key come first.
    let mut entries: Vec<(usize, &String, &Map<String, Value>)> = Vec::new();
    for (key, entry) in list {
        let Some(entry) = entry.as_object().filter(|_| !RESERVED.contains(&key.as_str())) else { continue };
        if let Some(rank) = rank(entry) {
            entries.push((rank, key, entry));
        }
    }
    entries.sort_by_key(|(rank, key, _)| (*rank, key.len(), key.as_str()));
    for (rank, key, entry) in entries {
        let (kind, prefix) =
            PROVIDERS.get(rank).map_or(("google-vertex", "vertex_ai/"), |(_, kind, prefix)| (kind, prefix));
        let name = key.strip_prefix(prefix).filter(|_| !prefix.is_empty()).unwrap_or(key);
        let Some((region, model)) = place(kind, name) else { continue };
        let Some(row) = row(kind, model, region, entry) else { continue };
        if is_plain(model) && seen.insert((row.id.clone(), row.region.clone())) {
            rows.push(row);
        }
    }
    rows
}

fn rank(entry: &Map<String, Value>) -> Option<usize> {
    let provider = entry.get("litellm_provider")?.as_str()?;
    let listed = PROVIDERS.iter().position(|(theirs, _, _)| *theirs == provider);
    // `vertex_ai`, `vertex_ai-language-models`, `vertex_ai-anthropic_models`, ...
    listed.or_else(|| provider.starts_with("vertex_ai").then_some(PROVIDERS.len()))
}

/// Region and model of a key; `None` for what is billed by the hour or no model of its own.
fn place<'k>(kind: &str, name: &'k str) -> Option<(Option<&'k str>, &'k str)> {
    if name.contains("commitment") || name.starts_with("invoke/") {
        return None;
    }
    match (kind, name.split_once('/')) {
        ("azure-openai", Some((place @ ("eu" | "us"), model))) => Some((Some(place), model)),
        ("azure-openai", Some(("global" | "global-standard", model))) => Some((None, model)),
        ("aws-bedrock", Some((region, model))) if is_region(region) => Some((Some(region), model)),
        _ => Some((None, name)),
    }
}

/// `us-east-1`, `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    text.matches('-').count() >= 2 && text.ends_with(|last: char| last.is_ascii_digit()) && !text.contains('.')
}

fn row(kind: &str, model: &str, region: Option<&str>, entry: &Map<String, Value>) -> Option<Listed> {
    let mut row = Listed { id: format!("{kind}/{model}"), region: region.map(str::to_owned), ..Listed::default() };
    let [mut batch, mut flex, mut priority] = [const { Ladder { base: Rates::NONE, steps: Vec::new() } }; 3];
    for (key, value) in entry {
        let Some((unit, above, tier)) = meaning(key) else { continue };
        let Some(rate) = rate(value, 18) else { continue };
        let ladder = match tier {
            "_batches" => &mut batch,
            "_flex" => &mut flex,
            "_priority" => &mut priority,
            _ => &mut row.standard,
        };
        set(ladder, above, unit, rate);
    }
    repair(&mut row.standard);
    let own = |ladder: Ladder| ladder.base.own(Unit::Input).is_some().then_some(TierPrice::Own(ladder));
    // Nobody answers first for the same price: a copied number.
    if priority.base.own(Unit::Input) == row.standard.base.own(Unit::Input) {
        priority = Ladder::default();
    }
    (row.batch, row.flex, row.priority) = (own(batch), own(flex), own(priority));
    if kind == "groq" {
        // Groq's documentation of flex processing: the same price, more requests, more failures.
        row.flex = Some(TierPrice::Ratio(Ratio::ONE));
    }
    if kind == "anthropic" && row.batch.is_none() {
        // Anthropic's documentation of batches: half of everything. The list does not have it.
        row.batch = Ratio::parse("0.5").map(TierPrice::Ratio);
    }
    modifiers(&mut row, entry);
    let free = model.ends_with(":free") && is_zero(entry.get("input_cost_per_token"));
    row.free = free && is_zero(entry.get("output_cost_per_token"));
    if row.standard.base.is_empty() && row.search_unit.is_none() && !row.free {
        return None;
    }
    // Perplexity adds a fee per search that its usage does not count; it says itself what an answer cost.
    if kind == "perplexity-ai" && entry.contains_key("search_context_cost_per_query") {
        return None;
    }
    let count = |key: &str| entry.get(key).and_then(Value::as_u64).filter(|count| *count > 0);
    (row.context, row.output_max) = (count("max_input_tokens"), count("max_output_tokens"));
    Some(row)
}

fn modifiers(row: &mut Listed, entry: &Map<String, Value>) {
    let ratio = |value: &Value| Ratio::parse(&value.as_number()?.to_string());
    let at = |key: &str| entry.get(key).and_then(ratio);
    let specific = entry.get("provider_specific_entry");
    let specific = |key: &str| specific.and_then(|specific| specific.get(key)).and_then(ratio);
    row.fast = specific("fast");
    row.us = specific("us").or_else(|| at("regional_processing_uplift_multiplier_us"));
    row.eu = at("regional_processing_uplift_multiplier_eu");
    // By the size of what a search brings: only where that makes no difference is a search a price.
    if let Some(Value::Object(sizes)) = entry.get("search_context_cost_per_query") {
        let mut prices = sizes.values().map(|price| rate(price, 12));
        if let Some(first) = prices.next().flatten() {
            row.web_search = prices.all(|price| price == Some(first)).then_some(first);
        }
    }
    if entry.get("mode").and_then(Value::as_str) == Some("rerank") {
        row.search_unit = entry.get("input_cost_per_query").and_then(|price| rate(price, 12));
    }
}

/// A write to a cache is never cheaper than not using it: a list that has such a price, and none for reading, has
/// mistaken one for the other.
fn repair(ladder: &mut Ladder) {
    let base = &mut ladder.base;
    let (read, write, input) = (base.own(Unit::CacheRead), base.own(Unit::CacheWrite5m), base.own(Unit::Input));
    if read.is_none() && write.zip(input).is_some_and(|(write, input)| write < input) {
        base.set(Unit::CacheRead, write);
        base.set(Unit::CacheWrite5m, None);
    }
    for (_, rates) in &mut ladder.steps {
        if rates.own(Unit::CacheWrite5m).zip(rates.own(Unit::Input)).is_some_and(|(write, input)| write < input) {
            rates.set(Unit::CacheWrite5m, None);
        }
    }
}

fn set(ladder: &mut Ladder, above: Option<u64>, unit: Unit, rate: i64) {
    let Some(above) = above else { return ladder.base.set(unit, Some(rate)) };
    let at = match ladder.steps.iter().position(|(step, _)| *step >= above) {
        Some(at) if ladder.steps.get(at).is_some_and(|(step, _)| *step == above) => at,
        found => {
            let at = found.unwrap_or(ladder.steps.len());
            ladder.steps.insert(at, (above, Rates::NONE));
            at
        }
    };
    if let Some((_, rates)) = ladder.steps.get_mut(at) {
        rates.set(unit, Some(rate));
    }
}

const FIELDS: [(&str, Unit); 11] = [
    ("input_cost_per_token_cache_hit", Unit::CacheRead),
    ("input_cost_per_token", Unit::Input),
    ("output_cost_per_token", Unit::Output),
    ("cache_read_input_token_cost", Unit::CacheRead),
    ("cache_creation_input_token_cost_above_1hr", Unit::CacheWrite1h),
    ("cache_creation_input_token_cost", Unit::CacheWrite5m),
    ("output_cost_per_reasoning_token", Unit::Reasoning),
    ("input_cost_per_audio_token", Unit::AudioInput),
    ("output_cost_per_audio_token", Unit::AudioOutput),
    ("input_cost_per_image_token", Unit::ImageInput),
    ("output_cost_per_image_token", Unit::ImageOutput),
];

/// What a key prices: the unit, the size of the request it holds above, and the service tier.
fn meaning(key: &str) -> Option<(Unit, Option<u64>, &str)> {
    let (rest, unit) = FIELDS.iter().find_map(|(field, unit)| Some((key.strip_prefix(field)?, *unit)))?;
    let (above, tier) = match rest.strip_prefix("_above_") {
        Some(rest) => {
            let (thousands, tier) = rest.split_once("k_tokens")?;
            (Some(thousands.parse::<u64>().ok()?.checked_mul(1000)?), tier)
        }
        None => (None, rest),
    };
    matches!(tier, "" | "_batches" | "_flex" | "_priority").then_some((unit, above, tier))
}
