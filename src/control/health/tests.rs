//! Probes against a provider of these tests' own. Nothing sleeps: what the clock says is handed in.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::Health;
use super::probe::Probes;
use crate::config::{Credential, Env, HealthCheck, Secret, Snapshot};
use crate::control::Event;
use crate::control::credentials::Credentials;
use crate::control::reload::Source;
use crate::control::testing::{TempDir, routing};
use crate::policy::route::health::Verdict;
use crate::provider::{Fetched, sigv4};
use crate::telemetry::ErrorClass;

const INTERVAL_MS: u64 = 10_000;
const TIMEOUT_MS: u64 = 5000;

/// What a provider was asked: method and path, and fields.
type Seen = (String, HashMap<String, String>);

/// Answers each request with the next status it is told.
struct Provider {
    address: String,
    answers: UnboundedSender<u16>,
    seen: UnboundedReceiver<Seen>,
}

async fn provider() -> Provider {
    let (answers, waiting) = unbounded_channel::<u16>();
    let (sender, seen) = unbounded_channel();
    let waiting = std::sync::Arc::new(tokio::sync::Mutex::new(waiting));
    let answer = move |request: Request| {
        let (waiting, sender) = (waiting.clone(), sender.clone());
        async move {
            let text = |value: &axum::http::HeaderValue| value.to_str().expect("text").to_owned();
            let fields = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            sender.send((format!("{} {}", request.method(), request.uri()), fields)).expect("the test listens");
            let status = waiting.lock().await.recv().await.expect("the test says what");
            StatusCode::from_u16(status).expect("a status")
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("is bound").to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    Provider { address, answers, seen }
}

/// Accounts with a probe, in one region.
fn snapshot(accounts: &[String]) -> Snapshot {
    let dir = TempDir::new();
    let file = dir.path().join("sluice.yaml");
    let main = "type: sluice\nname: main\nlisten: 127.0.0.1:8080\nauth: none\n";
    std::fs::write(&file, format!("{main}---\n{}", accounts.join("---\n"))).expect("writes");
    let source = Source { paths: vec![file], env: Env::of(&[("KEY", "s3cret")]) };
    let mut snapshot = source.load().unwrap_or_else(|errors| panic!("{errors:?}"));
    let names: Vec<String> = snapshot.accounts.iter().map(|account| format!("{}/m", account.name)).collect();
    snapshot.routing = routing(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (index, one) in snapshot.routing.targets.iter_mut().enumerate() {
        one.account = index;
    }
    for account in &mut snapshot.accounts {
        let check = HealthCheck { path: "/v1/models".into(), interval_ms: INTERVAL_MS, timeout_ms: TIMEOUT_MS };
        account.health_check = Some(check);
    }
    snapshot
}

fn account(kind: &str, name: &str, address: &str, more: &str) -> String {
    format!(
        "type: provider-account/{kind}\nname: {name}\nbase_url: http://{address}\n\
         auth_data: {{type: api-key, api_key: \"${{env:KEY}}\"}}\n{more}\n"
    )
}

struct World {
    probes: Probes,
    snapshot: Snapshot,
    now: Instant,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
}

impl World {
    fn new(accounts: &[String]) -> Self {
        let (sender, events) = mpsc::channel(16);
        let (snapshot, now) = (snapshot(accounts), Instant::now());
        let mut probes = Probes::default();
        probes.follow(&snapshot, now);
        // Every first one is due within an interval.
        Self { probes, snapshot, now: now + Duration::from_millis(INTERVAL_MS), sender, events }
    }

    fn begin(&mut self) {
        self.probes.begin(&self.snapshot, &Credentials::default(), &self.sender, self.now);
        self.now += Duration::from_millis(INTERVAL_MS);
    }

    /// What comes of the next probe that ends, at second 100.
    async fn verdict(&mut self) -> Option<Verdict> {
        let Some(Event::Probed(probed)) = self.events.recv().await else { panic!("a probe ends") };
        let found = self.probes.take(probed, self.now, 100_000);
        assert!(found.as_ref().is_none_or(|(region, _)| &**region == "mock/here"));
        found.map(|(_, verdict)| verdict)
    }

    /// Another configuration of the first account's probe.
    fn reload(&mut self, change: impl FnOnce(&mut HealthCheck)) {
        change(self.snapshot.accounts[0].health_check.as_mut().expect("it has one"));
        self.probes.follow(&self.snapshot, self.now);
        self.now += Duration::from_millis(INTERVAL_MS);
    }
}

fn down(why: ErrorClass) -> Option<Verdict> {
    Some(Verdict::unhealthy(100_000, 100_000 + 2 * TIMEOUT_MS, why))
}

const UP: Option<Verdict> = Some(Verdict::Healthy);

#[tokio::test]
async fn two_failures_in_a_row_say_that_it_is_down_and_one_answer_that_it_is_back() {
    let provider = provider().await;
    let mut world = World::new(&[account("openai", "a", &provider.address, "")]);
    for (status, verdict) in [
        (200, UP),
        (503, None),
        (401, UP),
        (500, None),
        (503, down(ErrorClass::Server)),
        (429, down(ErrorClass::RateLimited)),
        (404, UP),
        (500, None),
    ] {
        provider.answers.send(status).expect("the provider is there");
        world.begin();
        assert_eq!(world.verdict().await, verdict, "after {status}");
    }
    let probe = world.probes.iter().next().expect("one account");
    assert_eq!((probe.failures, probe.in_a_row), (5, 1));
    assert_eq!(probe.last.as_ref().map(|last| last.answer.clone()), Some(Err("answered 500".to_owned())));
}

#[tokio::test]
async fn one_that_fails_is_asked_again_soon() {
    let provider = provider().await;
    let mut world = World::new(&[account("openai", "a", &provider.address, "")]);
    for (status, wait_ms) in [(200, INTERVAL_MS), (503, 2000), (503, 2000), (200, INTERVAL_MS)] {
        provider.answers.send(status).expect("the provider is there");
        let begun = world.now;
        world.begin();
        world.now = begun;
        world.verdict().await;
        let at = world.probes.iter().next().expect("one account").at;
        assert_eq!(at - begun, Duration::from_millis(wait_ms), "after {status}");
        world.now = at;
    }
}

#[tokio::test]
async fn no_connection_no_answer_and_a_cut_are_failures_each_of_its_class() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let refusing = closed.local_addr().expect("is bound").to_string();
    drop(closed);
    let mut world = World::new(&[account("openai", "a", &refusing, "")]);
    world.begin();
    assert_eq!(world.verdict().await, None);
    world.begin();
    assert_eq!(world.verdict().await, down(ErrorClass::Connect));

    let provider = provider().await;
    let mut world = World::new(&[account("openai", "a", &provider.address, "")]);
    world.reload(|check| check.timeout_ms = 1);
    let later = Some(Verdict::unhealthy(100_000, 104_000, ErrorClass::FirstByteTimeout));
    for verdict in [None, later] {
        world.begin();
        assert_eq!(world.verdict().await, verdict, "it is never told what to answer");
    }

    let cutting = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = cutting.local_addr().expect("is bound").to_string();
    tokio::spawn(async move { while cutting.accept().await.is_ok() {} });
    let mut world = World::new(&[account("openai", "a", &address, "")]);
    for verdict in [None, down(ErrorClass::Disconnected)] {
        world.begin();
        assert_eq!(world.verdict().await, verdict);
    }
}

#[tokio::test]
async fn it_asks_as_the_account_would() {
    let basic = "headers: {x-team: \"${env:KEY}\"}";
    for (kind, more, field, value) in [
        ("openai", basic, "authorization", "Bearer s3cret"),
        ("openai", basic, "x-team", "s3cret"),
        ("anthropic", "", "x-api-key", "s3cret"),
        ("anthropic", "", "anthropic-version", "2023-06-01"),
        ("google-gemini", "", "x-goog-api-key", "s3cret"),
        ("azure-openai", "", "api-key", "s3cret"),
    ] {
        let mut provider = provider().await;
        let mut world = World::new(&[account(kind, "a", &provider.address, more)]);
        provider.answers.send(200).expect("the provider is there");
        world.begin();
        assert_eq!(world.verdict().await, UP, "{kind}");
        let (line, fields) = provider.seen.recv().await.expect("it was asked");
        assert_eq!((line.as_str(), fields.get(field).map(String::as_str)), ("GET /v1/models", Some(value)), "{kind}");
    }
}

#[tokio::test]
async fn probes_never_overlap_and_a_reload_replaces_those_that_changed() {
    let mut provider = provider().await;
    let mut world = World::new(&[account("openai", "a", &provider.address, "")]);
    for _ in 0..3 {
        world.begin();
    }
    world.reload(|_| {});
    world.begin();
    provider.answers.send(200).expect("the provider is there");
    assert_eq!(world.verdict().await, UP, "the same one goes on after a reload that does not touch it");
    provider.seen.recv().await.expect("it was asked");
    assert!(provider.seen.try_recv().is_err(), "once");

    provider.answers.send(503).expect("the provider is there");
    world.begin();
    let Some(Event::Probed(stale)) = world.events.recv().await else { panic!("a probe ends") };
    world.reload(|check| check.path = "/health".into());
    assert_eq!(world.probes.take(stale, world.now, 100_000), None);
    assert_eq!(world.probes.iter().map(|probe| probe.in_a_row).sum::<u32>(), 0, "it was of another endpoint");
    provider.seen.recv().await.expect("it was asked");
    provider.answers.send(200).expect("the provider is there");
    world.begin();
    assert_eq!(world.verdict().await, UP);
    assert_eq!(provider.seen.recv().await.expect("it is asked").0, "GET /health");
    world.snapshot.accounts.clear();
    world.probes.follow(&world.snapshot, world.now);
    assert_eq!(world.probes.iter().count(), 0);
}

#[tokio::test]
async fn a_region_is_there_as_long_as_one_of_its_accounts_gets_an_answer() {
    let (good, bad) = (provider().await, provider().await);
    let mut world = World::new(&[account("openai", "a", &good.address, ""), account("openai", "b", &bad.address, "")]);
    for (status, verdict) in [(200, UP), (200, UP), (200, UP), (500, None), (500, down(ErrorClass::Server))] {
        good.answers.send(status).expect("the provider is there");
        bad.answers.send(503).expect("the provider is there");
        world.begin();
        let both = [world.verdict().await, world.verdict().await];
        assert!(both.contains(&verdict), "{status}: {both:?}");
        assert!(verdict == down(ErrorClass::Server) || !both.contains(&down(ErrorClass::Server)), "{status}: {both:?}");
    }
}

/// Answers one request over TLS with 200.
fn tls_server(cert: &std::path::Path, key: &std::path::Path) -> u16 {
    let config = crate::tls::config::server(cert, key).expect("a certificate");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let port = listener.local_addr().expect("is bound").port();
    std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().expect("the probe comes");
        let mut tls = rustls::ServerConnection::new(config).expect("a connection");
        let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("writes");
    });
    port
}

