//! Tokens guessed from bytes, for models whose tokenizer is private or unknown, and before any answer (json/weight.rs
//! has the weights); [`super::Learned`] corrects the guess for each target.

use super::Family;
use crate::json::{RequestScan, TOKEN, weight};

/// How much too heavy an escape is as it is written: `\n` is one character, not a backslash and a letter, and
/// `\u6c34` is one of three bytes.
const ESCAPE: u64 = 9;
const UNICODE_ESCAPE: u64 = 26;
/// The priming of the reply.
const REPLY: u64 = 3;

/// Thousandths of a token.
pub(super) fn weigh(text: &[u8]) -> u64 {
    weight(text) * (1000 / TOKEN)
}

/// Tokens that this text probably is.
pub fn estimate_tokens(text: &[u8]) -> u64 {
    weigh(text).div_ceil(1000)
}

/// Tokens of input that this request probably is, before what was learned of its target.
pub fn estimate(scan: &RequestScan) -> u64 {
    let text = &scan.text;
    let escapes = text.escapes * ESCAPE + text.unicode_escapes * UNICODE_ESCAPE;
    (text.weight.saturating_sub(escapes) + scan.tools_weight).div_ceil(TOKEN) + REPLY
}

/// Tokens of this text by its family's own tokenizer; `None` when that is not public, or not loaded yet (it is asked
/// for). Takes about a millisecond for 200 KB: for use beside a limit that an estimate comes near.
pub fn count_tokens(family: Family, text: &str) -> Option<u64> {
    let tokenizer = family.tokenizer();
    if tokenizer.is_none() {
        family.want();
    }
    Some(tokenizer?.count(text) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan_request;

    fn of(body: &str) -> u64 {
        estimate(&scan_request(body.as_bytes()).expect("JSON"))
    }

    #[test]
    fn a_request_is_weighed_by_what_its_text_is() {
        let chat = |text: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        // "user" is one token, the reply's priming three.
        for (text, tokens) in [
            ("", 4),
            ("eight ch", 6),
            ("12345", 6),
            ("{[()]}", 7),
            ("\u{6c34}\u{95f8}", 6),
            (r"\u6c34\u95f8", 6),
            (r"one\ntwo\nsix", 7),
        ] {
            assert_eq!(of(&chat(text)), tokens, "{text}");
        }
        let long = "word ".repeat(8_000);
        assert_eq!(of(&chat(&long)), 10_004);
    }

    #[test]
    fn tools_are_part_of_it_and_files_are_not() {
        let tools =
            r#"[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{}}}}]"#;
        let with = scan_request(format!(r#"{{"input":"hi","tools":{tools}}}"#).as_bytes()).expect("JSON");
        let without = scan_request(br#"{"input":"hi","tools":[]}"#).expect("JSON");
        assert!(with.has_tools && !without.has_tools);
        assert!((20..40).contains(&(estimate(&with) - estimate(&without))), "{}", estimate(&with));
        let file = format!(r#"{{"messages":[{{"content":[{{"source":{{"data":"{}"}}}}]}}]}}"#, "A".repeat(9000));
        assert_eq!(of(&file), 3);
    }

    #[test]
    fn a_count_needs_a_public_tokenizer() {
        crate::meter::load_tokenizers();
        assert_eq!(count_tokens(Family::O200k, "hello world"), Some(2));
        assert_eq!(count_tokens(Family::Unknown, "hello world"), None);
    }
}
