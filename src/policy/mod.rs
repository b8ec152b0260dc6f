//! Pure decisions: who calls, what they may use, where a model name leads. No I/O, no runtime, no clock.

pub mod identity;
pub mod resolve;
pub mod route;
pub mod spoken;
