//! Credentials that the control core fetches.

use crate::config::{AwsKeys, Secret};

/// What the control core fetched for an account.
#[derive(Clone, PartialEq, Debug)]
pub enum Fetched {
    Aws(AwsKeys),
    /// An OAuth 2.0 access token (RFC 6750).
    Bearer(Secret),
}
