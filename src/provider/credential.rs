//! Credentials that are more than a key.

use crate::config::{Api, Paths, Secret};

/// Keys of an AWS principal, for SigV4.
#[derive(Clone, PartialEq, Debug)]
pub struct AwsKeys {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// What the control core fetched for an account.
#[derive(Clone, PartialEq, Debug)]
pub enum Fetched {
    Aws(AwsKeys),
    /// An OAuth 2.0 access token (RFC 6750).
    Bearer(Secret),
}

/// The field that a key of the configuration is sent in; as a bearer token where that is `authorization`.
pub fn key_field(api: Api, paths: &Paths) -> &'static str {
    match (api, paths) {
        (_, Paths::AzureDeployments { .. } | Paths::AzureV1 { .. }) => "api-key",
        (Api::Anthropic, _) => "x-api-key",
        (Api::Gemini, _) => "x-goog-api-key",
        _ => "authorization",
    }
}
