//! Bedrock Converse and ConverseStream. Upstream only.

mod answer_in;
mod content;
mod frames;
mod metering;
mod models;
mod request_out;
#[cfg(test)]
mod tests;

pub use answer_in::AnswerIn;
pub use frames::{BadFrame, Frames};
pub(super) use metering::{body, event};
pub use request_out::write_request;
