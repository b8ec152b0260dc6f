//! A row as it stands in a price table's file (config/prices/README.md describes the format): read, written, and made
//! into the [`Row`] that costs are computed with.

use super::date::Date;
use super::rates::{Ladder, Rates};
use super::ratio::Ratio;
use super::row::{Row, Window};

/// Only what is said; nothing inherited, nothing scaled.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listed {
    /// `provider/model`: our account kind, and the model as the provider spells it.
    pub id: String,
    /// Only for accounts of this region.
    pub region: Option<String>,
    /// The first day it holds, and the first day it no longer does.
    pub from: Option<Date>,
    pub to: Option<Date>,
    pub standard: Ladder,
    pub batch: Option<TierPrice>,
    pub flex: Option<TierPrice>,
    pub priority: Option<TierPrice>,
    pub daily: Vec<Window>,
    pub fast: Option<Ratio>,
    pub us: Option<Ratio>,
    pub eu: Option<Ratio>,
    /// Pico-USD.
    pub web_search: Option<i64>,
    pub search_unit: Option<i64>,
    /// It costs nothing, and the provider says so: what is not said is 0.
    pub free: bool,
    /// Other spellings of the model.
    pub also: Vec<String>,
    /// Tokens.
    pub context: Option<u64>,
    pub output_max: Option<u64>,
    pub source: String,
    pub checked: Option<Date>,
}

/// What a service tier costs: so much of the standard, or at its own rates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TierPrice {
    Ratio(Ratio),
    Own(Ladder),
}

impl Listed {
    /// `None` when a scaled rate does not fit: no price of this world.
    pub fn row(&self) -> Option<Row> {
        let mut standard = self.standard.clone();
        if self.free {
            let mut nothing = Rates::default();
            super::rates::UNITS.into_iter().for_each(|unit| nothing.set(unit, Some(0)));
            standard = Ladder { base: nothing, steps: Vec::new() };
        }
        let tier = |price: &Option<TierPrice>| match price {
            None if self.free => Some(Some(standard.clone())),
            None => Some(None),
            Some(TierPrice::Ratio(ratio)) => standard.times(*ratio).map(Some),
            Some(TierPrice::Own(own)) => Some(Some(own.completed(&standard))),
        };
        Some(Row {
            from: self.from.map(Date::unix_s),
            to: self.to.map(Date::unix_s),
            batch: tier(&self.batch)?,
            flex: tier(&self.flex)?,
            priority: tier(&self.priority)?,
            daily: self.daily.clone(),
            fast: self.fast,
            us: self.us,
            eu: self.eu,
            web_search: self.web_search,
            search_unit: self.search_unit,
            standard,
        })
    }

    /// `openai/gpt-4o`, with its region where it has one.
    pub fn name(&self) -> String {
        match &self.region {
            Some(region) => format!("{} in {region}", self.id),
            None => self.id.clone(),
        }
    }

    /// The same price, wherever and whenever it was found.
    pub fn same_price(&self, other: &Listed) -> bool {
        let bare = |row: &Listed| Listed {
            source: String::new(),
            checked: None,
            context: None,
            output_max: None,
            also: Vec::new(),
            ..row.clone()
        };
        bare(self) == bare(other)
    }
}
