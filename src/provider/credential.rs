//! Credentials that are more than a key.

use crate::config::Secret;

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
