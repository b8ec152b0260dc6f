//! What shows a provider who calls: the account's key, a token the control core fetched, or a signature.

use super::request::{Refusal, Request};
use crate::config::AwsKeys;
use crate::config::{Account, Credential, Secret};
use crate::dialect::Wire;
use crate::provider::paths::push_target;
use crate::provider::{Fetched, sigv4};
use crate::runtime::sleep_ms;
use crate::telemetry::Target;

/// What shows who is calling.
pub enum Proof {
    /// The account's own key, or nothing.
    Account,
    /// An access token that the control core fetched.
    Bearer(Secret),
    /// Fields of a signature over the whole request.
    Signed(Vec<(String, String)>),
}

/// What shows the provider who calls. A credential that the control core fetches may not be there right after the start:
/// the request waits for it, for as long as it would wait for a connection.
pub async fn prove(
    request: &mut Request,
    account: &Account,
    wire: Wire,
    target: &Target,
    body: Option<&[u8]>,
) -> Result<Proof, Refusal> {
    const LOOK_MS: u64 = 10;
    match &account.credential {
        Credential::None | Credential::Key(_) => Ok(Proof::Account),
        Credential::AwsKeys(keys) => sign(request, keys, account, wire, target, body),
        Credential::Fetched(_) => {
            let mut waited_ms = 0;
            loop {
                let fetched = request.shard.credentials.borrow().get(account.name.as_str()).cloned();
                match fetched {
                    Some(Fetched::Aws(keys)) => return sign(request, &keys, account, wire, target, body),
                    Some(Fetched::Bearer(token)) => return Ok(Proof::Bearer(token)),
                    None if waited_ms >= request.snapshot.limits.upstream_connect_ms => break,
                    None => sleep_ms(LOOK_MS).await,
                }
                waited_ms += LOOK_MS;
            }
            let message = format!("The credentials of the provider account `{}` are not available.", account.name);
            Err(Refusal::failed(503, "credentials_unavailable", message).retry_after(1))
        }
    }
}

/// Over the very bytes that go out. Everything that is signed for is translated.
fn sign(
    request: &mut Request,
    keys: &AwsKeys,
    account: &Account,
    wire: Wire,
    target: &Target,
    body: Option<&[u8]>,
) -> Result<Proof, Refusal> {
    let face = request.record().face;
    let stream = request.record().stream;
    let mut path = Vec::with_capacity(256);
    push_target(account, wire.face(face), &target.model_id, stream, &mut path);
    let path = String::from_utf8_lossy(&path);
    let region = account.region.as_deref().unwrap_or_default();
    let unix_s = request.shard.clock.unix_ns_at(request.shard.clock.now_ns()) / 1_000_000_000;
    sigv4::sign(keys, region, "POST", &account.upstream.authority, &path, body.unwrap_or_default(), unix_s)
        .map(Proof::Signed)
        .map_err(|error| {
            let message = format!("The request to the provider account `{}` cannot be signed: {error}.", account.name);
            Refusal::failed(500, "signing_failed", message)
        })
}
