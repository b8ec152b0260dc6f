//! A cost of one's own, as an integration says it (spec "seed" 2.11).

use super::decimal::shown;
use super::rates::{Ladder, Rates, Unit};
use super::row::{Beside, Row};
use crate::meter::Modifiers;

/// Rates in 10^-18 USD per token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrivateCost {
    /// `per_1000_tokens`.
    Tokens(PerThousand),
    /// `per_1000_embedding_tokens`: of the input, which is all an embedding has.
    EmbeddingTokens(i64),
}

/// What is not said of the cache costs what input costs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PerThousand {
    pub input: i64,
    pub output: i64,
    pub cache_read: Option<i64>,
    pub cache_write: Option<i64>,
    pub input_tiers: Vec<TokenTier>,
    pub output_tiers: Vec<TokenTier>,
    pub cache_read_tiers: Vec<TokenTier>,
    pub cache_write_tiers: Vec<TokenTier>,
}

/// The rate of a whole request whose input has more than `from` tokens; `from: 0` is every request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenTier {
    pub from: u64,
    pub rate: i64,
}

/// From USD per thousand tokens, and per token, to 10^-18 USD per token: powers of ten.
pub const PER_THOUSAND: i32 = 15;
pub const PER_TOKEN: i32 = 18;

impl PrivateCost {
    pub(super) fn row(&self) -> Row {
        let standard = match self {
            PrivateCost::Tokens(cost) => cost.ladder(),
            PrivateCost::EmbeddingTokens(rate) => {
                let mut base = Rates::default();
                base.set(Unit::Input, Some(*rate));
                Ladder { base, steps: Vec::new() }
            }
        };
        Row { standard, ..Row::default() }
    }

    /// It is what one pays for the tokens, in every service tier, at any speed and place; calls of a provider's web
    /// search have no part in it.
    pub(super) fn beside() -> Beside {
        Beside { modifiers: Modifiers::default(), web_searches: 0 }
    }

    pub fn shown(&self) -> String {
        match self {
            PrivateCost::EmbeddingTokens(rate) => {
                format!("{{metric: per_1000_embedding_tokens, value: {}}}", shown(*rate, PER_THOUSAND as u32))
            }
            PrivateCost::Tokens(cost) => format!("{{metric: per_1000_tokens, value: {{{}}}}}", cost.shown()),
        }
    }
}

/// What is said of one unit.
struct Part<'a> {
    unit: Unit,
    key: &'static str,
    rate: Option<i64>,
    tiers: &'a [TokenTier],
}

impl PerThousand {
    fn parts(&self) -> [Part<'_>; 4] {
        let part = |unit, key, rate, tiers| Part { unit, key, rate, tiers };
        [
            part(Unit::Input, "input", Some(self.input), &*self.input_tiers),
            part(Unit::Output, "output", Some(self.output), &*self.output_tiers),
            part(Unit::CacheRead, "cache_read", self.cache_read, &*self.cache_read_tiers),
            part(Unit::CacheWrite5m, "cache_write", self.cache_write, &*self.cache_write_tiers),
        ]
    }

    fn ladder(&self) -> Ladder {
        let mut floors: Vec<u64> = self.parts().iter().flat_map(|part| part.tiers).map(|tier| tier.from).collect();
        floors.sort_unstable();
        floors.dedup();
        let steps = floors.into_iter().map(|floor| (floor, self.rates(Some(floor)))).collect();
        Ladder { base: self.rates(None), steps }
    }

    /// Of a request beyond `floor`: each unit by the highest of its own tiers that is not above.
    fn rates(&self, floor: Option<u64>) -> Rates {
        let mut rates = Rates::default();
        for part in self.parts() {
            let reached = part.tiers.iter().filter(|tier| floor.is_some_and(|floor| tier.from <= floor));
            let tier = reached.max_by_key(|tier| tier.from).map(|tier| tier.rate);
            rates.set(part.unit, tier.or(part.rate));
        }
        rates
    }

    fn shown(&self) -> String {
        let mut shown_parts = Vec::new();
        for Part { key, rate, tiers, .. } in self.parts() {
            shown_parts.extend(rate.map(|rate| format!("{key}: {}", shown(rate, PER_THOUSAND as u32))));
            if !tiers.is_empty() {
                let each = |tier: &TokenTier| {
                    format!("{{from: {}, cost_per_token: {}}}", tier.from, shown(tier.rate, PER_TOKEN as u32))
                };
                let each: Vec<String> = tiers.iter().map(each).collect();
                shown_parts.push(format!("{key}_tiers: [{}]", each.join(", ")));
            }
        }
        shown_parts.join(", ")
    }
}
