use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;
use crate::config::{CredentialSource, service_account};

/// A key of these tests' own; it opens nothing.
const PEM: &str = include_str!("fixtures/test-only-rsa.pem");

fn file(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> String {
    let mut file = json!({
        "type": "service_account", "client_email": "robot@p.iam.gserviceaccount.com", "private_key": PEM,
        "private_key_id": "k1", "token_uri": "https://oauth2.googleapis.com/token",
    });
    if let Some(file) = file.as_object_mut() {
        change(file);
    }
    file.to_string()
}

#[test]
fn a_key_file_is_read_and_what_is_wrong_with_it_is_told_without_its_secret() {
    let read = service_account(&file(|file| drop(file.remove("token_uri")))).expect("sound");
    let CredentialSource::GoogleServiceAccount { client_email, token_uri, private_key_id, .. } = read else {
        panic!("a service account")
    };
    assert_eq!(
        (client_email.as_str(), token_uri.as_str()),
        ("robot@p.iam.gserviceaccount.com", "https://oauth2.googleapis.com/token")
    );
    assert_eq!(private_key_id.as_deref(), Some("k1"));
    let cases: [(&str, &str, Value); 5] = [
        ("type", "`\"type\": \"service_account\"`", "authorized_user".into()),
        ("private_key", "lacks its `private_key`", Value::Null),
        ("private_key", "is no RSA key in PEM form", "swordfish".into()),
        ("client_email", "lacks its `client_email`", 7.into()),
        ("token_uri", "`token_uri` is no URL", "swordfish".into()),
    ];
    for (key, told, value) in cases {
        let error = service_account(&file(|file| drop(file.insert(key.to_owned(), value)))).expect_err(key);
        assert!(error.contains(told) && !error.contains("swordfish"), "{error}");
    }
    assert!(service_account("swordfish").is_err_and(|error| !error.contains("swordfish")));
}

#[test]
fn an_assertion_says_who_asks_for_what_and_is_signed_with_the_key() {
    let key = Secret::new(PEM.to_owned());
    let jwt = assertion("robot@x", &key, Some("k1"), "https://t/token", 1_700_000_000).expect("signs");
    let parts: Vec<&str> = jwt.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { panic!("three parts") };
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let value = |part: &str| serde_json::from_slice::<Value>(&decode(part)).expect("JSON");
    assert_eq!(value(header), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let expected = json!({
        "iss": "robot@x", "scope": SCOPE, "aud": "https://t/token", "iat": 1_700_000_000, "exp": 1_700_003_600,
    });
    assert_eq!(value(claims), expected);
    let public = rsa_key(&key).expect("a key").public_key().as_ref().to_vec();
    let signed = format!("{header}.{claims}");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(signed.as_bytes(), &decode(signature))
        .expect("signed");
}
