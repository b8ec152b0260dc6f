use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn scan(text: &str) -> RequestScan {
    scan_request(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Makes a JSON document out of random bytes, in many spellings.
struct Maker<'a>(std::slice::Iter<'a, u8>);

impl Maker<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn white(&mut self, out: &mut String) {
        out.push_str(["", "", "", " ", "\n", "\t", "\r\n  "][usize::from(self.next() % 7)]);
    }

    fn string(&mut self, out: &mut String) {
        out.push('"');
        for _ in 0..self.next() % 20 {
            out.push_str(
                [
                    "a",
                    "model",
                    " ",
                    "é",
                    "漢",
                    "🦀",
                    "\\n",
                    "\\\"",
                    "\\\\",
                    "\\u0041",
                    "\\ud83d\\ude00",
                    "\\ud800",
                    "]",
                    "{",
                    ",",
                ][usize::from(self.next() % 15)],
            );
        }
        out.push('"');
    }

    fn value(&mut self, depth: usize, out: &mut String) {
        self.white(out);
        match self.next() % if depth == 0 { 5 } else { 9 } {
            0 => out.push_str(
                ["0", "-0", "12", "-7.25", "1e9", "2.50E-3", "12345678901234567890"][usize::from(self.next() % 7)],
            ),
            1 => out.push_str(["true", "false", "null"][usize::from(self.next() % 3)]),
            2..=4 => self.string(out),
            5 | 6 => {
                out.push('[');
                self.white(out);
                for i in 0..self.next() % 5 {
                    out.push_str(if i > 0 { "," } else { "" });
                    self.value(depth - 1, out);
                }
                out.push(']');
            }
            _ => self.object(depth - 1, "", out),
        }
        self.white(out);
    }

    fn object(&mut self, depth: usize, first: &str, out: &mut String) {
        out.push('{');
        out.push_str(first);
        self.white(out);
        for i in 0..self.next() % 5 {
            out.push_str(if i > 0 || !first.is_empty() { "," } else { "" });
            self.white(out);
            self.string(out);
            self.white(out);
            out.push(':');
            self.value(depth, out);
        }
        out.push('}');
    }
}

