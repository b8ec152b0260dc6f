//! What a provider wants back that this dialect has no word for. Its one opaque place is `encrypted_content` of a
//! reasoning item, which clients send back as it came, so such values travel there behind a prefix of ours. Without a
//! prefix it is the signature of the thinking in the same item.
//!
//! Written by [`super::answer_out`], read back by [`super::input_in`] (and by [`super::answer_in`], where the provider
//! is a gateway like this one).

/// Gemini's `thoughtSignature` of the function call that follows the item.
pub(super) const CALL: &str = "sluice:call:";
/// Anthropic's `redacted_thinking`, whole.
pub(super) const REDACTED: &str = "sluice:redacted:";

/// What an `encrypted_content` holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Carried<'a> {
    Signature(&'a [u8]),
    CallSignature(&'a [u8]),
    Redacted(&'a [u8]),
}

impl<'a> Carried<'a> {
    /// `content` may be the inside of a JSON string: the prefixes need no escapes.
    pub fn of(content: &'a [u8]) -> Self {
        if let Some(signature) = content.strip_prefix(CALL.as_bytes()) {
            return Carried::CallSignature(signature);
        }
        match content.strip_prefix(REDACTED.as_bytes()) {
            Some(data) => Carried::Redacted(data),
            None => Carried::Signature(content),
        }
    }
}
