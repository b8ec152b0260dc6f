//! Two tools that the `sluice` binary carries and that know nothing of it: [`mock`], a provider simulated down to its faults, and
//! [`load`], the load generator. They share a runtime choice ([`rt`]), random delays ([`dist`]) and the chunked decoder ([`http`]).

pub mod load;
pub mod mock;

mod dist;
mod http;
mod rt;
