//! Tokens and money: usage folding, token counting, cost. No I/O, no runtime.

mod delivered;
mod estimate;
mod fold;
mod learned;
pub mod pricing;
#[cfg(test)]
mod tests;
mod tokenizer;
mod usage;

pub use delivered::Delivered;
pub use estimate::{count_tokens, estimate, estimate_tokens};
pub use fold::{CacheInput, Counts, Fold};
pub use learned::Learned;
pub use pricing::{Charge, CostSource, Pricing, PrivateCost};
pub use tokenizer::{Family, family, load_tokenizers, tokenizers_loaded};
pub use usage::{Billed, Geo, Modifiers, Tier, Usage, UsageSource};
