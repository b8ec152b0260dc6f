//! Request heads: rules 1 to 10, 15, 18 and 19.

use super::*;

#[test]
fn a_request_head_is_cut_into_its_parts() {
    let head = "POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: example.com:8080\r\nAuthorization:Bearer k \t\r\n\
                X-TFY-Metadata: {\"a\":\"b\"}\r\nContent-Length: 5\r\n\r\nhello";
    let (buf, parsed) = (head.as_bytes(), request(head).unwrap());
    assert_eq!(parsed.method, Method::Post);
    assert_eq!(parsed.method_span.of(buf), b"POST");
    assert_eq!(parsed.path.of(buf), b"/v1/chat/completions");
    assert_eq!(parsed.query.unwrap().of(buf), b"a=b");
    assert_eq!(parsed.authority.of(buf), b"example.com:8080");
    assert_eq!(parsed.value(Name::Authorization, buf), Some(&b"Bearer k"[..]));
    assert_eq!(parsed.value(Name::Metadata, buf), Some(&b"{\"a\":\"b\"}"[..]));
    assert_eq!(parsed.find(Name::Cookie), None);
    assert_eq!((parsed.body, parsed.keep_alive, parsed.http10), (RequestBody::Length(5), true, false));
    assert_eq!(&buf[parsed.head_bytes..], b"hello");
}

