//! The common stream: an answer in pieces, in the order a provider makes them. A unary answer is the same pieces, each
//! whole. Usage, the class of an error and the end are not among them: [`crate::dialect::Reading`] knows those.

use super::Text;

/// Borrowed from one event: whoever keeps one copies it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// Once, before all others; empty texts where the provider says nothing.
    Start {
        id: Text<'a>,
        model: Text<'a>,
    },
    Text {
        choice: u32,
        text: Text<'a>,
    },
    Refusal {
        choice: u32,
        text: Text<'a>,
    },
    /// Thinking. Pieces that follow each other make one stretch, until a signature or another kind of piece comes.
    Reasoning {
        choice: u32,
        text: Text<'a>,
    },
    /// What must come back with the stretch of thinking before it (Anthropic's `signature`, Gemini's
    /// `thoughtSignature`, OpenAI's `encrypted_content`).
    Signature {
        choice: u32,
        signature: Text<'a>,
    },
    /// A stretch of thinking that is encrypted as a whole.
    Redacted {
        choice: u32,
        data: Text<'a>,
    },
    /// A tool call begins. `index` counts the calls of this choice from 0. An empty id means that the provider gave
    /// none: the writer makes one.
    Call {
        choice: u32,
        index: u32,
        id: Text<'a>,
        name: Text<'a>,
        signature: Option<Text<'a>>,
    },
    /// The next part of a call's arguments, a JSON text.
    Arguments {
        choice: u32,
        index: u32,
        text: Text<'a>,
    },
    /// Items of OpenAI's `logprobs.content`, without the brackets: `{"token":..},{..}`.
    Logprobs {
        choice: u32,
        items: &'a [u8],
    },
    /// The choice is over. `said`: the provider's own word.
    Finish {
        choice: u32,
        reason: Finish,
        said: Text<'a>,
    },
    /// The provider failed in the middle; nothing more comes.
    Error {
        message: Text<'a>,
    },
}

/// Spec "providers" 1.3. A provider's word that is not known there is `Stop`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finish {
    Stop,
    /// One of the caller's stop sequences, where the provider tells it apart.
    StopSequence,
    Length,
    ToolCalls,
    ContentFilter,
    /// Anthropic's `pause_turn`: to be continued by sending it back.
    Pause,
    /// The model failed (Gemini's MALFORMED_FUNCTION_CALL and such).
    Error,
}
