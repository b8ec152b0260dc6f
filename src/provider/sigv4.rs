//! AWS Signature Version 4 over a request that is about to be sent (spec "providers" 6).
//!
//! The data plane calls [`sign`] once per attempt, after the body was translated: what is signed are the very bytes
//! that follow. The control core calls it for its health checks. Only `host` and the `x-amz-*` fields are signed, since
//! proxies may change any other.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;

use crate::config::AwsKeys;

/// Of every call to a model: `bedrock`, not `bedrock-runtime` as its host has it.
const SERVICE: &str = "bedrock";

/// The fields to be added to the head (`authorization`, `x-amz-date`, `x-amz-security-token`), names in lower case.
/// `method` and `target` (the path) are as they are sent, `host` the `Host` field's value, `body` the very bytes that
/// follow. The same arguments give the same fields. The error names what cannot be signed, never a key.
pub fn sign(
    keys: &AwsKeys,
    region: &str,
    method: &str,
    host: &str,
    target: &str,
    body: &[u8],
    unix_s: u64,
) -> Result<Vec<(String, String)>, String> {
    let token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
    let identity: Identity =
        Credentials::new(&keys.access_key_id, keys.secret_access_key.expose(), token, None, "sluice").into();
    // The library's defaults are what Bedrock wants: each `%` of the path is encoded once more in the canonical
    // request (`%3A` -> `%253A`), the session token is signed.
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(UNIX_EPOCH + Duration::from_secs(unix_s))
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let url = format!("https://{host}{target}");
    let fields = [("host", host)].into_iter();
    let request =
        SignableRequest::new(method, url, fields, SignableBody::Bytes(body)).map_err(|error| error.to_string())?;
    let (instructions, _signature) = sign_request(request, &params).map_err(|error| error.to_string())?.into_parts();
    Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
