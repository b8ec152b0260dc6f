//! Ids of tool calls. A Messages answer has no place for what Gemini wants back with a call (`thoughtSignature`, without
//! which the next turn is refused), and a client may leave out thinking blocks, but never an id: it must repeat that in
//! its `tool_result`. So the signature travels at the end of the id, and comes off when the id comes back:
//! `toolu_01ab__sig_` and the signature in base64url without padding. That stays within `^[a-zA-Z0-9_-]+$`, the only
//! form Anthropic takes, should the conversation go on there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const MARK: &str = "__sig_";

pub(super) fn with_signature(id: &str, signature: &str) -> String {
    let mut id = format!("{id}{MARK}");
    URL_SAFE_NO_PAD.encode_string(signature, &mut id);
    id
}

/// The id itself, and the signature it carried.
pub(super) fn split(id: &str) -> (&str, Option<String>) {
    let carried = id.split_once(MARK).and_then(|(bare, coded)| {
        let signature = String::from_utf8(URL_SAFE_NO_PAD.decode(coded).ok()?).ok()?;
        (!signature.is_empty()).then_some((bare, signature))
    });
    match carried {
        Some((bare, signature)) => (bare, Some(signature)),
        None => (id, None),
    }
}

/// For calls that came without an id; `nth` counts them within one answer.
pub(super) fn minted(answer_id: &str, nth: u32) -> String {
    format!("toolu_{answer_id}{nth:02x}")
}

/// Other dialects allow any text in an id (`functions.get_time:0`).
pub(super) fn allowed(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_comes_back_with_the_id_it_went_out_on() {
        for signature in ["CpcBAdHtim9+/w==", "\u{e9}\n\"", "a"] {
            let id = with_signature("call_1", signature);
            assert_eq!(split(&id), ("call_1", Some(signature.to_owned())));
            assert_eq!(allowed(&id), id, "within what Anthropic takes");
        }
        for id in ["toolu_01", "", "__sig_", "a__sig_", "a__sig_!!", "a__sig_gA"] {
            assert_eq!(split(id), (id, None));
        }
    }
}
