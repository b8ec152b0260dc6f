//! Cohere v2 chat. Upstream only.

mod answer_in;
mod messages;
mod metering;
mod request_out;
#[cfg(test)]
mod tests;

pub use answer_in::AnswerIn;
pub(super) use metering::{body, event};
pub use request_out::write_request;
