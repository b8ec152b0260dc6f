//! OpenAI responses.

mod answer_in;
mod answer_out;
mod answer_read;
mod body_out;
mod carried;
mod follow;
mod input_in;
mod input_out;
mod item;
mod metering;
mod read;
mod request_in;
mod request_out;
mod response;
#[cfg(test)]
mod tests;

pub use answer_in::AnswerIn;
pub use answer_out::AnswerOut;
pub use body_out::write_answer;
pub(super) use metering::{body, event};
pub use request_in::read_request;
pub use request_out::write_request;
