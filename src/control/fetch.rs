//! Small HTTP exchanges of the control core: bounded in time and size, no redirects. The credentials and the health
//! checks use it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::http::StatusCode;
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

const USER_AGENT_VALUE: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// Why there was no answer. The messages hold nothing of the request.
pub enum Unanswered {
    /// No connection, by TCP or TLS.
    Connect(String),
    Broken(String),
    Late,
}

pub struct Fetcher(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Fetcher {
    /// Reads the system's roots, which takes tens of milliseconds: not for the control core's own thread. Without any,
    /// `http://` still works.
    pub fn new() -> Result<Self, String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Ok(Self::with(builder.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth()))
    }

    /// By the roots of an upstream; without, for `http://` alone.
    pub fn of(upstream: Option<&rustls::ClientConfig>) -> Result<Self, String> {
        if let Some(tls) = upstream {
            let mut tls = tls.clone();
            // The connector says which protocols it speaks.
            tls.alpn_protocols.clear();
            return Ok(Self::with(tls));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        Ok(Self::with(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()))
    }

    fn with(tls: rustls::ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let mut builder = Client::builder(TokioExecutor::new());
        // Minutes lie between two exchanges.
        builder.pool_max_idle_per_host(0);
        Self(builder.build(https.wrap_connector(tcp)))
    }

    /// The whole answer, whatever its status. The message says what happened and holds nothing of the request.
    pub async fn fetch(
        &self,
        mut request: Request<Full<Bytes>>,
        within: Duration,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT_VALUE));
        let exchange = async {
            let (head, body) =
                self.0.request(request).await.map(Response::into_parts).map_err(|error| cause(&error))?;
            let body = Limited::new(body, bytes_max).collect().await.map_err(|error| cause(&*error))?;
            Ok((head.status, body.to_bytes()))
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

impl Fetcher {
    /// The status of the answer; the rest of it is not read.
    pub async fn status(&self, mut request: Request<Full<Bytes>>, within: Duration) -> Result<StatusCode, Unanswered> {
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT_VALUE));
        match tokio::time::timeout(within, self.0.request(request)).await {
            Ok(Ok(response)) => Ok(response.status()),
            Ok(Err(error)) if error.is_connect() => Err(Unanswered::Connect(cause(&error))),
            Ok(Err(error)) => Err(Unanswered::Broken(cause(&error))),
            Err(_) => Err(Unanswered::Late),
        }
    }
}

/// The innermost cause says what happened: "connection refused", not "client error".
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
