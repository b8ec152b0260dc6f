//! A price list from a file or by HTTP.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::header::{ACCEPT, USER_AGENT};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::LIST_BYTES_MAX;
use crate::config::ListOrigin;
use crate::tls::config::ClientConfigs;

const WITHIN: Duration = Duration::from_secs(60);

pub async fn fetch(from: &ListOrigin) -> Result<String, String> {
    match from {
        ListOrigin::File(path) => {
            let path = path.clone();
            let work = tokio::task::spawn_blocking(move || read(&path));
            work.await.map_err(|panic| panic.to_string())?
        }
        ListOrigin::Url(url) => match tokio::time::timeout(WITHIN, get(url)).await {
            Ok(answer) => answer.map_err(|why| format!("{url}: {why}")),
            Err(_) => Err(format!("{url}: not fetched within {} s", WITHIN.as_secs())),
        },
    }
}

fn read(path: &Path) -> Result<String, String> {
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| wrong(&error))?;
    file.take(LIST_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    if text.len() as u64 > LIST_BYTES_MAX { Err(wrong(&"larger than any price list")) } else { Ok(text) }
}

async fn get(url: &str) -> Result<String, String> {
    let mut tls = rustls::ClientConfig::clone(&*ClientConfigs::default().get(None)?);
    // The connector says which protocols it speaks.
    tls.alpn_protocols.clear();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::get(url)
        .header(USER_AGENT, concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json")
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    let response = client.request(request).await.map_err(|error| innermost(&error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("answered {status}"));
    }
    let body = Limited::new(response.into_body(), LIST_BYTES_MAX as usize).collect().await;
    let bytes = body.map_err(|error| error.to_string())?.to_bytes();
    String::from_utf8(bytes.into()).map_err(|_| "not UTF-8".to_owned())
}

/// "connection refused", not "client error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
