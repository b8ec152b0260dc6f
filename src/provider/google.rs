//! Service accounts of Google: the signed assertion that an access token is asked for with (RFC 7523). The control core
//! calls it; nothing here goes over the network.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};

use crate::config::{Secret, rsa_key};

pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The longest that Google takes.
const ASSERTION_S: u64 = 3600;

/// A JWT that says who asks, valid for an hour.
pub fn assertion(
    client_email: &str,
    private_key: &Secret,
    private_key_id: Option<&str>,
    token_uri: &str,
    unix_s: u64,
) -> Result<String, String> {
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let (Some(id), Some(header)) = (private_key_id, header.as_object_mut()) {
        header.insert("kid".to_owned(), id.into());
    }
    let claims = json!({
        "iss": client_email, "scope": SCOPE, "aud": token_uri, "iat": unix_s, "exp": unix_s + ASSERTION_S,
    });
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let key = rsa_key(private_key)?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "the service account's key does not sign")?;
    Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
#[path = "google_tests.rs"]
mod tests;
