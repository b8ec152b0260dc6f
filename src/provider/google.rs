//! Service accounts of Google: the key file, and the signed assertion that an access token is asked for with (RFC 7523).
//! The configuration and the control core call it; nothing here goes over the network.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::config::{CredentialSource, Secret};

pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// The longest that Google takes.
const ASSERTION_S: u64 = 3600;

/// Reads the key file that Google hands out. The message never holds what is in it.
pub fn service_account(json: &str) -> Result<CredentialSource, String> {
    let file: Value = serde_json::from_str(json).map_err(|_| "not JSON; expected the key file of a service account")?;
    let text = |key: &str| file.get(key).and_then(Value::as_str);
    if text("type") != Some("service_account") {
        return Err("expected the key file of a service account (`\"type\": \"service_account\"`)".to_owned());
    }
    let need = |key: &str| text(key).map(str::to_owned).ok_or_else(|| format!("the key file lacks its `{key}`"));
    let private_key = Secret::new(need("private_key")?);
    key_pair(&private_key)?;
    let token_uri = text("token_uri").unwrap_or(TOKEN_URI);
    if !token_uri.starts_with("https://") && !token_uri.starts_with("http://") {
        return Err("the key file's `token_uri` is no URL".to_owned());
    }
    Ok(CredentialSource::GoogleServiceAccount {
        client_email: need("client_email")?,
        private_key,
        private_key_id: text("private_key_id").map(str::to_owned),
        token_uri: token_uri.to_owned(),
    })
}

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
    let key = key_pair(private_key)?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "the service account's key does not sign")?;
    Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

fn key_pair(pem: &Secret) -> Result<RsaKeyPair, String> {
    let wrong = "the service account's `private_key` is no RSA key in PEM form (PKCS#8)";
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| wrong)?;
    Ok(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| wrong)?)
}

#[cfg(test)]
#[path = "google_tests.rs"]
mod tests;
