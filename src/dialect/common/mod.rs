//! What stands in the middle of a translation: one request, one sequence of pieces that make up an answer, and the list
//! of what could not be carried over. Each dialect reads its wire into these and writes them out; no dialect knows
//! another. Nothing here is used where client and provider speak the same dialect (DESIGN P2).

mod answer;
mod field;
mod lost;
mod piece;
mod request;
mod text;

pub use answer::{Answer, AnswerCall, AnswerPart, Choice, Gather};
pub use field::Field;
pub use lost::{Invalid, Lost};
pub use piece::{Finish, Piece};
pub use request::{
    CallResult, Effort, Format, Media, Message, Part, ReasoningAsk, ReasoningText, Request, Role, Source, Tool,
    ToolCall, ToolChoice,
};
pub use text::Text;
