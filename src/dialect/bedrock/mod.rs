//! Bedrock Converse and ConverseStream. Upstream only.

mod answer_in;
mod frames;
mod metering;
mod request_out;

pub use answer_in::AnswerIn;
pub use frames::{BadFrame, Frames};
pub(super) use metering::{body, event};
pub use request_out::write_request;
