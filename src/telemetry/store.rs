//! Series by label set, with a budget. Looking one up allocates nothing when it exists: the label set is hashed where
//! it lies in the record and compared with what the series keeps.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use ahash::RandomState;

use super::histogram::Absorb;

/// Label sets of one family. More fold into one, whose free labels say [`OTHER`]: sums stay right.
pub const SERIES_PER_FAMILY_MAX: usize = 2_000;
/// Label sets of all families together.
pub const SERIES_MAX: usize = 50_000;
/// The value of every free label of the series that takes what is over budget.
pub const OTHER: &str = "__other__";

/// One label set and what is counted under it.
pub trait Series: Absorb + Clone {
    /// How many metric families it carries: its weight in [`SERIES_MAX`].
    const FAMILIES: usize;
    fn hash(&self, state: &RandomState) -> u64;
    fn same_labels(&self, other: &Self) -> bool;
    /// Nothing counted, under the same labels.
    fn empty(&self) -> Self;
    /// An empty one for what is over budget.
    fn other() -> Self;
}

/// Keys are hashes already.
#[derive(Default)]
pub struct Passed(u64);

impl Hasher for Passed {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub struct Store<S> {
    /// Hash of the labels, or the next free number after it -> index of the series.
    index: HashMap<u64, usize, BuildHasherDefault<Passed>>,
    series: Vec<S>,
    other: Option<S>,
    /// The series that was asked for last.
    recent: usize,
    /// Observations, or merged series, that went into `other`.
    pub folded: u64,
}

impl<S> Default for Store<S> {
    fn default() -> Self {
        Self { index: HashMap::default(), series: Vec::new(), other: None, recent: 0, folded: 0 }
    }
}

impl<S: Series> Store<S> {
    /// The series whose labels hash to `hash` and are the `same`; `make` makes it when there is room.
    pub fn slot(
        &mut self,
        hash: u64,
        budget: &mut Budget,
        same: impl Fn(&S) -> bool,
        make: impl FnOnce() -> S,
    ) -> &mut S {
        let mut key = hash;
        loop {
            match self.index.get(&key) {
                Some(&at) if same(&self.series[at]) => {
                    self.recent = at;
                    return &mut self.series[at];
                }
                // Two label sets with one hash: the second lives at the next number.
                Some(_) => key = key.wrapping_add(1),
                None => break,
            }
        }
        if self.series.len() >= SERIES_PER_FAMILY_MAX || !budget.take(S::FAMILIES) {
            self.folded += 1;
            return self.other.get_or_insert_with(S::other);
        }
        let at = self.series.len();
        self.index.insert(key, at);
        self.series.push(make());
        self.recent = at;
        &mut self.series[at]
    }

    /// The series asked for last, if it is the `same`: comparing is cheaper than hashing, and traffic comes in runs.
    pub fn recent(&mut self, same: impl Fn(&S) -> bool) -> Option<&mut S> {
        self.series.get_mut(self.recent).filter(|series| same(series))
    }

    /// Adds series kept elsewhere, each as `adapt` shows it.
    pub fn absorb<'a>(
        &mut self,
        from: &'a Store<S>,
        state: &RandomState,
        budget: &mut Budget,
        adapt: impl Fn(&'a S) -> Cow<'a, S>,
    ) {
        for series in &from.series {
            let series = adapt(series);
            self.slot(series.hash(state), budget, |known| known.same_labels(&series), || series.empty())
                .absorb(&series);
        }
        if let Some(other) = &from.other {
            self.other.get_or_insert_with(S::other).absorb(other);
        }
        self.folded += from.folded;
    }

    /// Every series; the last may be the one for what is over budget, and then the flag is set.
    pub fn iter(&self) -> impl Iterator<Item = (&S, bool)> {
        self.series.iter().map(|series| (series, false)).chain(self.other.iter().map(|series| (series, true)))
    }
}

/// What is left of [`SERIES_MAX`].
pub struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(SERIES_MAX)
    }
}

impl Budget {
    fn take(&mut self, families: usize) -> bool {
        match self.0.checked_sub(families) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}
