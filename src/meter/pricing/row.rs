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

/// What counts of a usage beside its tokens.
#[derive(Clone, Copy)]
pub struct Beside {
    pub modifiers: Modifiers,
    pub web_searches: u32,
}

/// Token cost in 10^-18 USD before multipliers.
type Atto = i128;
const ATTO_PER_PICO: u64 = 1_000_000;

impl Row {
    #[inline]
    pub fn holds(&self, unix_s: u64) -> bool {
        self.from.is_none_or(|from| unix_s >= from) && self.to.is_none_or(|to| unix_s < to)
    }

    /// In pico-USD, halves rounded up; `None` when a rate that is needed is not known, or the sum does not fit. Inlined
    /// whole, for [`Pricing::cost`](super::Pricing::cost).
    #[inline(always)]
    pub fn cost(&self, usage: &Usage, beside: Beside, unix_s: u64, geo: Geo, discount: Ratio) -> Option<i64> {
        let tier = beside.modifiers.tier;
        let rates = self.ladder(tier)?.at(usage.input);
        match self.daily.iter().find(|window| window.holds(unix_s % DAY_S)) {
            Some(window) if tier == Tier::Standard => self.sum(&window.rates.or(rates), usage, beside, geo, discount),
            _ => self.sum(rates, usage, beside, geo, discount),
        }
    }

    #[inline(always)]
    fn ladder(&self, tier: Tier) -> Option<&Ladder> {
        match tier {
            Tier::Standard => Some(&self.standard),
            Tier::Batch => self.batch.as_ref(),
            Tier::Flex => self.flex.as_ref(),
            Tier::Priority => self.priority.as_ref(),
            // Paid by the hour: what a token of it costs is not in any list.
            Tier::Provisioned => None,
        }
    }

    /// Multipliers for speed and place hold for tokens, the discount for everything.
    #[inline(always)]
    fn sum(&self, rates: &Rates, usage: &Usage, beside: Beside, geo: Geo, discount: Ratio) -> Option<i64> {
        let (tokens, search_units) = match usage.billed {
            Some(billed) => {
                let input = times(rates, Unit::Input, billed.input)?;
                (input.checked_add(times(rates, Unit::Output, billed.output)?)?, billed.search_units)
            }
            None => (input_cost(rates, usage)?.checked_add(output_cost(rates, usage)?)?, 0),
        };
        let calls = calls(self.web_search, beside.web_searches.into())?;
        let calls = product(calls.checked_add(self::calls(self.search_unit, search_units)?)?, ATTO_PER_PICO)?;
        let speed = if beside.modifiers.fast { self.fast? } else { Ratio::ONE };
        let place = match if beside.modifiers.geo == Geo::Global { geo } else { beside.modifiers.geo } {
            Geo::Global => Ratio::ONE,
            Geo::Us => self.us.unwrap_or(Ratio::ONE),
            Geo::Eu => self.eu.unwrap_or(Ratio::ONE),
        };
        let (num, den) = (speed.num() * place.num(), speed.den() * place.den());
        let sum = product(tokens, num)?.checked_add(product(calls, den)?)?;
        rounded(product(sum, discount.num())?, den * discount.den())
    }
}

/// `None` when it does not fit. Most are multiplied by one, or are nothing, or small: 128 bits are dear.
#[inline(always)]
fn product(value: i128, by: u64) -> Option<i128> {
    if by == 1 || value == 0 {
        return Some(value);
    }
    match i64::try_from(value) {
        Ok(value) => Some(i128::from(value) * i128::from(by)),
        Err(_) => large_product(value, by),
    }
}

#[cold]
fn large_product(value: i128, by: u64) -> Option<i128> {
    value.checked_mul(by.into())
}

/// `atto / den` in pico-USD, to the nearest, halves up. `den`: at most 10^18, of three ratios.
#[inline(always)]
fn rounded(atto: i128, den: u64) -> Option<i64> {
    match u64::try_from(atto) {
        // Most have no multiplier and are below 18 USD, and dividing by what is known here is no division.
        Ok(atto) if den == 1 && atto <= u64::MAX - ATTO_PER_PICO / 2 => {
            Some(((atto + ATTO_PER_PICO / 2) / ATTO_PER_PICO) as i64)
        }
        _ => divided(atto, den),
    }
}

#[inline(never)]
fn divided(atto: i128, den: u64) -> Option<i64> {
    match (u64::try_from(atto), den.checked_mul(ATTO_PER_PICO)) {
        (Ok(atto), Some(den)) if atto <= u64::MAX - den / 2 => Some(((atto + den / 2) / den) as i64),
        _ => {
            let den = i128::from(den) * i128::from(ATTO_PER_PICO);
            i64::try_from(atto.checked_add(den / 2)? / den).ok()
        }
    }
}

/// A rate is needed only where there is something to multiply. Two factors of 64 bits always fit.
#[inline(always)]
fn times(rates: &Rates, unit: Unit, count: u64) -> Option<Atto> {
    if count == 0 {
        return Some(0);
    }
    Some(i128::from(rates.rate(unit)?) * i128::from(count))
}

#[inline(always)]
fn calls(price: Option<i64>, count: u64) -> Option<i128> {
    if count == 0 { Some(0) } else { Some(i128::from(price?) * i128::from(count)) }
}

/// What is left of `whole` after its parts, each of which is cut to what is still there; counts that contradict each
/// other never add up to more than the whole.
#[inline(always)]
fn disjoint<const N: usize>(rates: &Rates, whole: (Unit, u64), parts: [(Unit, u64); N]) -> Option<Atto> {
    if parts.iter().fold(0, |any, (_, count)| any | count) == 0 {
        return times(rates, whole.0, whole.1);
    }
    let (mut left, mut sum) = (whole.1, 0_i128);
    for (unit, count) in parts {
        let count = count.min(left);
        left -= count;
        sum = sum.checked_add(times(rates, unit, count)?)?;
    }
    sum.checked_add(times(rates, whole.0, left)?)
}

#[inline(always)]
fn input_cost(rates: &Rates, usage: &Usage) -> Option<Atto> {
    let parts = [
        (Unit::CacheRead, usage.cache_read),
        (Unit::CacheWrite5m, usage.cache_write_5m),
        (Unit::CacheWrite1h, usage.cache_write_1h),
        (Unit::CacheWrite, usage.cache_write),
        (Unit::AudioInput, usage.audio_input),
        (Unit::ImageInput, usage.image_input),
    ];
    disjoint(rates, (Unit::Input, usage.input), parts)
}

#[inline(always)]
fn output_cost(rates: &Rates, usage: &Usage) -> Option<Atto> {
    let parts = [
        (Unit::Reasoning, usage.reasoning),
        (Unit::AudioOutput, usage.audio_output),
        (Unit::ImageOutput, usage.image_output),
    ];
    disjoint(rates, (Unit::Output, usage.output), parts)
}
