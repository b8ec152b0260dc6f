//! Access tokens of Google: for a service account's key, or from the metadata server of the machine.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use super::keep::Fresh;
use super::{ANSWER_BYTES_MAX, FAR, NEAR, read_file};
use crate::config::{CredentialSource, Env, Secret};
use crate::control::fetch::Fetcher;
use crate::provider::paths::push_encoded;
use crate::provider::{Fetched, google};

const METADATA_HOST: &str = "metadata.google.internal";

pub async fn default_chain(env: &Env, http: &Fetcher, now_unix_s: u64) -> Result<Fresh, String> {
    let Some(path) = env.get("GOOGLE_APPLICATION_CREDENTIALS") else { return metadata(env, http, now_unix_s).await };
    let wrong = |what: String| format!("GOOGLE_APPLICATION_CREDENTIALS: {path}: {what}");
    let text = read_file(Path::new(&path)).await.map_err(|error| wrong(error.to_string()))?;
    let source = crate::config::service_account(&text).map_err(wrong)?;
    service_account(&source, http, now_unix_s).await
}

pub async fn service_account(source: &CredentialSource, http: &Fetcher, now_unix_s: u64) -> Result<Fresh, String> {
    let CredentialSource::GoogleServiceAccount { client_email, private_key, private_key_id, token_uri } = source else {
        return Err("not a service account".to_owned());
    };
    let assertion = google::assertion(client_email, private_key, private_key_id.as_deref(), token_uri, now_unix_s)?;
    let mut body = b"grant_type=".to_vec();
    push_encoded("urn:ietf:params:oauth:grant-type:jwt-bearer", &mut body);
    body.extend_from_slice(b"&assertion=");
    push_encoded(&assertion, &mut body);
    let request = Request::post(token_uri)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| "service account: its `token_uri` is no URL".to_owned())?;
    let answer = http.fetch(request, FAR, ANSWER_BYTES_MAX).await;
    let (status, body) = answer.map_err(|error| format!("service account: {error}"))?;
    if !status.is_success() {
        return Err(format!("service account: the token server answered {}", status.as_u16()));
    }
    token(&body, now_unix_s).ok_or_else(|| "service account: answered without a token".to_owned())
}

async fn metadata(env: &Env, http: &Fetcher, now_unix_s: u64) -> Result<Fresh, String> {
    let host = env.get("GCE_METADATA_HOST").unwrap_or_else(|| METADATA_HOST.to_owned());
    let request = Request::get(format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token"))
        .header("metadata-flavor", "Google")
        .body(Full::new(Bytes::new()))
        .map_err(|_| "GCE_METADATA_HOST is no host".to_owned())?;
    let answer = http.fetch(request, NEAR, ANSWER_BYTES_MAX).await;
    let (status, body) = answer.map_err(|error| {
        format!("no credentials: GOOGLE_APPLICATION_CREDENTIALS is not set; metadata server: {error}")
    })?;
    if !status.is_success() {
        return Err(format!("metadata server: answered {}", status.as_u16()));
    }
    token(&body, now_unix_s).ok_or_else(|| "metadata server: answered without a token".to_owned())
}

/// RFC 6749 5.1.
fn token(body: &[u8], now_unix_s: u64) -> Option<Fresh> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let token = answer.get("access_token")?.as_str()?;
    let expires_in = answer.get("expires_in").and_then(Value::as_u64);
    let token = Fetched::Bearer(Secret::new(token.to_owned()));
    Some(Fresh { fetched: token, expires_unix_s: expires_in.map(|seconds| now_unix_s + seconds) })
}
