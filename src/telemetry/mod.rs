//! What is measured, not where it goes: the record of a request and the totals of a shard.
//!
//! Shards fill these shapes, the control core reads them. Nothing here does I/O or knows a runtime.

pub mod bounds;
#[cfg(test)]
pub mod fixture;
mod histogram;
pub mod path;
pub mod record;
mod series;
mod store;
pub mod totals;
pub mod verdict;

pub use record::{
    Attempt, AttemptReason, Diverted, ErrorClass, Face, Gaps, Metadata, Obstacle, Outcome, PassedOver, Principal,
    Record, RequestId, Route, Target, Trace,
};
