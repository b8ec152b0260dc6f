//! Gemini's generateContent and streamGenerateContent, of the Gemini API and of Vertex AI.

mod answer_in;
mod answer_out;
#[cfg(test)]
mod answer_tests;
mod config_in;
mod contents_in;
mod contents_out;
mod fields;
mod finish;
mod logprobs;
mod metering;
mod model;
mod part_out;
mod partial;
mod path;
mod request_in;
mod request_out;
#[cfg(test)]
mod request_out_tests;
#[cfg(test)]
mod request_tests;
mod schema;
mod signature;
mod usage;

pub use answer_in::AnswerIn;
pub use answer_out::{AnswerOut, write_answer};
pub(super) use metering::{body, event};
pub use path::parse_path;
pub use request_in::read_request;
pub use request_out::write_request;
pub(super) use usage::Snapshot;
