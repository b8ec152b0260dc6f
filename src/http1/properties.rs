//! Whatever the bytes and however they are split: the same result, no panic, and nothing that httparse would refuse.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::tests::LIMITS;
use super::*;

/// A request head of valid parts. Framing and authentication fields come at most once, so all of them are accepted.
fn valid_head() -> impl Strategy<Value = Vec<u8>> {
    let target = select(vec!["/", "/v1/chat/completions", "/v1/models?a=%0A", "http://b/x", "/a%2fb"]);
    let field = (select(vec!["Accept", "x-tfy-metadata", "Cookie", "X_Y", "User-Agent", "a"]), "[ -~\t]{0,20}");
    let framing = select(vec!["", "Content-Length: 12\r\n", "Transfer-Encoding: chunked\r\n"]);
    (any::<bool>(), target, vec(field, 0..12), framing).prop_map(|(empty_line, target, fields, framing)| {
        let mut head =
            format!("{}POST {target} HTTP/1.1\r\nHost: a:1\r\n{framing}", if empty_line { "\r\n" } else { "" });
        for (name, value) in fields {
            head.push_str(&format!("{name}:{value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    })
}

/// The same with a few bytes changed, put in or taken out: near enough to valid to reach every branch.
fn nearly_valid_head() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), select(b"\r\n :\t,;=/?#%\0chunked0".to_vec())];
    (valid_head(), vec((any::<Index>(), byte, 0..3u8), 0..4)).prop_map(|(mut head, edits)| {
        for (place, byte, edit) in edits {
            let at = place.index(head.len());
            match edit {
                0 => head[at] = byte,
                1 => head.insert(at, byte),
                _ => drop(head.remove(at)),
            }
        }
        head
    })
}

fn chunked(pieces: &[(Vec<u8>, &str)], trailer: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for (piece, extension) in pieces {
        wire.extend_from_slice(format!("{:x}{extension}\r\n", piece.len()).as_bytes());
        wire.extend_from_slice(piece);
        wire.extend_from_slice(CHUNK_END);
    }
    wire.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
    wire
}

fn pieces() -> impl Strategy<Value = Vec<(Vec<u8>, &'static str)>> {
    let extension = select(vec!["", "", ";a", ";a=b;c", ";a=\"; \\\" \"", ";a=\"\""]);
    vec((vec(any::<u8>(), 1..40), extension), 0..10)
}

/// Feeds `wire` in the parts that `cuts` make of it, to the end or the first error.
fn decode_in_parts(decoder: &mut BodyDecoder, wire: &[u8], cuts: &[Index]) -> (Vec<u8>, Result<usize, BodyError>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).chain([wire.len()]).collect();
    ends.sort_unstable();
    let (mut content, mut at) = (Vec::new(), 0);
    for end in ends {
        while !decoder.is_done() {
            match decoder.advance(&wire[at..end]) {
                Ok(advance) => {
                    assert!(advance.content.end as usize <= advance.consumed);
                    content.extend_from_slice(advance.content.of(&wire[at..end]));
                    at += advance.consumed;
                    if advance.consumed == 0 {
                        break;
                    }
                }
                Err(error) => return (content, Err(error)),
            }
        }
        assert!(decoder.is_done() || at == end, "only a finished body leaves bytes");
    }
    (content, Ok(at))
}

proptest! {
    #[test]
    fn every_prefix_of_a_valid_head_asks_for_more(head in valid_head(), body in vec(any::<u8>(), 0..20)) {
        for end in 0..head.len() {
            prop_assert_eq!(parse_request(&head[..end], &LIMITS), Ok(None));
        }
        let parsed = parse_request(&head, &LIMITS).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        prop_assert_eq!(parsed.as_ref().map(|parsed| parsed.head_bytes), Some(head.len()));
        let followed = [&head[..], &body[..]].concat();
        prop_assert_eq!(parse_request(&followed, &LIMITS), Ok(parsed));
    }

    #[test]
    fn a_refused_prefix_stays_refused(head in nearly_valid_head()) {
        let whole = parse_request(&head, &LIMITS);
        for end in 0..head.len() {
            match parse_request(&head[..end], &LIMITS) {
                Ok(None) => {}
                // Complete before its end: more bytes change nothing.
                Ok(Some(head)) => prop_assert_eq!(Ok(Some(head)), whole.clone()),
                // Some faults are seen before an earlier one is: both times refused, perhaps for another reason.
                Err(_) => prop_assert!(whole.is_err()),
            }
        }
    }

    #[test]
    fn what_is_accepted_here_httparse_accepts_too(head in nearly_valid_head()) {
        if let Ok(Some(parsed)) = parse_request(&head, &LIMITS) {
            let mut fields = [httparse::EMPTY_HEADER; 100];
            let mut theirs = httparse::Request::new(&mut fields);
            prop_assert_eq!(theirs.parse(&head), Ok(httparse::Status::Complete(parsed.head_bytes)));
            prop_assert_eq!(theirs.method.map(str::as_bytes), Some(parsed.method_span.of(&head)));
            prop_assert_eq!(theirs.headers.len(), parsed.fields.len());
            for (our, their) in parsed.fields.iter().zip(theirs.headers) {
                prop_assert_eq!(our.name_span.of(&head), their.name.as_bytes());
                prop_assert_eq!(our.value.of(&head), their.value);
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), near in nearly_valid_head()) {
        for bytes in [&bytes, &near] {
            let _ = parse_request(bytes, &LIMITS);
            let _ = parse_response(bytes, Method::Post, &LIMITS);
            let tiny = HeadLimits { line_bytes_max: 0, head_bytes_max: 0, fields_max: 0 };
            let _ = parse_request(bytes, &tiny);
            let _ = parse_response(&[b"HTTP/1.1 200 OK\r\n", &bytes[..]].concat(), Method::Get, &LIMITS);
        }
    }

    #[test]
    fn forwarding_writes_whole_lines_and_no_framing(head in nearly_valid_head()) {
        if let Ok(Some(parsed)) = parse_request(&head, &LIMITS) {
            let mut out = b"POST / HTTP/1.1\r\nHost: b\r\n".to_vec();
            forward_fields(&parsed.fields, &head, &mut out, |_, _| false);
            out.extend_from_slice(b"\r\n");
            let again = parse_request(&out, &LIMITS).ok().flatten();
            prop_assert_eq!(again.map(|again| (again.body, again.head_bytes)), Some((RequestBody::None, out.len())));
        }
    }

    #[test]
    fn chunks_decode_to_the_same_content_however_they_arrive(
        pieces in pieces(),
        trailer in select(vec!["", "X: y\r\n", "A:\r\nB: c d\r\n"]),
        cuts in vec(any::<Index>(), 0..12),
        behind in vec(any::<u8>(), 0..10),
    ) {
        let wire = chunked(&pieces, trailer);
        let content: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece.clone()).collect();
        let mut decoder = BodyDecoder::request(RequestBody::Chunked, 100);
        let decoded = decode_in_parts(&mut decoder, &[&wire[..], &behind[..]].concat(), &cuts);
        prop_assert_eq!(decoded, (content, Ok(wire.len())));
        prop_assert!(decoder.is_done() && decoder.end_of_input().is_ok());
    }

    #[test]
    fn a_truncated_body_is_never_done(pieces in pieces(), cuts in vec(any::<Index>(), 0..4)) {
        let wire = chunked(&pieces, "X: y\r\n");
        for end in 0..wire.len() {
            let mut decoder = BodyDecoder::response(ResponseBody::Chunked, 100);
            prop_assert_eq!(decode_in_parts(&mut decoder, &wire[..end], &cuts).1, Ok(end));
            prop_assert!(!decoder.is_done());
            prop_assert_eq!(decoder.end_of_input(), Err(BodyError::Truncated));
        }
    }

    #[test]
    fn a_broken_body_breaks_at_the_same_content_however_it_arrives(
        pieces in pieces(),
        edits in vec((any::<Index>(), any::<u8>()), 1..4),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let mut wire = chunked(&pieces, "");
        for (place, byte) in edits {
            let at = place.index(wire.len());
            wire[at] = byte;
        }
        let mut whole = BodyDecoder::request(RequestBody::Chunked, 100);
        let mut split = BodyDecoder::request(RequestBody::Chunked, 100);
        prop_assert_eq!(decode_in_parts(&mut whole, &wire, &[]), decode_in_parts(&mut split, &wire, &cuts));
        prop_assert_eq!(whole.is_done(), split.is_done());
    }

    #[test]
    fn what_we_frame_we_read_back(pieces in vec(vec(any::<u8>(), 0..50), 0..10)) {
        let mut wire = Vec::new();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            wire.extend_from_slice(&chunk_head(piece.len()));
            wire.extend_from_slice(piece);
            wire.extend_from_slice(CHUNK_END);
        }
        wire.extend_from_slice(LAST_CHUNK);
        let mut decoder = BodyDecoder::response(ResponseBody::Chunked, 0);
        prop_assert_eq!(decode_in_parts(&mut decoder, &wire, &[]), (pieces.concat(), Ok(wire.len())));
        prop_assert!(decoder.is_done());
    }
}