#[test]
fn rule_1_lines_end_with_crlf_and_one_empty_line_may_come_first() {
    assert!(request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
    refused(400, "invalid_request_line", &["\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"]);
    refused(
        400,
        "invalid_head",
        &[
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
            "GET / HTTP/1.1\r\nHo\rst: a\r\n\r\n",
        ],
    );
    refused(
        400,
        "invalid_request_line",
        &["GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "GET /\rHTTP/1.1\r\nHost: a\r\n\r\n"],
    );
}

#[test]
fn rule_2_the_request_line_has_three_parts_and_a_known_version() {
    refused(
        400,
        "invalid_request_line",
        &[
            "GET /\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / http/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
            "GET / HTTP/1\r\nHost: a\r\n\r\n",
            " / HTTP/1.1\r\nHost: a\r\n\r\n",
        ],
    );
    refused(
        505,
        "version_not_supported",
        &["GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    );
    assert_eq!(request("get / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().method, Method::Other);
}

#[test]
fn rule_3_no_whitespace_around_names_and_no_folding() {
    refused(
        400,
        "invalid_head",
        &[
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n",
        ],
    );
}

#[test]
fn rule_4_names_are_tokens_and_values_have_no_controls() {
    for name in ["", "a b", "a\0", "a(", "a@", "\u{e9}", "a\x7f"] {
        refused(400, "invalid_head", &[&format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: v\r\n\r\n")]);
    }
    for value in ["a\0b", "\x0bchunked", "a\x7f", "\x1b[0m", "a\x0c"] {
        refused(400, "invalid_head", &[&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n")]);
    }
    refused(400, "invalid_head", &["GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nHost\r\n\r\n"]);
    assert!(request("GET / HTTP/1.1\r\nHost: a\r\nX: tab\there, \u{e9}, and \"\\\"\r\nY:\r\n\r\n").is_ok());
}

#[test]
fn rule_5_one_valid_host_and_a_plain_target() {
    refused(400, "duplicate_field", &["GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"]);
    refused(400, "invalid_host", &["GET / HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n"]);
    for host in
        ["", "a b", "u@a", "a:b", "a:123456", "a/", "a,b", "a:1:2", "[::1", "[g]", "[::1]x", "a%00", "a?b", "::1"]
    {
        refused(400, "invalid_host", &[&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")]);
    }
    for host in ["a", "a.example:80", "127.0.0.1:8080", "[::1]", "[2001:db8::1]:443", "a_b", "a:"] {
        assert!(request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).is_ok(), "{host}");
    }
    for target in [
        "/a#b", "/\u{e9}", "/a\\b", "/a\x7f", "/<", "*", "a", "a:80", "ftp://a/", "/%", "/%2", "/%zz", "/?\"",
        "http:/a",
    ] {
        refused(400, "invalid_target", &[&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")]);
    }
    refused(
        400,
        "invalid_target",
        &["CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"],
    );
    refused(
        400,
        "invalid_host",
        &["GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n"],
    );
    assert!(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
}

#[test]
fn rule_5_the_authority_of_an_absolute_target_replaces_host() {
    for (target, path, query) in [
        ("http://b:1/p?q", "/p", Some("q")),
        ("HTTPS://b:1/p", "/p", None),
        ("http://b:1", "/", None),
        ("http://b:1?q", "/", Some("q")),
        ("http://b:1/?", "/", Some("")),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (buf, parsed) = (head.as_bytes(), request(&head).unwrap());
        assert_eq!(parsed.authority.of(buf), b"b:1", "{target}");
        assert_eq!(parsed.path.of(buf), path.as_bytes(), "{target}");
        assert_eq!(parsed.query.map(|query| query.of(buf)), query.map(str::as_bytes), "{target}");
    }
}

#[test]
fn rules_6_and_7_transfer_encoding_excludes_content_length_and_http_1_0() {
    refused(
        400,
        "conflicting_framing",
        &[
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
        ],
    );
    refused(400, "invalid_transfer_encoding", &["POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"]);
}

#[test]
fn rule_8_transfer_encoding_is_chunked_once() {
    let post = |lines: &str| request(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")).map(|head| head.body);
    for lines in ["Transfer-Encoding: chunked", "transfer-encoding:CHUNKED \t"] {
        assert_eq!(post(lines), Ok(RequestBody::Chunked), "{lines}");
    }
    for value in [
        "",
        ",chunked",
        "chunked,",
        "chunked, chunked",
        "chunked, gzip",
        "chunked;a=b",
        "chunked ;a",
        "\"chunked\"",
        "gzip,,chunked",
    ] {
        let lines = format!("Transfer-Encoding: {value}");
        assert_eq!(post(&lines), Err((400, "invalid_transfer_encoding")), "{lines}");
    }
    let two_lines = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    assert_eq!(post(two_lines), Err((400, "invalid_transfer_encoding")));
    for value in ["gzip", "gzip, chunked", "identity", "xchunked", "chunkedx", "gzip;q=1, chunked"] {
        let lines = format!("Transfer-Encoding: {value}");
        assert_eq!(post(&lines), Err((501, "unsupported_transfer_encoding")), "{lines}");
    }
}

#[test]
fn rule_9_content_length_is_one_decimal_number() {
    let post = |value: &str| {
        request(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {value}\r\n\r\n")).map(|head| head.body)
    };
    assert_eq!(post("0"), Ok(RequestBody::Length(0)));
    assert_eq!(post("007"), Ok(RequestBody::Length(7)));
    assert_eq!(post("9999999999999999999"), Ok(RequestBody::Length(9_999_999_999_999_999_999)));
    for value in [
        "",
        "+1",
        "-1",
        "1 1",
        "1_000",
        "0x10",
        "1,1",
        "1, 1",
        "1.0",
        "1e3",
        "\u{b2}",
        "10000000000000000000",
        "00000000000000000001",
    ] {
        assert_eq!(post(value), Err((400, "invalid_content_length")), "{value}");
    }
    refused(400, "duplicate_field", &["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"]);
}

#[test]
fn rule_10_no_framing_means_no_body_and_some_methods_take_none() {
    assert_eq!(request("POST / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().body, RequestBody::None);
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for framing in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
            refused(400, "body_not_allowed", &[&format!("{method} / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")]);
        }
        assert!(request(&format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).is_ok());
    }
}

#[test]
fn rule_15_only_100_continue_is_expected() {
    let expects = |version: &str, lines: &str| {
        request(&format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n\r\n")).map(|head| head.expect_continue)
    };
    assert_eq!(expects("1.1", "Expect: 100-Continue\r\nContent-Length: 5"), Ok(true));
    assert_eq!(expects("1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked"), Ok(true));
    assert_eq!(expects("1.1", "Content-Length: 5"), Ok(false));
    assert_eq!(expects("1.1", "Expect: 100-continue"), Ok(false));
    assert_eq!(expects("1.1", "Expect: 100-continue\r\nContent-Length: 0"), Ok(false));
    assert_eq!(expects("1.0", "Expect: 100-continue\r\nContent-Length: 5"), Ok(false));
    for value in ["", "200-ok", "100-continue, 100-continue", "100-continue;a"] {
        let lines = format!("Expect: {value}\r\nContent-Length: 5");
        assert_eq!(expects("1.1", &lines), Err((417, "expectation_failed")), "{value}");
    }
}

#[test]
fn rule_18_a_path_hides_no_line_end() {
    for target in ["/%00", "/a%0d%0ab", "/%0A", "/%0D", "/x/%0", "http://a/%00"] {
        refused(400, "invalid_target", &[&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")]);
    }
    let head = "GET /v1/a%2Fb/../%2e//c?x=%0A&y={\"} HTTP/1.1\r\nHost: a\r\n\r\n".replace('"', "");
    let parsed = request(&head).unwrap();
    assert_eq!(
        parsed.path.of(head.as_bytes()),
        b"/v1/a%2Fb/../%2e//c",
        "routed on what is forwarded, not on a reading of it"
    );
}

#[test]
fn rule_19_a_head_ends_where_the_next_one_begins() {
    let two = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let first = request(two).unwrap();
    assert_eq!(request(&two[first.head_bytes..]).unwrap().head_bytes, first.head_bytes);
}

#[test]
fn connections_persist_by_version_and_option() {
    let keeps = |version: &str, lines: &str| {
        request(&format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n")).unwrap().keep_alive
    };
    assert!(
        keeps("1.1", "") && keeps("1.1", "Connection: keep-alive\r\n") && keeps("1.0", "Connection: Keep-Alive\r\n")
    );
    assert!(
        !keeps("1.1", "Connection: close\r\n")
            && !keeps("1.1", "Connection: keep-alive, CLOSE\r\n")
            && !keeps("1.0", "")
    );
    assert!(request("GET / HTTP/1.0\r\n\r\n").unwrap().authority.is_empty(), "HTTP/1.0 needs no Host");
}

#[test]
fn limits_are_exact_and_felt_before_the_head_is_complete() {
    let limits = HeadLimits { line_bytes_max: 20, head_bytes_max: 60, fields_max: 2 };
    let parse =
        |head: &str| parse_request(head.as_bytes(), &limits).map(|head| head.is_some()).map_err(|error| error.status);
    assert_eq!(parse("GET /1234567 HTTP/1.1"), Err(414));
    assert_eq!(parse("GET /123456 HTTP/1.1\r"), Ok(false));
    assert_eq!(parse("GET /123456 HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(true));
    let head = |len: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(len - 32));
    assert_eq!(parse(&head(60)), Ok(true));
    assert_eq!(parse(&head(61)), Err(431));
    assert_eq!(parse(&head(61)[..60]), Err(431));
    assert_eq!(parse(&head(61)[..59]), Ok(false));
    assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nZ: a\r\n"), Err(431));
    // What follows the head does not count.
    assert_eq!(parse(&format!("{}{}", head(60), "x".repeat(100))), Ok(true));
    // The first bytes of a TLS hello are refused, not waited on.
    assert_eq!(parse("\x16\x03\x01"), Err(400));
}

#[test]
fn names_are_known_whatever_their_case() {
    for (name, class) in [
        ("TE", Name::Te),
        ("X-Sluice-Metadata", Name::Metadata),
        ("x-sluice-retry", Name::TfyOrSluice),
        ("X-TFY-Anything", Name::TfyOrSluice),
        ("X-Forwarded-Proto", Name::Forwarded),
        ("OpenAI-Organization", Name::OpenAiOrganization),
        ("x_tfy_metadata", Name::Other),
        ("content-lengthy", Name::Other),
        ("x-", Name::Other),
    ] {
        assert_eq!(Name::of(name.as_bytes()), class, "{name}");
    }
    for word in ["te", "x-api-key", "content-length", "x-sluice-metadata"] {
        let class = Name::of(word.as_bytes());
        for (at, byte) in (0..word.len()).flat_map(|at| (b'!'..=b'~').map(move |byte| (at, byte))) {
            let mut other = word.as_bytes().to_vec();
            other[at] = byte;
            assert_eq!(Name::of(&other) == class, other.eq_ignore_ascii_case(word.as_bytes()), "{other:?}");
        }
    }
}