/// A request whose model is `gpt`, then whatever the bytes make.
fn request(bytes: &[u8]) -> String {
    let mut text = String::new();
    Maker(bytes.iter()).object(4, r#""model" : "g\u0070t""#, &mut text);
    text
}

/// Rereads a document with a walk and an own bracket count, as `dialect` does with events.
fn walk_whole(text: &[u8]) -> bool {
    let mut walk = Walk::new(text);
    if walk.object() {
        while walk.key().is_some() {
            if walk.array() {
                while walk.item() {
                    walk.raw();
                }
            } else {
                walk.skip()
            }
        }
    }
    walk.at_end()
}

proptest! {
    #[test]
    fn valid_documents_are_accepted_and_truncations_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = request(&bytes);
        // serde_json refuses lone surrogates; RFC 8259 8.2 does not.
        let spelled = text.replace("\\ud800", "x");
        let duplicate = text.matches("model").count() > 1;
        match scan_request(text.as_bytes()) {
            Ok(scan) => {
                prop_assert!(serde_json::from_str::<Value>(&spelled).is_ok());
                let model = scan.model.unwrap();
                prop_assert_eq!(model.raw(text.as_bytes()), br"g\u0070t");
                prop_assert_eq!(model.decode(text.as_bytes()), "gpt");
                prop_assert!(walk_whole(text.as_bytes()));
            }
            Err(error) => prop_assert!(duplicate && error.expected.contains("once"), "{}: {}", text, error),
        }
        for end in 0..text.len() {
            prop_assert!(scan_request(&text.as_bytes()[..end]).is_err(), "{}", end);
            prop_assert!(end == 0 || !walk_whole(&text.as_bytes()[..end]), "{}", end);
        }
    }

    #[test]
    fn a_changed_byte_is_judged_like_serde_json_does(bytes in proptest::collection::vec(any::<u8>(), 0..200), at: usize, byte: u8) {
        let mut text = request(&bytes).replace("\\ud800", "x").into_bytes();
        let at = at % text.len();
        text[at] = byte;
        let ours = scan_request(&text);
        // serde_json has no room for lone surrogates and huge exponents, which RFC 8259 allows.
        let theirs = match serde_json::from_slice::<Value>(&text) {
            Ok(value) => value.is_object(),
            Err(error) => ["surrogate", "hex escape", "out of range"].iter().any(|known| error.to_string().contains(known)),
        };
        match ours {
            Ok(_) => prop_assert!(theirs, "{:?}", String::from_utf8_lossy(&text)),
            // Where serde_json stops early for such a reason, ours may find another behind it.
            Err(error) => prop_assert!(serde_json::from_slice::<Value>(&text).is_err() || !theirs || error.expected.contains("model"), "{}", error),
        }
        walk_whole(&text);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = scan_request(&bytes);
        let mut walk = Walk::new(&bytes);
        for &byte in &bytes {
            match byte % 7 {
                0 => { walk.object(); }
                1 => { walk.array(); }
                2 => { walk.key(); }
                3 => { walk.item(); }
                4 => { walk.string(); }
                5 => { walk.number(); }
                _ => walk.skip(),
            }
        }
        let _ = decode(&bytes);
    }

    #[test]
    fn edits_keep_every_other_byte(bytes in proptest::collection::vec(any::<u8>(), 0..200), model in ".{0,12}") {
        let text = request(&bytes);
        let Ok(scan) = scan_request(text.as_bytes()) else { return Ok(()) };
        let mut edits = vec![edit_include_usage(&scan, text.as_bytes()).unwrap(), edit_model(&scan, &model)];
        let mut out = Vec::new();
        apply_edits(text.as_bytes(), &mut edits, &mut out);
        let after = scan_request(&out).unwrap();
        prop_assert_eq!(after.model.unwrap().decode(&out), model.as_str());
        prop_assert_eq!(after.include_usage, Some(true));
        let rest = &text[scan.model.unwrap().span.end as usize..];
        prop_assert!(out.ends_with(rest.as_bytes()));
    }

    #[test]
    fn escaping_and_decoding_are_inverse(text in any::<String>(), cut in 0..400usize) {
        let mut raw = Vec::new();
        escape_into(&text, &mut raw);
        prop_assert_eq!(decode(&raw), text.as_str());
        // All escaped, and cut between two UTF-16 units.
        let escapes: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let (a, b) = escapes.split_at(cut.min(escapes.len()));
        let (mut open, mut out) = (None, Vec::new());
        unescape(a.concat().as_bytes(), &mut open, &mut out);
        unescape(b.concat().as_bytes(), &mut open, &mut out);
        prop_assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}

#[test]
fn what_is_wanted_of_a_request_is_found() {
    let body = r#" {"model":"gpt-4o","stream":true,"max_tokens":5,"max_completion_tokens":70,"user":"u\n1",
        "stream_options":{"x":[1],"include_usage":false},
        "messages":[{"role":"user","content":[{"type":"text","text":"hello"},{"image":{"data":"AAAA"},"u":"data:image/png;base64,AA"}]}],
        "tools":[{"description":"not counted"}]} "#;
    let scan = scan(body);
    assert_eq!(scan.model.unwrap().decode(body.as_bytes()), "gpt-4o");
    assert!(scan.stream);
    assert_eq!(scan.max_tokens, Some(70));
    assert_eq!(scan.user.unwrap().decode(body.as_bytes()), "u\n1");
    assert_eq!(scan.include_usage, Some(false));
    assert_eq!(scan.stream_options.unwrap().of(body.as_bytes()), br#"{"x":[1],"include_usage":false}"#);
    assert_eq!(scan.text.weight, 5 * ("user".len() + "text".len() + "hello".len()) as u64);
    assert!(scan.has_tools && scan.tools_weight > 0);
    assert_eq!(scan.object_start, 2);
}

#[test]
fn stream_options_are_completed_in_every_form() {
    for (before, after) in [
        (r#"{}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{ "a":1}"#, r#"{"stream_options":{"include_usage":true}, "a":1}"#),
        (r#"{"stream_options":null}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options": { }}"#, r#"{"stream_options": {"include_usage":true }}"#),
        (r#"{"stream_options":{"x":1}}"#, r#"{"stream_options":{"include_usage":true,"x":1}}"#),
        (r#"{"stream_options":{"include_usage": false}}"#, r#"{"stream_options":{"include_usage": true}}"#),
        (r#"{"stream_options":{"include_usage":null}}"#, r#"{"stream_options":{"include_usage":true}}"#),
    ] {
        let mut out = Vec::new();
        let edit = edit_include_usage(&scan(before), before.as_bytes()).unwrap();
        apply_edits(before.as_bytes(), &mut [edit], &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), after);
    }
    for kept in [r#"{"stream_options":{"include_usage":true}}"#, r#"{"stream_options":7}"#] {
        assert_eq!(edit_include_usage(&scan(kept), kept.as_bytes()), None);
    }
}

#[test]
fn refusals_say_where_and_what() {
    for (body, offset, expected) in [
        ("", 0, "a JSON object"),
        ("[]", 0, "a JSON object"),
        ("\u{feff}{}", 0, "a JSON object"),
        ("{} x", 3, "the end of the body"),
        (r#"{"model":"a","mod\u0065l":"b"}"#, 13, "`model` once"),
        (r#"{"model":7}"#, 9, "a string as `model`"),
        (r#"{"stream":"true"}"#, 10, "true or false as `stream`"),
        (r#"{"a":01}"#, 6, "a comma or `}`"),
        (r#"{"a":[1 2]}"#, 8, "a comma or `]`"),
        (r#"{"a":1,}"#, 7, "a key in quotes"),
        ("{\"a\":\"\n\"}", 6, "no bare control character in a string"),
        (r#"{"a":"\x"}"#, 6, "an escape of RFC 8259"),
    ] {
        assert_eq!(scan_request(body.as_bytes()), Err(JsonError { offset, expected }), "{body}");
    }
    assert_eq!(scan_request(b"{\"a\":\"x\xff\"}").unwrap_err(), JsonError { offset: 7, expected: "valid UTF-8" });
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(scan_request(nested(127).as_bytes()).is_ok());
    assert!(scan_request(nested(128).as_bytes()).unwrap_err().expected.contains("128"));
}

#[test]
fn counts_are_whole_or_odd() {
    for (text, number) in [
        ("12", Number::Whole(12)),
        ("12.0", Number::Whole(12)),
        ("null", Number::Null),
        ("-1", Number::Odd),
        ("1.5", Number::Odd),
        ("1e3", Number::Odd),
        ("\"12\"", Number::Odd),
        ("{}", Number::Odd),
        ("1000000000001", Number::Odd),
        ("99999999999999999999999", Number::Odd),
    ] {
        let mut walk = Walk::new(text.as_bytes());
        assert_eq!(walk.number(), number, "{text}");
        assert!(walk.at_end(), "{text}");
    }
}
