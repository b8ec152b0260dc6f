//! One probe: a GET with the account's credential. Any answer below 500, but 429, says that the provider is there: a key
//! that is refused is the account's trouble, which requests find soon enough.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::HeaderValue;

use super::unix_ms;
use crate::config::{Account, Api, Credential, Secret};
use crate::control::fetch::{Fetcher, Unanswered};
use crate::provider::{Fetched, sigv4};
use crate::telemetry::ErrorClass;

/// The status; or why the provider is not there, in a word and in words. No word: it could not be asked, which says
/// nothing of it.
pub type Answer = Result<u16, (Option<ErrorClass>, String)>;

/// Everything it needs is taken from the account at once, and signed where its calls are.
pub fn ask(
    account: &Account,
    path: &str,
    fetched: Option<&Fetched>,
    within: Duration,
) -> impl Future<Output = Answer> + 'static {
    let ready = request(account, path, fetched).and_then(|request| {
        let fetcher = Fetcher::of(account.upstream.tls.as_deref())?;
        Ok((fetcher, request))
    });
    async move {
        let (fetcher, request) = ready.map_err(|message| (None, message))?;
        match fetcher.status(request, within).await.map(|status| status.as_u16()) {
            Ok(429) => Err((Some(ErrorClass::RateLimited), "answered 429".to_owned())),
            Ok(status @ 500..) => Err((Some(ErrorClass::Server), format!("answered {status}"))),
            Ok(status) => Ok(status),
            Err(Unanswered::Connect(why)) => Err((Some(ErrorClass::Connect), why)),
            Err(Unanswered::Broken(why)) => Err((Some(ErrorClass::Disconnected), why)),
            Err(Unanswered::Late) => {
                let message = format!("no answer within {} ms", within.as_millis());
                Err((Some(ErrorClass::FirstByteTimeout), message))
            }
        }
    }
}

fn request(account: &Account, path: &str, fetched: Option<&Fetched>) -> Result<Request<Full<Bytes>>, String> {
    let scheme = if account.upstream.tls.is_some() { "https" } else { "http" };
    let host = &account.upstream.authority;
    let mut request = Request::get(format!("{scheme}://{host}{path}")).header("host", host);
    let key_field = account.paths.key_field(account.api);
    match (&account.credential, fetched) {
        (Credential::Key(key), _) if key_field == "authorization" => {
            request = request.header(key_field, bearer(key)?);
        }
        (Credential::Key(key), _) => request = request.header(key_field, sensitive(key.expose())?),
        (Credential::AwsKeys(keys), _) | (_, Some(Fetched::Aws(keys))) => {
            let region = account.region.as_deref().unwrap_or_default();
            for (name, value) in sigv4::sign(keys, region, "GET", host, path, b"", unix_ms() / 1000)? {
                request = request.header(name, sensitive(&value)?);
            }
        }
        (_, Some(Fetched::Bearer(token))) => request = request.header("authorization", bearer(token)?),
        _ => {}
    }
    if account.api == Api::Anthropic {
        request = request.header("anthropic-version", "2023-06-01");
    }
    for (name, value) in &account.headers {
        request = request.header(name, sensitive(value.expose())?);
    }
    request.body(Full::default()).map_err(|_| "the path makes no URL".to_owned())
}

fn bearer(token: &Secret) -> Result<HeaderValue, String> {
    sensitive(&format!("Bearer {}", token.expose()))
}

/// Not shown by who prints the request.
fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "a header's value cannot be sent".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
