//! A cost of one's own, as an integration says it (spec "seed" 2.11).

use super::decimal::shown;
use super::rates::{Ladder, Rates, Unit};
use super::row::Row;
use crate::meter::{Modifiers, Usage};

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
    pub(super) fn seen(usage: &Usage) -> Usage {
        Usage { modifiers: Modifiers::default(), web_searches: 0, ..*usage }
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

impl PerThousand {
    fn units(&self) -> [(Unit, Option<i64>, &'static str, &[TokenTier], &'static str); 4] {
        [
            (Unit::Input, Some(self.input), "input", &self.input_tiers, "input_tiers"),
            (Unit::Output, Some(self.output), "output", &self.output_tiers, "output_tiers"),
            (Unit::CacheRead, self.cache_read, "cache_read", &self.cache_read_tiers, "cache_read_tiers"),
            (Unit::CacheWrite5m, self.cache_write, "cache_write", &self.cache_write_tiers, "cache_write_tiers"),
        ]
    }

    fn ladder(&self) -> Ladder {
        let mut floors: Vec<u64> = Vec::new();
        self.units().iter().for_each(|(_, _, _, tiers, _)| floors.extend(tiers.iter().map(|tier| tier.from)));
        floors.sort_unstable();
        floors.dedup();
        let steps = floors.into_iter().map(|floor| (floor, self.rates(Some(floor)))).collect();
        Ladder { base: self.rates(None), steps }
    }

    /// Of a request beyond `floor`: each unit by the highest of its own tiers that is not above.
    fn rates(&self, floor: Option<u64>) -> Rates {
        let mut rates = Rates::default();
        for (unit, base, _, tiers, _) in self.units() {
            let reached = tiers.iter().filter(|tier| floor.is_some_and(|floor| tier.from <= floor));
            let tier = reached.max_by_key(|tier| tier.from).map(|tier| tier.rate);
            rates.set(unit, tier.or(base));
        }
        rates
    }

    fn shown(&self) -> String {
        let mut parts = Vec::new();
        for (_, base, key, tiers, tiers_key) in self.units() {
            if let Some(rate) = base {
                parts.push(format!("{key}: {}", shown(rate, PER_THOUSAND as u32)));
            }
            if !tiers.is_empty() {
                let each = |tier: &TokenTier| {
                    format!("{{from: {}, cost_per_token: {}}}", tier.from, shown(tier.rate, PER_TOKEN as u32))
                };
                parts.push(format!("{tiers_key}: [{}]", tiers.iter().map(each).collect::<Vec<_>>().join(", ")));
            }
        }
        parts.join(", ")
    }
}
