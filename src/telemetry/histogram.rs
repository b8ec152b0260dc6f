//! Fixed-bucket histograms of whole numbers, and the one rule by which everything counted is added up.

use super::Gaps;
use super::bounds::{BOUNDS_MAX, Bounds};

/// What can be added to another of its kind. Adding in any grouping gives the same result.
pub trait Absorb {
    fn absorb(&mut self, other: &Self);
}

impl Absorb for u64 {
    fn absorb(&mut self, other: &Self) {
        *self += other;
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    pub bounds: &'static Bounds,
    /// One per bound, then one for everything above; the rest stays 0.
    counts: [u64; BOUNDS_MAX + 1],
    /// In the unit observed.
    sum: u64,
}

impl Histogram {
    pub fn new(bounds: &'static Bounds) -> Self {
        Self { bounds, counts: [0; BOUNDS_MAX + 1], sum: 0 }
    }

    pub fn add(&mut self, value: u64) {
        let slot = self.bounds.upper.partition_point(|&bound| bound < value);
        if let Some(count) = self.counts.get_mut(slot) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds what a stream collected. Only for histograms over [`bounds::GAPS`](super::bounds::GAPS).
    pub fn add_gaps(&mut self, gaps: &Gaps) {
        if gaps.counts == [0; Gaps::BOUNDS_NS.len() + 1] {
            return;
        }
        for (count, &gap) in self.counts.iter_mut().zip(&gaps.counts) {
            *count += u64::from(gap);
        }
        self.sum = self.sum.saturating_add(gaps.sum_ns);
    }

    /// By bucket, not cumulative, the one above the last bound included.
    pub fn counts(&self) -> &[u64] {
        self.counts.get(..=self.bounds.upper.len()).unwrap_or(&self.counts)
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// In the unit shown.
    pub fn sum(&self) -> f64 {
        self.sum as f64 / self.bounds.per_unit
    }

    /// Upper bounds in the unit shown.
    pub fn uppers(&self) -> impl Iterator<Item = f64> + use<> {
        let bounds = self.bounds;
        bounds.upper.iter().map(|&bound| bound as f64 / bounds.per_unit)
    }
}

impl Absorb for Histogram {
    fn absorb(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }
}

/// A few values under a few keys: an outcome, an error class. Searched in order, because the first key is nearly
/// always the one.
#[derive(Clone, Debug)]
pub struct Tally<K, V>(Vec<(K, V)>);

impl<K, V> Default for Tally<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq + Copy, V> Tally<K, V> {
    pub fn at(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        let at = match self.0.iter().position(|(known, _)| *known == key) {
            Some(at) => at,
            None => {
                self.0.push((key, new()));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }

    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }
}

impl<K: PartialEq + Copy> Tally<K, u64> {
    pub fn count(&mut self, key: K) {
        *self.at(key, || 0) += 1;
    }
}

impl<K: PartialEq + Copy, V: Absorb + Clone> Absorb for Tally<K, V> {
    fn absorb(&mut self, other: &Self) {
        for (key, value) in &other.0 {
            match self.0.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => known.absorb(value),
                None => self.0.push((*key, value.clone())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bounds;
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let mut histogram = Histogram::new(&bounds::TOKENS);
        for value in [0, 1, 2, 4, 5, 67_108_864, 67_108_865, u64::MAX] {
            histogram.add(value);
        }
        assert_eq!(&histogram.counts()[..4], [2, 2, 1, 0]);
        assert_eq!(&histogram.counts()[13..], [1, 2]);
        assert_eq!(histogram.count(), 8);
    }

    #[test]
    fn gaps_of_a_stream_land_in_the_same_buckets_as_single_observations() {
        let (mut gaps, mut single) = (Gaps::default(), Histogram::new(&bounds::GAPS));
        for gap_ns in [0, 999_999, 1_000_000, 1_000_001, 19_000_000, 1_000_000_000, 1_000_000_001] {
            gaps.add(gap_ns);
            single.add(gap_ns);
        }
        let mut merged = Histogram::new(&bounds::GAPS);
        merged.add_gaps(&gaps);
        assert_eq!(merged, single);
    }
}
