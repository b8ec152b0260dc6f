//! The `cost` of an integration and the `discount_percent` of an account: what tokens cost (spec "seed" 2.11).

use super::read::{Fields, Reader};
use super::tree::Node;
use crate::meter::PrivateCost;
use crate::meter::pricing::{Decimal, PER_THOUSAND, PER_TOKEN, PerThousand, Ratio, TokenTier};

/// What an integration says of its cost.
pub(super) enum Cost {
    /// `public_cost`: what the price table says.
    Public,
    Private(PrivateCost),
}

/// A thousand tokens cost less than a thousand dollars.
const USD_MAX: i64 = 1000;
const TIERS_MAX: usize = 8;

/// `None` when absent, or wrong and noted.
pub(super) fn read(reader: &mut Reader<'_>, integration: Fields<'_>) -> Option<Cost> {
    let cost = reader.map(integration, "cost", &["metric", "value"])?;
    reader.need(cost, "cost", &["metric"]);
    let metrics = [("public_cost", 0), ("per_1000_tokens", 1), ("per_1000_embedding_tokens", 2)];
    let (value, line) = (cost.get("value"), cost.line_of("metric"));
    let unmetered = cost.get("metric").and_then(|node| match &node.value {
        super::tree::Value::Scalar { text, .. } => UNMETERED.iter().find(|(metric, _)| metric == text),
        _ => None,
    });
    if let Some((metric, unit)) = unmetered {
        let message = format!(
            "`metric`: `{metric}` is not served by this version, which does not count {unit}; \
             expected `public_cost`, `per_1000_tokens` or `per_1000_embedding_tokens`"
        );
        reader.fault(line, message);
        return None;
    }
    match (reader.choice(cost, "metric", &metrics)?, value) {
        (0, None) => Some(Cost::Public),
        (0, Some(node)) if node.is_null() => Some(Cost::Public),
        (0, Some(_)) => {
            reader.fault(cost.line_of("value"), "`value`: `public_cost` takes none");
            None
        }
        (_, None) => {
            reader.need(cost, "a `cost` of this metric", &["value"]);
            None
        }
        (1, Some(node)) => per_thousand(reader, node).map(|cost| Cost::Private(PrivateCost::Tokens(cost))),
        (_, Some(_)) => {
            let rate = usd(reader, cost, "value", PER_THOUSAND)?;
            Some(Cost::Private(PrivateCost::EmbeddingTokens(rate)))
        }
    }
}

/// Metrics of the format that need a unit which is not metered.
const UNMETERED: [(&str, &str); 3] = [
    ("per_million_characters", "characters"),
    ("per_minute_of_audio", "minutes of audio"),
    ("per_1000_pages", "pages"),
];

fn per_thousand(reader: &mut Reader<'_>, node: &Node) -> Option<PerThousand> {
    let what = "`value` of `per_1000_tokens`";
    let keys = [
        "input",
        "output",
        "cache_read",
        "cache_write",
        "input_tiers",
        "output_tiers",
        "cache_read_tiers",
        "cache_write_tiers",
    ];
    let value = reader.fields(node, what, &keys)?;
    reader.need(value, what, &["input", "output"]);
    let (input, output) = (usd(reader, value, "input", PER_THOUSAND), usd(reader, value, "output", PER_THOUSAND));
    let cost = PerThousand {
        cache_read: usd(reader, value, "cache_read", PER_THOUSAND),
        cache_write: usd(reader, value, "cache_write", PER_THOUSAND),
        input_tiers: tiers(reader, value, "input_tiers"),
        output_tiers: tiers(reader, value, "output_tiers"),
        cache_read_tiers: tiers(reader, value, "cache_read_tiers"),
        cache_write_tiers: tiers(reader, value, "cache_write_tiers"),
        ..PerThousand::default()
    };
    Some(PerThousand { input: input?, output: output?, ..cost })
}

fn tiers(reader: &mut Reader<'_>, value: Fields<'_>, key: &str) -> Vec<TokenTier> {
    let mut tiers: Vec<TokenTier> = Vec::new();
    let items = reader.list(value, key);
    if items.len() > TIERS_MAX {
        reader.fault(value.line_of(key), format!("`{key}`: expected at most {TIERS_MAX} tiers"));
    }
    for item in items.iter().take(TIERS_MAX) {
        let Some(fields) = reader.fields(item, "a tier", &["from", "cost_per_token"]) else { continue };
        reader.need(fields, "a tier", &["from", "cost_per_token"]);
        let (from, rate) =
            (reader.number(fields, "from", 0..=1 << 40), usd(reader, fields, "cost_per_token", PER_TOKEN));
        let (Some(from), Some(rate)) = (from, rate) else { continue };
        if tiers.last().is_some_and(|last| last.from >= from) {
            reader.fault(fields.line_of("from"), "`from`: expected more than in the tier before");
        }
        tiers.push(TokenTier { from, rate });
    }
    tiers
}

/// US dollars for `10^(18 - shift)` tokens -> 10^-18 USD per token, without rounding.
fn usd(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str, shift: i32) -> Option<i64> {
    let what = format!("US dollars from 0 to {USD_MAX}, such as `0.0025`, with at most {shift} decimal places");
    reader.parsed(fields, key, &what, |text| {
        let (rate, exact) = Decimal::parse(text)?.scaled(shift)?;
        let most = Decimal::parse("1000").and_then(|most| most.scaled(shift)).map_or(i64::MAX, |(most, _)| most);
        (exact && (0..=most).contains(&rate)).then_some(rate)
    })
}

/// `discount_percent`: what is taken off list prices.
pub(super) fn discount(reader: &mut Reader<'_>, account: Fields<'_>) -> Ratio {
    let what = "a percentage from 0 to 100 with at most four decimal places";
    reader.parsed(account, "discount_percent", what, Ratio::discounted).unwrap_or(Ratio::ONE)
}
