//! TE.TE: a Transfer-Encoding that one of two parsers does not recognise.

use super::all_refused;

/// Scenario: `chunked` in disguise: odd spelling, parameters, repeats, spaces, other codings, folded or split lines.
/// Guarantees: anything but one plain `chunked` is refused and closes; nothing falls back to "no body".
#[test]
fn chunked_is_chunked_or_refused() {
    let (bad, unsupported) = ((400, "invalid_transfer_encoding"), (501, "unsupported_transfer_encoding"));
    let values = [
        ("chunked, chunked", bad),
        ("chunked;q=1", bad),
        ("chunked, identity", bad),
        ("chunked,", bad),
        (",chunked", bad),
        ("", bad),
        ("\"chunked\"", bad),
        ("chunked\r\ntransfer-encoding: chunked", bad),
        ("chunked\r\ntransfer-encoding: cow", bad),
        ("xchunked", unsupported),
        ("chunked1", unsupported),
        ("gzip, chunked", unsupported),
        ("identity", unsupported),
        ("cow\r\ntransfer-encoding: chunked", unsupported),
    ];
    let raw: Vec<(Vec<u8>, (u16, &str))> = values
        .iter()
        .map(|(value, want)| {
            let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n";
            (format!("{head}transfer-encoding: {value}\r\n\r\n0\r\n\r\n").into_bytes(), *want)
        })
        .collect();
    let cases: Vec<(&[u8], u16, &str)> =
        raw.iter().map(|(raw, (status, code))| (raw.as_slice(), *status, *code)).collect();
    all_refused(&cases);
}

/// Scenario: the field's own name in disguise: a space before the colon, a fold, control bytes in the value.
/// Guarantees: the head is refused.
#[test]
fn the_name_is_not_disguised() {
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n";
    let lines = [
        "transfer-encoding : chunked",
        "transfer-encoding\t: chunked",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding: chunked\x00",
        "transfer-encoding:\r\n chunked",
        " transfer-encoding: chunked",
        "x: y\rtransfer-encoding: chunked",
        "x: y\ntransfer-encoding: chunked",
    ];
    let raw: Vec<Vec<u8>> = lines.iter().map(|line| format!("{head}{line}\r\n\r\n0\r\n\r\n").into_bytes()).collect();
    let cases: Vec<(&[u8], u16, &str)> = raw.iter().map(|raw| (raw.as_slice(), 400, "invalid_head")).collect();
    all_refused(&cases);
}
