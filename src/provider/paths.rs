//! The path and query that a provider is called on.

use crate::config::Account;
use crate::dialect::Wire;
use crate::telemetry::Face;

/// Appends the request target for a call that is spoken in `wire`, the path prefix of the account's `base_url` first.
/// `face` tells apart what has the same wire; `model` is the provider's name for it.
pub fn push_target(account: &Account, wire: Wire, face: Face, model: &str, stream: bool, out: &mut Vec<u8>) {
    let _ = (account, wire, face, model, stream, out);
}
