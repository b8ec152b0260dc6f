//! One OTLP receiver: how a request is put on the wire, over HTTP/1.1 with protobuf or as a unary gRPC call.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, USER_AGENT};
use hyper::http::uri::{PathAndQuery, Uri};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::answer::{self, Answer};
use crate::config::{OtlpProtocol, OtlpTarget};

const USER_AGENT_VALUE: &str =
    concat!("sluice/", env!("CARGO_PKG_VERSION"), " OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));
/// OTLP: an answer may be this large.
const RESPONSE_BYTES_MAX: usize = 4 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    pub fn as_str(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
        }
    }

    fn grpc_path(self) -> &'static str {
        match self {
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }
}

pub struct Destination {
    pub signal: Signal,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    protocol: OtlpProtocol,
    gzip: bool,
    timeout: Duration,
}

impl Destination {
    pub fn new(target: &OtlpTarget, signal: Signal) -> Result<Self, String> {
        let wrong = |what: &str| format!("OTLP {}: {what}", signal.as_str());
        let mut uri: Uri = target.url.parse().map_err(|_| wrong("the endpoint is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("the endpoint must begin with http:// or https://"));
        }
        if target.protocol == OtlpProtocol::Grpc {
            let mut parts = uri.into_parts();
            parts.path_and_query = Some(PathAndQuery::from_static(signal.grpc_path()));
            uri = Uri::from_parts(parts).map_err(|_| wrong("the endpoint is not a URL"))?;
        }
        let headers = headers(target).map_err(|what| wrong(&what))?;
        let client = client(target, uri.scheme_str() == Some("https")).map_err(|what| wrong(&what))?;
        let timeout = Duration::from_millis(target.timeout_ms);
        Ok(Self { signal, client, uri, headers, protocol: target.protocol, gzip: target.gzip, timeout })
    }

    /// The body as it is sent, again and again if need be.
    pub fn body(&self, request: Vec<u8>) -> Bytes {
        let body = if self.gzip { gzipped(&request) } else { request };
        match self.protocol {
            OtlpProtocol::HttpProtobuf => Bytes::from(body),
            OtlpProtocol::Grpc => {
                // gRPC over HTTP/2, "length-prefixed message".
                let mut framed = BytesMut::with_capacity(body.len() + 5);
                framed.put_u8(self.gzip.into());
                framed.put_u32(body.len() as u32);
                framed.put_slice(&body);
                framed.freeze()
            }
        }
    }

    pub async fn attempt(&self, body: Bytes) -> Answer {
        match tokio::time::timeout(self.timeout, self.call(body)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => Answer::Retry { after: None, why },
            Err(_) => Answer::Retry { after: None, why: "the receiver did not answer in time".into() },
        }
    }

    /// `Err`: no answer, or one that broke off.
    async fn call(&self, body: Bytes) -> Result<Answer, String> {
        let mut request = Request::post(self.uri.clone()).body(Full::new(body)).map_err(|e| e.to_string())?;
        *request.headers_mut() = self.headers.clone();
        let response = self.client.request(request).await.map_err(|error| reason(&error))?;
        let (head, body) = Response::into_parts(response);
        let collected = Limited::new(body, RESPONSE_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
        let trailers = collected.trailers().cloned();
        let body = collected.to_bytes();
        Ok(match self.protocol {
            OtlpProtocol::HttpProtobuf => answer::of_http(head.status, &head.headers, &body),
            OtlpProtocol::Grpc => answer::of_grpc(head.status, trailers.as_ref().unwrap_or(&head.headers), &body),
        })
    }
}

fn headers(target: &OtlpTarget) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
    for (name, value) in &target.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is not a header name"))?;
        let mut value: HeaderValue =
            value.expose().parse().map_err(|_| format!("the value of header {name} cannot be sent"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    match target.protocol {
        OtlpProtocol::HttpProtobuf => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
            if target.gzip {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
        }
        OtlpProtocol::Grpc => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(TE, HeaderValue::from_static("trailers"));
            // At most eight digits.
            let timeout = format!("{}m", target.timeout_ms.min(99_999_999));
            headers.insert("grpc-timeout", timeout.parse().map_err(|_| "bad timeout".to_owned())?);
            if target.gzip {
                headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
            }
        }
    }
    Ok(headers)
}

fn client(target: &OtlpTarget, tls: bool) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls_config(target, tls)?).https_or_http();
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
    Ok(match target.protocol {
        OtlpProtocol::HttpProtobuf => builder.build(https.enable_http1().wrap_connector(tcp)),
        // Over http:// this is HTTP/2 with prior knowledge (RFC 9113 3.3).
        OtlpProtocol::Grpc => builder.http2_only(true).build(https.enable_http2().wrap_connector(tcp)),
    })
}

fn tls_config(target: &OtlpTarget, tls: bool) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // Reading the system's roots takes a while; plain http needs none.
    if tls {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(path) = &target.ca {
        let unusable = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            roots.add(certificate).map_err(|error| unusable(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?.with_root_certificates(roots);
    let Some((certificate, key)) = &target.identity else { return Ok(builder.with_no_client_auth()) };
    let unusable = |path: &Path| format!("{}: not usable as a client certificate or its key", path.display());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|_| unusable(certificate))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|_| unusable(key))?;
    builder.with_client_auth_cert(chain, private).map_err(|_| unusable(certificate))
}

/// Level 1: level 6 costs three times as much for a sixth less.
fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::new(1));
    // Writing to memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// The innermost cause says what happened: "connection refused", not "client error".
fn reason(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
