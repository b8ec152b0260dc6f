//! TLS on both sides: the listener's and a provider's, with certificates made here.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::http::{Connection, chat, once, post};
use common::upstream::{SSE_HEAD, Upstream, chunk, delta, json};
use common::{DRIVERS, Gateway, MOCK, config, fresh_dir};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

const CHAT: &str = "/v1/chat/completions";
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;

/// A certificate of its own for `localhost` and 127.0.0.1, as two files.
struct Pair {
    cert: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn make(dir: &Path, name: &str) -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let pair = Self { cert: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key")) };
        std::fs::write(&pair.key, made.signing_key.serialize_pem()).expect("written");
        std::fs::write(&pair.cert, made.cert.pem()).expect("written");
        pair
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.cert).expect("PEM")
    }

    fn server(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from_pem_file(&self.key).expect("PEM");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![self.der()], key));
        Arc::new(config.expect("a configuration"))
    }

    /// A client that trusts this one only.
    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions");
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

fn with_tls(pair: &Pair, more: &str) -> String {
    config(&format!("tls: {{cert: {}, key: {}}}\n{more}", pair.cert.display(), pair.key.display()))
}

fn https_account(upstream: &Upstream, ca: &Path) -> String {
    format!(
        "---\ntype: provider-account/openai\nname: up\nbase_url: https://{}/v1\ntls_settings: {{ca: {}}}\n",
        upstream.address,
        ca.display()
    )
}

