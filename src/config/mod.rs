//! YAML documents -> one validated, immutable [`Snapshot`].

mod snapshot;

pub use snapshot::*;
