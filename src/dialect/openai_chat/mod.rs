//! OpenAI chat completions, and the many servers that speak them.
//!
//! Two extensions let a model's thinking come back to it through a client that knows nothing of them and merely sends
//! the assistant's message back. Both are others' conventions, written by `answer_out`, read by `request_in` and
//! `answer_in`:
//! - `thinking_blocks` beside `reasoning_content` (LiteLLM): `[{"type":"thinking","thinking":"...","signature":"..."} |
//!   {"type":"redacted_thinking","data":"..."}]`. In a stream a block comes whole, in one delta, when its stretch of
//!   thinking closes; `index` counts the blocks, as SDKs that add deltas up want it.
//! - `extra_content: {"google":{"thought_signature":"..."}}` on a tool call (Google).

mod answer_in;
mod answer_out;
mod calls_in;
mod clones;
pub mod completions;
mod fields;
mod message_in;
mod messages_in;
mod messages_out;
mod metering;
#[cfg(test)]
mod recordings_tests;
mod request_in;
mod request_out;
#[cfg(test)]
mod request_tests;
mod shape;
#[cfg(test)]
mod stream_tests;
mod thinking;
mod unary_out;

pub use answer_in::AnswerIn;
pub use answer_out::AnswerOut;
pub(super) use metering::{body, event};
pub use request_in::read_request;
pub use request_out::write_request;
pub use unary_out::write_answer;
