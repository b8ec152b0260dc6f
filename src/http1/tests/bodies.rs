//! Bodies as they are received: rules 11, 16 and 22.

use super::*;

#[test]
fn rule_11_chunks_are_parsed_strictly() {
    assert_eq!(decode_chunked("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"), Ok("hello!".into()));
    assert_eq!(decode_chunked("000a;a;b=c;d=\"e;\\\"\"\r\n0123456789\r\n00\r\nX: y\r\n\r\n"), Ok("0123456789".into()));
    for head in ["", " 5", "5 ", "0x5", "+5", "-5", "5_0", "g", "00000000000000005", "5\n", "5 ;a"] {
        let body = format!("{head}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(decode_chunked(&body), Err(BodyError::ChunkSize), "{head:?}");
    }
    for head in ["5;", "5; a", "5;a =b", "5;a=", "5;a=\"b", "5;a=b\"c\"", "5;a\n", "5;a=\"b\"c", "5;=b", "5;\0"] {
        let body = format!("{head}\r\nhello\r\n0\r\n\r\n");
        assert_eq!(decode_chunked(&body), Err(BodyError::ChunkExtension), "{head:?}");
    }
    for end in ["", "\n", "\r", "x\r\n", "\r\r\n"] {
        assert_eq!(decode_chunked(&format!("5\r\nhello{end}0\r\n\r\n")), Err(BodyError::ChunkEnd), "{end:?}");
    }
    for trailer in ["X", "X : y", " X: y", ": y", "X: \0", "X: y\n", "X: y\r\n folded"] {
        assert_eq!(decode_chunked(&format!("0\r\n{trailer}\r\n\r\n")), Err(BodyError::Trailer), "{trailer:?}");
    }
}

#[test]
fn rule_11_extensions_and_trailers_are_bounded() {
    let extension = |len: usize| format!("1;{}\r\nx\r\n", "a".repeat(len));
    assert_eq!(decode_chunked(&format!("{}0\r\n\r\n", extension(255))), Ok("x".into()));
    assert_eq!(decode_chunked(&format!("{}0\r\n\r\n", extension(256))), Err(BodyError::ChunkExtensionTooLarge));
    assert_eq!(decode_chunked(&format!("{}0\r\n\r\n", extension(255).repeat(16))), Ok("x".repeat(16)));
    assert_eq!(decode_chunked(&extension(255).repeat(17)), Err(BodyError::ChunkExtensionTooLarge));
    let trailer = |len: usize| format!("0\r\nX:{}\r\n\r\n", "a".repeat(len));
    assert_eq!(decode_chunked(&trailer(4092)), Ok(String::new()));
    assert_eq!(decode_chunked(&trailer(4093)), Err(BodyError::TrailerTooLarge));
    let (_, end) = decode(BodyDecoder::request(RequestBody::Chunked, 0), b"0\r\nX: y\r\n\r\n");
    assert_eq!(end, Err(BodyError::TrailerTooLarge));
}

#[test]
fn rules_16_and_22_a_body_ends_where_it_says_and_not_a_byte_later() {
    for (body, input, content, end) in [
        (RequestBody::None, "GET /", "", 0),
        (RequestBody::Length(0), "GET /", "", 0),
        (RequestBody::Length(5), "helloGET /", "hello", 5),
        (RequestBody::Chunked, "5\r\nhello\r\n0\r\n\r\nGET /", "hello", 15),
    ] {
        let decoded = decode(BodyDecoder::request(body, 100), input.as_bytes());
        assert_eq!(decoded, (content.as_bytes().to_vec(), Ok(end)), "{input}");
    }
}
