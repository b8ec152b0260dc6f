//! Signatures of other makers, for clients of this dialect. The field is base64 here, and Google's SDKs decode it and
//! write it anew in the other alphabet. What another maker signed, marked as such (`sluice:anthropic:..`), would not
//! survive that, so the marked text goes as base64 of itself.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};

const MARK: &str = "sluice:";
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// As a client of this dialect gets it.
pub(super) fn wrapped(signature: &str) -> Cow<'_, str> {
    if signature.starts_with(MARK) {
        return Cow::Owned(general_purpose::STANDARD.encode(signature));
    }
    Cow::Borrowed(signature)
}

/// As it was before.
pub(super) fn unwrapped(signature: &str) -> String {
    let decode = |alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(signature).ok();
    let text = decode(&URL_SAFE).or_else(|| decode(&STANDARD)).and_then(|bytes| String::from_utf8(bytes).ok());
    text.filter(|text| text.starts_with(MARK)).unwrap_or_else(|| signature.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_marked_survives_a_client_that_decodes_and_encodes() {
        for signature in ["sluice:anthropic:ab+/c==", "sluice:openai:gAAA-_", "c2ln", "not base64!", "ab+/cd=="] {
            let wrapped = wrapped(signature);
            assert_eq!(unwrapped(&wrapped), signature);
            if signature.starts_with(MARK) {
                let bytes = general_purpose::STANDARD.decode(wrapped.as_bytes()).unwrap();
                assert_eq!(unwrapped(&general_purpose::URL_SAFE.encode(&bytes)), signature);
            }
        }
    }
}
