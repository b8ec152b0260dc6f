//! Why an answer ended, in Google's words (spec "providers" 1.3) and in ours.

use crate::dialect::common::Finish;
use crate::json::Walk;

/// A value of one of Google's enumerations: its name, or its number as some servers write it. `None` where nothing is
/// said.
pub(super) fn word<'a>(walk: &mut Walk<'a>) -> Option<&'a [u8]> {
    let said = match walk.peek() {
        b'"' => walk.string()?,
        b'0'..=b'9' => walk.raw(),
        _ => {
            walk.skip();
            return None;
        }
    };
    (!matches!(said, b"" | b"0") && !said.ends_with(b"_UNSPECIFIED")).then_some(said)
}

/// Words that are not known are a plain stop.
pub(super) fn finish_of(said: &[u8]) -> Finish {
    match said {
        b"MAX_TOKENS" | b"2" => Finish::Length,
        b"SAFETY"
        | b"3"
        | b"RECITATION"
        | b"4"
        | b"BLOCKLIST"
        | b"PROHIBITED_CONTENT"
        | b"SPII"
        | b"IMAGE_SAFETY"
        | b"IMAGE_PROHIBITED_CONTENT"
        | b"IMAGE_RECITATION"
        | b"MODEL_ARMOR"
        | b"LANGUAGE" => Finish::ContentFilter,
        b"MALFORMED_FUNCTION_CALL"
        | b"MALFORMED_RESPONSE"
        | b"UNEXPECTED_TOOL_CALL"
        | b"TOO_MANY_TOOL_CALLS"
        | b"MISSING_THOUGHT_SIGNATURE"
        | b"IMAGE_OTHER"
        | b"NO_IMAGE"
        | b"OTHER" => Finish::Error,
        _ => Finish::Stop,
    }
}

/// What a client of this dialect is told.
pub(super) fn word_of(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls | Finish::Pause => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
        Finish::Error => "OTHER",
    }
}
