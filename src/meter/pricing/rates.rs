//! The rates of one price: USD per million tokens times 10^12, which is 10^-18 USD per token, so that a published
//! price of any precision is a whole number and so is every product with a count.

use super::ratio::Ratio;

/// What is counted and has a rate of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Input,
    CacheRead,
    CacheWrite5m,
    CacheWrite1h,
    /// Cache writes whose time-to-live is not said.
    CacheWrite,
    AudioInput,
    ImageInput,
    Output,
    Reasoning,
    AudioOutput,
    ImageOutput,
}

pub const UNITS: [Unit; 11] = [
    Unit::Input,
    Unit::CacheRead,
    Unit::CacheWrite5m,
    Unit::CacheWrite1h,
    Unit::CacheWrite,
    Unit::AudioInput,
    Unit::ImageInput,
    Unit::Output,
    Unit::Reasoning,
    Unit::AudioOutput,
    Unit::ImageOutput,
];

impl Unit {
    /// The key in a price table.
    pub fn key(self) -> &'static str {
        match self {
            Unit::Input => "in",
            Unit::CacheRead => "read",
            Unit::CacheWrite5m => "write_5m",
            Unit::CacheWrite1h => "write_1h",
            Unit::CacheWrite => "write",
            Unit::AudioInput => "audio_in",
            Unit::ImageInput => "image_in",
            Unit::Output => "out",
            Unit::Reasoning => "reasoning",
            Unit::AudioOutput => "audio_out",
            Unit::ImageOutput => "image_out",
        }
    }

    /// Whose rate it has when it has none of its own (spec "providers" 16.4).
    fn inherits(self) -> Option<Unit> {
        match self {
            Unit::Input | Unit::Output => None,
            Unit::CacheRead | Unit::CacheWrite5m | Unit::AudioInput | Unit::ImageInput => Some(Unit::Input),
            // Never cheaper than the shorter time-to-live.
            Unit::CacheWrite1h | Unit::CacheWrite => Some(Unit::CacheWrite5m),
            Unit::Reasoning | Unit::AudioOutput | Unit::ImageOutput => Some(Unit::Output),
        }
    }

    fn is_output(self) -> bool {
        matches!(self, Unit::Output | Unit::Reasoning | Unit::AudioOutput | Unit::ImageOutput)
    }
}

/// One rate per unit, as far as they are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates([Option<i64>; UNITS.len()]);

impl Rates {
    pub const NONE: Rates = Rates([None; UNITS.len()]);

    pub fn own(&self, unit: Unit) -> Option<i64> {
        self.0[unit as usize]
    }

    pub fn set(&mut self, unit: Unit, rate: Option<i64>) {
        self.0[unit as usize] = rate;
    }

    /// Its own rate, or the inherited one.
    pub fn rate(&self, unit: Unit) -> Option<i64> {
        self.own(unit).or_else(|| self.rate(unit.inherits()?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// These, and `other`'s where these have none.
    pub fn or(&self, other: &Rates) -> Rates {
        let mut all = *self;
        UNITS.into_iter().for_each(|unit| all.set(unit, self.own(unit).or(other.own(unit))));
        all
    }

    /// Every known rate times a ratio.
    pub fn times(&self, ratio: Ratio) -> Option<Rates> {
        let mut all = Rates::default();
        for unit in UNITS {
            if let Some(rate) = self.own(unit) {
                all.set(unit, Some(ratio.of(rate)?));
            }
        }
        Some(all)
    }

    /// Rates a list does not give for a service tier follow what it gives: half the price for input means half the
    /// price for cached input. `from` and `to` are the standard's and the tier's rates, `of` what is to be scaled.
    pub fn scaled(of: &Rates, from: &Rates, to: &Rates) -> Rates {
        let mut all = Rates::default();
        for unit in UNITS {
            let whole = if unit.is_output() { Unit::Output } else { Unit::Input };
            if let (Some(rate), Some(from), Some(to)) = (of.own(unit), from.own(whole), to.own(whole)) {
                all.set(unit, scale(rate, from, to));
            }
        }
        all
    }
}

/// `rate * to / from`, to the nearest.
fn scale(rate: i64, from: i64, to: i64) -> Option<i64> {
    if from <= 0 {
        return None;
    }
    let (from, product) = (i128::from(from), i128::from(rate).checked_mul(i128::from(to))?);
    i64::try_from((product + from / 2) / from).ok()
}

/// Rates by the size of the request: whole-request cliffs, never a part of the tokens at one price and a part at
/// another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ladder {
    pub base: Rates,
    /// The rates of a request with more input tokens than the number, in ascending order.
    pub steps: Vec<(u64, Rates)>,
}

impl Ladder {
    /// For a request with so many input tokens, cached ones included.
    pub fn at(&self, input: u64) -> &Rates {
        self.steps.iter().rev().find(|(above, _)| input > *above).map_or(&self.base, |(_, rates)| rates)
    }

    pub fn times(&self, ratio: Ratio) -> Option<Ladder> {
        let steps = self.steps.iter().map(|(above, rates)| Some((*above, rates.times(ratio)?)));
        Some(Ladder { base: self.base.times(ratio)?, steps: steps.collect::<Option<_>>()? })
    }

    /// This, with what a list left out of a service tier taken from the standard's ladder.
    pub fn completed(&self, standard: &Ladder) -> Ladder {
        let scaled = |of: &Rates| Rates::scaled(of, &standard.base, &self.base);
        let mut steps: Vec<(u64, Rates)> = Vec::new();
        for (above, rates) in &self.steps {
            steps.push((*above, rates.or(&scaled(standard.at(above.saturating_add(1))))));
        }
        for (above, rates) in &standard.steps {
            if !self.steps.iter().any(|(own, _)| own == above) {
                steps.push((*above, scaled(rates)));
            }
        }
        steps.sort_by_key(|(above, _)| *above);
        Ladder { base: self.base.or(&scaled(&standard.base)), steps }
    }
}
