//! Tokens and money: usage folding, token counting, cost. No I/O, no runtime.

mod usage;

pub use usage::{Usage, UsageSource};