#[tokio::test]
async fn it_trusts_whom_the_account_trusts() {
    let dir = TempDir::new();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("writes");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("writes");
    let address = |port| format!("localhost:{port}");
    let of = |address: &str, more: &str| account("openai", "a", address, more).replace("http://", "https://");
    let own = format!("tls_settings: {{ca: {}}}", cert.display());
    let mut world = World::new(&[of(&address(tls_server(&cert, &key)), &own)]);
    world.begin();
    assert_eq!(world.verdict().await, UP);
}

/// A secret in an address or a key is in no message that is kept.
#[tokio::test]
async fn what_is_kept_of_a_probe_holds_no_secret() {
    let mut world = World::new(&[account("openai", "a", "127.0.0.1:9", "")]);
    world.snapshot.accounts[0].headers.push(("x-odd".into(), Secret::new("s3cret\n".into())));
    world.begin();
    assert_eq!(world.verdict().await, None, "what cannot be asked says nothing of the provider");
    world.begin();
    assert_eq!(world.verdict().await, None);
    let health = Health { probes: world.probes, ..Health::default() };
    let shown = format!("{:?}", health.view(&world.snapshot.routing));
    let last = health.probes.iter().next().and_then(|probe| probe.last.as_ref()).map(|last| last.answer.clone());
    assert_eq!(last, Some(Err("a header's value cannot be sent".to_owned())));
    assert!(!shown.contains("s3cret"), "{shown}");
}

