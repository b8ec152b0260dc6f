//! Sluice: an AI gateway that meters every token that passes.
//!
//! Floors, lowest first. A module imports only from floors below its own; `tests/tidy.rs` checks it.
//! - no I/O, no runtime: [`http1`], [`sse`], [`json`], [`dialect`], [`meter`], [`policy`], [`provider`]
//! - shapes shared by both sides: [`config`], [`telemetry`], [`mesh`]
//! - the data plane: [`runtime`] (the only place that names monoio), [`tls`], [`shard`]
//! - the control core: [`control`] (the only place that names tokio, axum, rusqlite)
//!
//! `shard` and `control` never import each other: they talk through [`mesh`] only.

pub mod config;
pub mod control;
pub mod dialect;
pub mod http1;
pub mod json;
pub mod mesh;
pub mod meter;
pub mod policy;
pub mod provider;
pub mod runtime;
pub mod shard;
pub mod sse;
pub mod telemetry;
pub mod tls;
