//! Anthropic messages.

mod answer_in;
mod answer_out;
mod blocks_in;
mod blocks_out;
mod follow;
mod ids;
mod metering;
mod models;
mod node;
mod request_in;
mod request_out;
mod schema;
#[cfg(test)]
mod tests;
mod turns_out;

pub use answer_in::AnswerIn;
pub use answer_out::{AnswerOut, write_answer};
pub(super) use metering::{body, event};
pub use request_in::read_request;
pub use request_out::write_request;

/// The tool that a model without `output_config.format` must call with its answer. [`write_request`] offers it and
/// [`AnswerIn`] makes its input the text of the answer.
const FORMAT_TOOL: &str = "answer_as_json";
