//! What a target's tokens cost.

use super::Usage;

/// The prices of one target, with everything that decides between them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Pricing {}

impl Pricing {
    /// In pico-USD (1e-12 USD); `None` when this usage has no known price.
    pub fn cost(&self, _usage: &Usage, _unix_s: u64) -> Option<i64> {
        None
    }
}
