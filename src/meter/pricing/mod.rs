//! What a target's tokens cost, in pico-USD (10^-12 USD), by whole-number arithmetic.
//!
//! A [`Pricing`] is made once per target when the configuration is loaded, of public rows (our table, config/prices)
//! or of a private cost (config/cost.rs); the data plane asks it once per answered attempt. Nothing here knows where
//! a table comes from. A price that is not known is `None`, never 0: only what is marked free is free.

mod date;
mod decimal;
mod file;
mod import;
mod list;
mod listed;
mod names;
mod private;
mod rates;
mod ratio;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub use date::Date;
pub use decimal::{Decimal, scaled};
pub use import::{Change, Imported, import, merge};
pub use list::PriceList;
pub use listed::{Listed, TierPrice};
pub use private::{PER_THOUSAND, PER_TOKEN, PerThousand, PrivateCost, TokenTier};
pub use ratio::Ratio;
pub use table::{TABLE_BYTES_MAX, Table, TableFault};

use super::{Geo, Usage, UsageSource};
use row::{Beside, Row};

/// The prices of one target, with everything that decides between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pricing {
    basis: Basis,
    /// At most one holds at a time: the first that does.
    rows: Vec<Row>,
    /// Of list prices only.
    discount: Ratio,
    /// Where answers are made when the answer does not say it.
    geo: Geo,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Basis {
    Public,
    Private(PrivateCost),
}

/// Whose price a cost is made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CostSource {
    /// The table of list prices.
    Public,
    /// The integration's own `cost`.
    Private,
    /// The provider said it with its answer.
    Provider,
}

impl CostSource {
    pub fn as_str(self) -> &'static str {
        match self {
            CostSource::Public => "public",
            CostSource::Private => "private",
            CostSource::Provider => "provider",
        }
    }
}

/// What one attempt cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Charge {
    pub pico_usd: i64,
    pub source: CostSource,
    /// What the provider says it cost, where it does.
    pub reported_pico_usd: Option<i64>,
}

impl Charge {
    /// Our sum is more than 5% off what the provider says.
    pub fn drifts(&self) -> bool {
        self.reported_pico_usd.is_some_and(|reported| {
            let off = i128::from(self.pico_usd) - i128::from(reported);
            off.abs() * 20 > i128::from(reported).abs()
        })
    }
}

impl Pricing {
    /// List prices. Without rows only what a provider itself reports is known.
    fn of_rows(rows: Vec<Row>, discount: Ratio, geo: Geo) -> Self {
        Self { basis: Basis::Public, rows, discount, geo }
    }

    /// An integration's own price. A discount is one of list prices, so it has none.
    pub fn private(cost: PrivateCost) -> Self {
        let rows = vec![cost.row()];
        Self { basis: Basis::Private(cost), rows, discount: Ratio::ONE, geo: Geo::Global }
    }

    /// In pico-USD; `None` when this usage has no known price. Inlined whole: targets are ranked by it, and what is known
    /// to be 0 there (all but input and output) costs nothing then.
    #[inline(always)]
    pub fn cost(&self, usage: &Usage, unix_s: u64) -> Option<i64> {
        self.charged(usage, unix_s).map(|charge| charge.pico_usd)
    }

    /// The same with where it comes from. What a provider reports is taken where list prices do not know; `None` also
    /// when nothing was used.
    pub fn charge(&self, usage: &Usage, unix_s: u64) -> Option<Charge> {
        self.charged(usage, unix_s)
    }

    #[inline(always)]
    fn charged(&self, usage: &Usage, unix_s: u64) -> Option<Charge> {
        let reported_pico_usd = usage.provider_cost_pico_usd;
        if usage.source == UsageSource::None && reported_pico_usd.is_none() {
            return None;
        }
        let row = self.rows.iter().find(|row| row.holds(unix_s));
        let beside = match self.basis {
            Basis::Public => Beside { modifiers: usage.modifiers, web_searches: usage.web_searches },
            Basis::Private(_) => PrivateCost::beside(),
        };
        let known = row.and_then(|row| row.cost(usage, beside, unix_s, self.geo, self.discount));
        let (pico_usd, source) = match (&self.basis, known) {
            (Basis::Public, Some(known)) => (known, CostSource::Public),
            (Basis::Public, None) => (reported_pico_usd?, CostSource::Provider),
            (Basis::Private(_), known) => (known?, CostSource::Private),
        };
        Some(Charge { pico_usd, source, reported_pico_usd })
    }

    /// Some price holds at this time, whatever the usage.
    #[cfg(test)]
    pub fn is_known(&self, unix_s: u64) -> bool {
        self.rows.iter().any(|row| row.holds(unix_s))
    }

    /// The integration's `cost` as YAML reads it.
    pub fn shown(&self) -> String {
        match &self.basis {
            Basis::Public => "{metric: public_cost}".to_owned(),
            Basis::Private(cost) => cost.shown(),
        }
    }
}

/// What tokens cost is no part of a target's identity: hashing one must stay cheap.
impl std::hash::Hash for Pricing {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}
