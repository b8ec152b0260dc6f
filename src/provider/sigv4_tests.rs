use super::sigv4::sign;
use crate::config::AwsKeys;
use crate::config::Secret;

const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";
/// 2015-08-30T12:36:00Z, the moment of AWS's own examples; so are the keys.
const UNIX_S: u64 = 1_440_938_160;

fn keys(session_token: Option<&str>) -> AwsKeys {
    AwsKeys {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into()),
        session_token: session_token.map(|token| Secret::new(token.into())),
    }
}

fn field<'a>(fields: &'a [(String, String)], wanted: &str) -> &'a str {
    fields.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value)
}

/// The signatures were computed from the specification's text with another language's hashes.
#[test]
fn a_call_is_signed_as_the_specification_says() {
    let claude = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse";
    let profile = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc/converse-stream";
    for (token, target, signature) in [
        (None, claude, "e093f52e9f3cb40f5ed10d98a50a1e8f7bdbd9cac36fe2149690255d8743de54"),
        (None, profile, "5577b4f99c547810eca09a5baccc5b2022ef29d19a09023542975565e678d0a6"),
        (Some("TOKEN"), claude, "a9908544a6f608ffb7e2b53e622650e31729e0eca0813b696e8252b676e01edb"),
        (Some("TOKEN"), profile, "7799179f95c03a6f8e9c0ae7dcdf2952fb2ea994e1c02746660c06dd55d1bbf4"),
    ] {
        let fields = sign(&keys(token), "us-east-1", "POST", HOST, target, br#"{"messages":[]}"#, UNIX_S).unwrap();
        let signed = if token.is_some() { "host;x-amz-date;x-amz-security-token" } else { "host;x-amz-date" };
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
             SignedHeaders={signed}, Signature={signature}"
        );
        assert_eq!(field(&fields, "authorization"), expected);
        assert_eq!(field(&fields, "x-amz-date"), "20150830T123600Z");
        assert_eq!(field(&fields, "x-amz-security-token"), token.unwrap_or_default());
        assert_eq!(fields.len(), 2 + usize::from(token.is_some()), "{fields:?}");
    }
}

#[test]
fn every_part_of_the_call_is_in_its_signature() {
    let signature = |region: &str, method: &str, host: &str, target: &str, body: &[u8], unix_s| {
        let fields = sign(&keys(None), region, method, host, target, body, unix_s).unwrap();
        field(&fields, "authorization").rsplit_once('=').unwrap().1.to_owned()
    };
    let one = signature("us-east-1", "POST", HOST, "/model/a/converse", b"{}", UNIX_S);
    assert_eq!(one, signature("us-east-1", "POST", HOST, "/model/a/converse", b"{}", UNIX_S));
    for other in [
        signature("us-east-1", "GET", HOST, "/model/a/converse", b"{}", UNIX_S),
        signature("eu-west-1", "POST", HOST, "/model/a/converse", b"{}", UNIX_S),
        signature("us-east-1", "POST", "127.0.0.1:8443", "/model/a/converse", b"{}", UNIX_S),
        signature("us-east-1", "POST", HOST, "/model/b/converse", b"{}", UNIX_S),
        signature("us-east-1", "POST", HOST, "/model/a/converse", b"{ }", UNIX_S),
        signature("us-east-1", "POST", HOST, "/model/a/converse", b"{}", UNIX_S + 1),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn what_cannot_be_signed_is_an_error_without_keys() {
    let error = sign(&keys(Some("TOKEN")), "us-east-1", "POST", "no host", "/m", b"", UNIX_S).unwrap_err();
    assert!(!error.contains("TOKEN") && !error.contains("wJalr"), "{error}");
}
