//! How an account proves who it is. Secrets are held, never shown.

use ring::signature::RsaKeyPair;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use super::secret::Secret;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// Keys of an AWS principal, for SigV4.
#[derive(Clone, PartialEq, Debug)]
pub struct AwsKeys {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// How an account proves who it is.
#[derive(Clone, PartialEq, Debug)]
pub enum Credential {
    None,
    /// Sent where its API wants it: `authorization: Bearer`, `x-api-key`, `api-key`, `x-goog-api-key`.
    Key(Secret),
    /// SigV4 with keys of the configuration.
    AwsKeys(AwsKeys),
    /// Fetched and refreshed by the control core, which pushes it to the shards ([`crate::mesh::Down::Credential`]).
    Fetched(CredentialSource),
}

/// Where the control core gets a credential that expires.
#[derive(Clone, PartialEq, Debug)]
pub enum CredentialSource {
    /// AWS: environment, profile file, web identity, container, instance metadata, in this order.
    AwsDefaultChain,
    /// Google: a service account's key.
    GoogleServiceAccount {
        client_email: String,
        private_key: Secret,
        private_key_id: Option<String>,
        token_uri: String,
    },
    /// Google: `GOOGLE_APPLICATION_CREDENTIALS`, then the metadata server.
    GoogleDefaultChain,
}

/// Reads the key file that Google hands out. The message never holds what is in it.
pub fn service_account(json: &str) -> Result<CredentialSource, String> {
    let file: Value = serde_json::from_str(json).map_err(|_| "not JSON; expected the key file of a service account")?;
    let text = |key: &str| file.get(key).and_then(Value::as_str);
    if text("type") != Some("service_account") {
        return Err("expected the key file of a service account (`\"type\": \"service_account\"`)".to_owned());
    }
    let need = |key: &str| text(key).map(str::to_owned).ok_or_else(|| format!("the key file lacks its `{key}`"));
    let private_key = Secret::new(need("private_key")?);
    rsa_key(&private_key)?;
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

/// The key of a service account, PEM around PKCS#8.
pub fn rsa_key(pem: &Secret) -> Result<RsaKeyPair, String> {
    let wrong = "the service account's `private_key` is no RSA key in PEM form (PKCS#8)";
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| wrong)?;
    Ok(RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| wrong)?)
}
