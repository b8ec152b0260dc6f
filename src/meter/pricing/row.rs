//! One price of one model: what holds in one span of time, with everything that decides between its rates, and the
//! arithmetic. Rates are multiplied with counts that do not overlap, in i128; what comes out is rounded once.

use super::rates::{Ladder, Rates, Unit};
use super::ratio::Ratio;
use crate::meter::{Geo, Modifiers, Tier, Usage};

const DAY_S: u64 = 86_400;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// Unix seconds from which on, and up to which, it holds.
    pub from: Option<u64>,
    pub to: Option<u64>,
    pub standard: Ladder,
    /// `None`: the service tier has no known price.
    pub batch: Option<Ladder>,
    pub flex: Option<Ladder>,
    pub priority: Option<Ladder>,
    /// Times of the day with rates of their own, for the standard tier.
    pub daily: Vec<Window>,
    /// `speed: fast`; `None`: no known price.
    pub fast: Option<Ratio>,
    /// Where the answer is made; `None`: no surcharge.
    pub us: Option<Ratio>,
    pub eu: Option<Ratio>,
    /// Pico-USD per call of the provider's web search, and per search unit of a rerank.
    pub web_search: Option<i64>,
    pub search_unit: Option<i64>,
}

/// From one second of the day (UTC) on, up to another; over midnight when the second is the smaller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub from_s: u32,
    pub to_s: u32,
    pub rates: Rates,
}

impl Window {
    fn holds(&self, second: u64) -> bool {
        let (from, to) = (u64::from(self.from_s), u64::from(self.to_s));
        if from <= to { (from..to).contains(&second) } else { second >= from || second < to }
    }
}

/// Token cost in 10^-18 USD before multipliers.
type Atto = i128;
const ATTO_PER_PICO: i128 = 1_000_000;

impl Row {
    pub fn holds(&self, unix_s: u64) -> bool {
        self.from.is_none_or(|from| unix_s >= from) && self.to.is_none_or(|to| unix_s < to)
    }

    /// In pico-USD, halves rounded up; `None` when a rate that is needed is not known, or the sum does not fit.
    /// Multipliers for speed and place hold for tokens, the discount for everything.
    pub fn cost(&self, usage: &Usage, unix_s: u64, geo: Geo, discount: Ratio) -> Option<i64> {
        let rates = self.rates(usage.modifiers, usage.input, unix_s)?;
        let tokens = match usage.billed {
            Some(billed) => {
                times(&rates, Unit::Input, billed.input)?.checked_add(times(&rates, Unit::Output, billed.output)?)?
            }
            None => input_cost(&rates, usage)?.checked_add(output_cost(&rates, usage)?)?,
        };
        let search_units = usage.billed.map_or(0, |billed| billed.search_units);
        let calls = calls(self.web_search, usage.web_searches.into())?;
        let calls = calls.checked_add(self::calls(self.search_unit, search_units)?)?.checked_mul(ATTO_PER_PICO)?;
        let speed = if usage.modifiers.fast { self.fast? } else { Ratio::ONE };
        let place = match if usage.modifiers.geo == Geo::Global { geo } else { usage.modifiers.geo } {
            Geo::Global => Ratio::ONE,
            Geo::Us => self.us.unwrap_or(Ratio::ONE),
            Geo::Eu => self.eu.unwrap_or(Ratio::ONE),
        };
        let den = speed.den() * place.den();
        let sum = tokens.checked_mul(speed.num() * place.num())?.checked_add(calls.checked_mul(den)?)?;
        let (sum, den) = (sum.checked_mul(discount.num())?, den * discount.den() * ATTO_PER_PICO);
        i64::try_from(sum.checked_add(den / 2)? / den).ok()
    }

    fn rates(&self, modifiers: Modifiers, input: u64, unix_s: u64) -> Option<Rates> {
        let ladder = match modifiers.tier {
            Tier::Standard => {
                let rates = self.standard.at(input);
                let window = self.daily.iter().find(|window| window.holds(unix_s % DAY_S));
                return Some(window.map_or(*rates, |window| window.rates.or(rates)));
            }
            Tier::Batch => self.batch.as_ref(),
            Tier::Flex => self.flex.as_ref(),
            Tier::Priority => self.priority.as_ref(),
            // Paid by the hour: what a token of it costs is not in any list.
            Tier::Provisioned => None,
        };
        Some(*ladder?.at(input))
    }
}

/// A rate is needed only where there is something to multiply.
fn times(rates: &Rates, unit: Unit, count: u64) -> Option<Atto> {
    if count == 0 {
        return Some(0);
    }
    i128::from(rates.rate(unit)?).checked_mul(count.into())
}

fn calls(price: Option<i64>, count: u64) -> Option<i128> {
    if count == 0 { Some(0) } else { i128::from(price?).checked_mul(count.into()) }
}

/// What is left of `whole` after its parts, each of which is cut to what is still there; counts that contradict each
/// other never add up to more than the whole.
fn disjoint(rates: &Rates, whole: (Unit, u64), parts: &[(Unit, u64)]) -> Option<Atto> {
    let (mut left, mut sum) = (whole.1, 0_i128);
    for &(unit, count) in parts {
        let count = count.min(left);
        left -= count;
        sum = sum.checked_add(times(rates, unit, count)?)?;
    }
    sum.checked_add(times(rates, whole.0, left)?)
}

fn input_cost(rates: &Rates, usage: &Usage) -> Option<Atto> {
    let parts = [
        (Unit::CacheRead, usage.cache_read),
        (Unit::CacheWrite5m, usage.cache_write_5m),
        (Unit::CacheWrite1h, usage.cache_write_1h),
        (Unit::CacheWrite, usage.cache_write),
        (Unit::AudioInput, usage.audio_input),
        (Unit::ImageInput, usage.image_input),
    ];
    disjoint(rates, (Unit::Input, usage.input), &parts)
}

fn output_cost(rates: &Rates, usage: &Usage) -> Option<Atto> {
    let parts = [
        (Unit::Reasoning, usage.reasoning),
        (Unit::AudioOutput, usage.audio_output),
        (Unit::ImageOutput, usage.image_output),
    ];
    disjoint(rates, (Unit::Output, usage.output), &parts)
}