/// The simulated provider wants its key or the form of a signature; and the signature is one over this very request.
#[tokio::test]
async fn bedrock_is_asked_with_a_signature_as_its_calls_are() {
    let keys = |account: &str| {
        account.replace("{type: api-key, api_key: ", "{type: access-key, access_key_id: AKID, secret_access_key: ")
    };
    let bedrock = |address: &str| keys(&account("aws-bedrock", "a", address, "region: eu-west-1"));
    let wanting = loadtest::mock::spawn_requiring(([127, 0, 0, 1], 0).into(), "sk").expect("the provider starts");
    let within = Duration::from_secs(30);
    let mut asked = snapshot(&[bedrock(&wanting.to_string())]);
    // A GET of a model: whose turn it is to say that this is not how a model is called.
    let path = "/model/m/converse";
    assert_eq!(super::ask::ask(&asked.accounts[0], path, None, within).await, Ok(405));
    let Credential::AwsKeys(own) = std::mem::replace(&mut asked.accounts[0].credential, Credential::None) else {
        panic!("keys of its own")
    };
    assert_eq!(super::ask::ask(&asked.accounts[0], path, None, within).await, Ok(401), "unsigned");
    let fetched = Fetched::Aws(own.clone());
    assert_eq!(
        super::ask::ask(&asked.accounts[0], path, Some(&fetched), within).await,
        Ok(405),
        "of the default chain"
    );

    let mut provider = provider().await;
    let mut world = World::new(&[bedrock(&provider.address)]);
    world.reload(|check| check.path = "/?a=b".into());
    provider.answers.send(404).expect("the provider is there");
    world.begin();
    assert_eq!(world.verdict().await, UP);
    let (line, fields) = provider.seen.recv().await.expect("it was asked");
    assert_eq!(line, "GET /?a=b");
    let signed_at = |unix_s| sigv4::sign(&own, "eu-west-1", "GET", &provider.address, "/?a=b", b"", unix_s);
    let is_of =
        |unix_s| signed_at(unix_s).is_ok_and(|all| all.iter().all(|(name, value)| fields.get(name) == Some(value)));
    assert!((0..60).any(|ago_s| is_of(super::unix_ms() / 1000 - ago_s)), "{fields:?}");
}