/// Scenario: a client chats, streams and uploads a large body through the TLS listener, request after request.
/// Guarantees: the same as without TLS; the end of the connection is announced.
#[test]
fn clients_come_in_over_tls() {
    for driver in DRIVERS {
        let dir = fresh_dir("tls");
        let pair = Pair::make(&dir, "gateway");
        let gateway = Gateway::start(driver, &with_tls(&pair, MOCK));
        let mut connection = Connection::open_tls(gateway.address, pair.client());
        let response = connection.post(CHAT, &chat("mock/mock:tokens=5", false));
        assert_eq!((response.status, &response.json()["usage"]["completion_tokens"]), (200, &5.into()));
        let response = connection.post(CHAT, &chat("mock/mock:tokens=2000,size=100", true));
        assert!(response.complete && response.text().ends_with("data: [DONE]\n\n"));
        assert!(response.events().len() > 2000);
        let large = format!("{{\"model\":\"mock/mock:tokens=1\",\"messages\":[],\"pad\":\"{}\"}}", "x".repeat(3 << 20));
        assert_eq!(connection.post(CHAT, &large).status, 200);
        connection.send(post(CHAT, &chat("mock/mock:tokens=1", false), "connection: close\r\n").as_bytes());
        assert_eq!(connection.response().status, 200);
        let (rest, announced) = connection.until_end();
        assert!(rest.is_empty() && announced, "the end came without close_notify");
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// Scenario: clients that speak no TLS to the TLS listener, trust another certificate, or say nothing.
/// Guarantees: each is closed and counted; the next one is served.
#[test]
fn what_is_no_handshake_is_closed() {
    for driver in DRIVERS {
        let dir = fresh_dir("tls");
        let (pair, other) = (Pair::make(&dir, "gateway"), Pair::make(&dir, "other"));
        let gateway = Gateway::start(driver, &with_tls(&pair, &format!("limits: {{tls_handshake_ms: 1000}}\n{MOCK}")));
        let mut plain = Connection::open(gateway.address);
        plain.send(post(CHAT, &chat("mock/mock", false), "").as_bytes());
        // What comes back, if anything, is an alert and not an answer.
        let (bytes, _) = plain.until_end();
        assert!(!bytes.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&bytes));
        assert!(Connection::open_tls(gateway.address, other.client()).handshake().is_err());
        assert!(Connection::open(gateway.address).until_end().0.is_empty());
        gateway.until("three are counted", |gateway| gateway.metric("sluice_tls_handshake_failures_total") >= 3.0);
        gateway.until("the next one is let in", |gateway| {
            Connection::open_tls(gateway.address, pair.client()).handshake().is_ok()
        });
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// Scenario: the certificate's files are replaced on disk while a client is connected.
/// Guarantees: new handshakes see the new certificate, the open connection goes on; a broken file changes nothing.
#[test]
fn a_renewed_certificate_is_taken_up() {
    for driver in DRIVERS {
        let dir = fresh_dir("tls");
        let pair = Pair::make(&dir, "gateway");
        let gateway = Gateway::start(driver, &with_tls(&pair, MOCK));
        let mut old = Connection::open_tls(gateway.address, pair.client());
        assert_eq!(old.handshake().expect("trusted"), pair.der().to_vec());
        std::fs::write(&pair.cert, "broken").expect("written");
        gateway
            .until("the broken one is counted", |gateway| gateway.metric("llm_gateway_config_parsing_failures") >= 1.0);
        let renewed = Pair::make(&dir, "gateway");
        gateway.until("the new one is seen", |gateway| {
            Connection::open_tls(gateway.address, renewed.client()).handshake().is_ok()
        });
        assert_eq!(old.post(CHAT, &chat("mock/mock:tokens=1", false)).status, 200);
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// Scenario: a provider behind TLS with a private CA: answers, streams, takes a large request; the connection is reused.
/// Guarantees: the same as without TLS.
#[test]
fn providers_are_reached_over_tls() {
    for driver in DRIVERS {
        let dir = fresh_dir("tls");
        let pair = Pair::make(&dir, "provider");
        let upstream = Upstream::start_tls(pair.server(), |peer| {
            while let Some(request) = peer.request() {
                if !request.contains("\"stream\":true") {
                    peer.send(&json(ANSWER));
                    continue;
                }
                peer.send(SSE_HEAD);
                for _ in 0..500 {
                    peer.send(&chunk(&delta(&"x".repeat(200))));
                }
                peer.send(&chunk("data: [DONE]\n\n"));
                peer.send(b"0\r\n\r\n");
            }
        });
        let gateway = Gateway::start(driver, &config(&https_account(&upstream, &pair.cert)));
        let mut connection = Connection::open(gateway.address);
        for _ in 0..3 {
            let response = connection.post(CHAT, &chat("up/gpt", false));
            assert_eq!((response.status, response.text()), (200, ANSWER.to_owned()));
            assert!(upstream.request().starts_with("POST /v1/chat/completions HTTP/1.1\r\nhost: "));
        }
        let response = connection.post(CHAT, &chat("up/gpt", true));
        assert!(response.complete);
        assert_eq!(response.events().len(), 501);
        upstream.request();
        let large = format!("{{\"model\":\"up/gpt\",\"pad\":\"{}\"}}", "x".repeat(3 << 20));
        assert_eq!(connection.post(CHAT, &large).status, 200);
        assert!(upstream.request().ends_with(&large.replace("up/gpt", "gpt")));
        assert_eq!(gateway.metric("sluice_upstream_connects_total"), 1.0);
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// Scenario: a provider whose certificate is of another CA, and one that speaks no TLS.
/// Guarantees: 502 `upstream_tls`; not a byte of the request is sent.
#[test]
fn an_untrusted_provider_gets_nothing() {
    for driver in DRIVERS {
        let dir = fresh_dir("tls");
        let (pair, other) = (Pair::make(&dir, "provider"), Pair::make(&dir, "other"));
        let untrusted = Upstream::start_tls(pair.server(), |peer| while peer.request().is_some() {});
        let plain = Upstream::start(|peer| {
            peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            peer.until_closed();
        });
        for upstream in [untrusted, plain] {
            let gateway = Gateway::start(driver, &config(&https_account(&upstream, &other.cert)));
            let response = once(gateway.address, CHAT, &chat("up/gpt", false));
            assert_eq!((response.status, response.json()["error"]["code"].as_str()), (502, Some("upstream_tls")));
            assert_eq!(upstream.requests_so_far(), Vec::<String>::new());
            let row = gateway.row(response.field("x-request-id").expect("an id"));
            assert_eq!(row["attempts"][0]["error"], "tls", "{row}");
        }
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// Scenario: answers that end with the connection, with and without `close_notify`, unary and streamed.
/// Guarantees: without it the answer is cut off, however whole it looks: the client can tell. Only a stream that has said
/// its end is whole all the same: nothing can follow that.
#[test]
fn an_end_without_close_notify_is_a_truncation() {
    for driver in DRIVERS {
        for announced in [true, false] {
            let dir = fresh_dir("tls");
            let pair = Pair::make(&dir, "provider");
            let upstream = Upstream::start_tls(pair.server(), move |peer| {
                let Some(request) = peer.request() else { return };
                if request.contains("\"stream\":true") {
                    peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
                    peer.send(delta("hi").replace("null", "\"stop\"").as_bytes());
                    if request.contains("\"ending\"") {
                        peer.send(b"data: [DONE]\n\n");
                    }
                } else {
                    peer.send(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{ANSWER}").as_bytes());
                }
                if announced {
                    peer.close_notify();
                }
            });
            let gateway = Gateway::start(driver, &config(&https_account(&upstream, &pair.cert)));
            for (model, stream) in [("gpt", false), ("gpt", true), ("ending", true)] {
                let response = once(gateway.address, CHAT, &chat(&format!("up/{model}"), stream));
                let is_whole = announced || model == "ending";
                // Of a body nothing had reached the client.
                let whole = (if stream || announced { 200 } else { 502 }, is_whole || !stream);
                assert_eq!((response.status, response.complete), whole, "{model} {stream}: {}", response.text());
                let row = gateway.row(response.field("x-request-id").expect("an id"));
                let want = if is_whole {
                    "served"
                } else if stream {
                    "truncated"
                } else {
                    "failed"
                };
                assert_eq!(row["outcome"], want, "{row}");
            }
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}
