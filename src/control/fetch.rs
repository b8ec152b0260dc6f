//! Small HTTP exchanges of the control core: bounded in time and size, no redirects. The credentials use it.

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

pub struct Fetcher(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Fetcher {
    /// Reads the system's roots, which takes tens of milliseconds: not for the control core's own thread. Without any,
    /// `http://` still works.
    pub fn new() -> Result<Self, String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = builder.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let mut builder = Client::builder(TokioExecutor::new());
        // Minutes lie between two exchanges.
        builder.pool_max_idle_per_host(0);
        Ok(Self(builder.build(https.wrap_connector(tcp))))
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

/// The innermost cause says what happened: "connection refused", not "client error".
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
