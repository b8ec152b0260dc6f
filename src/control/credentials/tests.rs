//! Every source against a server of these tests' own.

use std::collections::HashMap;

use axum::Router;
use axum::extract::Request as Asked;
use axum::response::IntoResponse;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::config::AwsKeys;
use crate::config::{self, Secret};
use crate::control::testing::TempDir;

const PEM: &str = include_str!("../../provider/fixtures/test-only-rsa.pem");
const NOW: u64 = 1_700_000_000;
/// 2030-01-01.
const EXPIRES: u64 = 1_893_456_000;

/// A request that came: its method and path, its fields, its body.
type Seen = (String, HashMap<String, String>, String);

/// Answers `method path` with a status and a body, all else with 404.
async fn server(answers: Vec<(&'static str, u16, String)>) -> (String, UnboundedReceiver<Seen>) {
    let (sender, seen) = mpsc::unbounded_channel();
    let answer = move |request: Asked| {
        let (sender, answers) = (sender.clone(), answers.clone());
        async move {
            let (head, body) = request.into_parts();
            let line = format!("{} {}", head.method, head.uri.path());
            let body = body.collect().await.expect("a body").to_bytes();
            let fields =
                head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
            let seen = (line.clone(), fields.collect(), String::from_utf8_lossy(&body).into_owned());
            sender.send(seen).expect("the test listens");
            let found = answers.into_iter().find(|(known, _, _)| *known == line);
            let (status, body) = found.map_or((404, String::new()), |(_, status, body)| (status, body));
            (axum::http::StatusCode::from_u16(status).expect("a status"), body).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (base, seen)
}

async fn fetched(source: &CredentialSource, variables: &[(&str, &str)]) -> Result<Fresh, String> {
    let http = Fetcher::new().expect("a client");
    fetch(source, &Env::of(variables), &http, NOW).await
}

async fn aws(variables: &[(&str, &str)]) -> Result<Fresh, String> {
    fetched(&CredentialSource::AwsDefaultChain, variables).await
}

fn keys(id: &str, token: Option<&str>) -> Fetched {
    Fetched::Aws(AwsKeys {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new("swordfish".to_owned()),
        session_token: token.map(|token| Secret::new(token.to_owned())),
    })
}

fn document(id: &str) -> String {
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"swordfish","Token":"t/+=","Expiration":"2030-01-01T00:00:00Z"}}"#
    )
}

fn sts_answer() -> String {
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
     <Credentials><SessionToken>t/+=</SessionToken><SecretAccessKey>swordfish</SecretAccessKey>\
     <Expiration>2030-01-01T00:00:00Z</Expiration><AccessKeyId>ASIAWEB</AccessKeyId></Credentials>\
     </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        .to_owned()
}

#[tokio::test]
async fn the_first_source_of_aws_that_is_set_up_decides() {
    let instance = "/latest/meta-data/iam/security-credentials/";
    let role: &'static str = "GET /latest/meta-data/iam/security-credentials/role-1";
    let (base, mut seen) = server(vec![
        ("POST /", 200, sts_answer()),
        ("GET /container", 200, document("ASIACONTAINER")),
        ("PUT /latest/api/token", 200, "imds-token".to_owned()),
        ("GET /latest/meta-data/iam/security-credentials/", 200, "role-1\n".to_owned()),
        (role, 200, document("ASIAINSTANCE")),
    ])
    .await;
    let folder = TempDir::new();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    };
    let credentials =
        write("credentials", "[default]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = swordfish\n");
    let token = write("web-token", "web token&=\n");
    let authorization = write("authorization", "Bearer pod\n");
    let container = format!("{base}/container");
    // From the last to the first, each before those that are there already.
    type Step<'a> = (Vec<(&'a str, &'a str)>, Fetched, Option<u64>);
    let steps: Vec<Step<'_>> = vec![
        (vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", &base)], keys("ASIAINSTANCE", Some("t/+=")), Some(EXPIRES)),
        (
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &authorization),
            ],
            keys("ASIACONTAINER", Some("t/+=")),
            Some(EXPIRES),
        ),
        (
            vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
                ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
                ("AWS_ENDPOINT_URL_STS", &base),
            ],
            keys("ASIAWEB", Some("t/+=")),
            Some(EXPIRES),
        ),
        (vec![("AWS_SHARED_CREDENTIALS_FILE", &credentials)], keys("AKIAPROFILE", None), None),
        (
            vec![("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "swordfish"), ("AWS_SESSION_TOKEN", "t")],
            keys("AKIAENV", Some("t")),
            None,
        ),
    ];
    let mut variables: Vec<(&str, &str)> = Vec::new();
    for (more, expected, expires) in steps {
        variables.extend(more);
        let fresh = aws(&variables).await.expect("credentials");
        assert_eq!((fresh.fetched, fresh.expires_unix_s), (expected, expires));
    }
    drop(variables);
    let asked: Vec<Seen> = std::iter::from_fn(|| seen.try_recv().ok()).collect();
    let lines: Vec<&str> = asked.iter().map(|(line, _, _)| line.as_str()).collect();
    assert_eq!(lines, ["PUT /latest/api/token", &format!("GET {instance}"), role, "GET /container", "POST /"]);
    assert_eq!(asked[0].1["x-aws-ec2-metadata-token-ttl-seconds"], "300");
    assert_eq!(
        (asked[1].1["x-aws-ec2-metadata-token"].as_str(), asked[2].1["x-aws-ec2-metadata-token"].as_str()),
        ("imds-token", "imds-token")
    );
    assert_eq!(asked[3].1["authorization"], "Bearer pod");
    assert_eq!(
        asked[4].2,
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
         &RoleSessionName=sluice&WebIdentityToken=web%20token%26%3D"
    );
}

#[tokio::test]
async fn a_failure_names_the_source_and_the_status_and_nothing_secret() {
    let secret_body = || "<Message>swordfish</Message>".to_owned();
    let (base, _seen) = server(vec![
        ("POST /", 403, secret_body()),
        ("POST /empty", 200, secret_body()),
        ("GET /refused", 401, secret_body()),
        ("GET /odd", 200, r#"{"AccessKeyId":"A","SecretAccessKey":"sword\nfish"}"#.to_owned()),
        ("PUT /latest/api/token", 403, secret_body()),
    ])
    .await;
    let folder = TempDir::new();
    let config = folder.path().join("config");
    std::fs::write(&config, "[profile sso]\nsso_session = s\n").expect("written");
    let config = config.to_string_lossy().into_owned();
    let (refused, odd, empty) = (format!("{base}/refused"), format!("{base}/odd"), format!("{base}/empty"));
    let nothing = "no credentials: not in the environment, no profile, no web identity, no container";
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", config.as_str()), ("AWS_ROLE_ARN", "r")];
    let cases: Vec<(Vec<(&str, &str)>, String)> = vec![
        (vec![("AWS_EC2_METADATA_DISABLED", "true")], format!("{nothing}; instance metadata is switched off")),
        (vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", &base)], format!("{nothing}; instance metadata: answered 403")),
        (vec![("AWS_ACCESS_KEY_ID", "A")], "environment: AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not".to_owned()),
        (vec![("AWS_PROFILE", "nobody")], "profile files: no profile is named `nobody`".to_owned()),
        (vec![("AWS_PROFILE", "sso"), ("AWS_CONFIG_FILE", &config)], "profile `sso`: `sso_session` is not served by this version".to_owned()),
        ([&web[..], &[("AWS_ENDPOINT_URL_STS", &base)]].concat(), "web identity: STS answered 403".to_owned()),
        ([&web[..], &[("AWS_ENDPOINT_URL_STS", &empty)]].concat(), "web identity: STS answered without keys".to_owned()),
        (vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", &refused)], "container: answered 401".to_owned()),
        (vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", &odd)], "what was given as a credential cannot stand in a header field".to_owned()),
        (
            vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x")],
            "container: AWS_CONTAINER_CREDENTIALS_FULL_URI: expected https://, or http:// to this machine or its container agent".to_owned(),
        ),
    ];
    for (variables, expected) in cases {
        assert_eq!(aws(&variables).await.map(|_| ()), Err(expected));
    }
}

fn key_file(token_uri: &str) -> String {
    serde_json::json!({
        "type": "service_account", "client_email": "robot@p", "private_key": PEM, "private_key_id": "k1",
        "token_uri": token_uri,
    })
    .to_string()
}

fn bearer(text: &str) -> Fetched {
    Fetched::Bearer(Secret::new(text.to_owned()))
}

const TOKEN: &str = r#"{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}"#;

#[tokio::test]
async fn a_service_account_proves_itself_with_its_key() {
    let (base, mut seen) = server(vec![("POST /token", 200, TOKEN.to_owned())]).await;
    let source = crate::config::service_account(&key_file(&format!("{base}/token"))).expect("a key file");
    let fresh = fetched(&source, &[]).await.expect("a token");
    assert_eq!((fresh.fetched, fresh.expires_unix_s), (bearer("ya29.x"), Some(NOW + 3599)));
    let (_, fields, body) = seen.try_recv().expect("asked");
    assert_eq!(fields["content-type"], "application/x-www-form-urlencoded");
    let assertion =
        body.strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=").expect(&body);
    let (signed, signature) = assertion.rsplit_once('.').expect("a JWT");
    let der = PrivatePkcs8KeyDer::from_pem_slice(PEM.as_bytes()).expect("a key");
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key");
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
        .verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url"))
        .expect("signed");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).expect("claims")).expect("base64url");
    let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!((&claims["iss"], &claims["iat"]), (&"robot@p".into(), &NOW.into()));
}

#[tokio::test]
async fn googles_default_chain_is_the_named_file_and_then_the_metadata_server() {
    let token = "GET /computeMetadata/v1/instance/service-accounts/default/token";
    let by_file = TOKEN.replace("ya29.x", "ya29.file");
    let (base, mut seen) = server(vec![("POST /token", 200, by_file), (token, 200, TOKEN.to_owned())]).await;
    let host = base.trim_start_matches("http://");
    let folder = TempDir::new();
    let path = folder.path().join("key.json");
    std::fs::write(&path, key_file(&format!("{base}/token"))).expect("written");
    let path = path.to_string_lossy().into_owned();
    let source = CredentialSource::GoogleDefaultChain;
    let fresh = fetched(&source, &[("GCE_METADATA_HOST", host)]).await.expect("a token");
    assert_eq!((fresh.fetched, fresh.expires_unix_s), (bearer("ya29.x"), Some(NOW + 3599)));
    assert_eq!(seen.try_recv().expect("asked").1["metadata-flavor"], "Google");
    let variables = [("GCE_METADATA_HOST", host), ("GOOGLE_APPLICATION_CREDENTIALS", path.as_str())];
    assert_eq!(fetched(&source, &variables).await.expect("a token").fetched, bearer("ya29.file"));
    std::fs::write(&path, r#"{"type":"authorized_user","refresh_token":"swordfish"}"#).expect("written");
    let error = fetched(&source, &variables).await.expect_err("another kind of key");
    assert!(error.starts_with("GOOGLE_APPLICATION_CREDENTIALS: ") && !error.contains("swordfish"), "{error}");
    let gone = fetched(&source, &[("GCE_METADATA_HOST", &format!("{host}/nowhere?"))]).await;
    assert_eq!(gone.map(|_| ()), Err("metadata server: answered 404".to_owned()));
}

#[tokio::test]
async fn one_source_serves_all_its_accounts_and_lives_as_long_as_one_of_them() {
    let token = "GET /computeMetadata/v1/instance/service-accounts/default/token";
    let (base, mut seen) = server(vec![(token, 200, TOKEN.to_owned())]).await;
    let env = Env::of(&[("GCE_METADATA_HOST", base.trim_start_matches("http://"))]);
    let folder = TempDir::new();
    let path = folder.path().join("sluice.yaml");
    let snapshot = |names: &[&str]| {
        let text: String = names
            .iter()
            .map(|name| {
                format!(
                    "type: provider-account/google-vertex\nname: {name}\nproject: p\nlocation: global\n\
                     base_url: http://h\nauth_data: {{type: default-chain}}\n---\n"
                )
            })
            .collect();
        std::fs::write(&path, text + "type: provider-account/mock\nname: m\n").expect("written");
        config::load(std::slice::from_ref(&path), &Env::of(&[])).expect("loads")
    };
    let source = Arc::new(Source { paths: Vec::new(), env });
    let (sender, mut events) = mpsc::channel(8);
    let mut credentials = Credentials::default();
    assert!(credentials.follow(&snapshot(&["a", "b"]), &source, &sender).is_empty(), "nothing is known yet");
    let Some(Event::Credential { keeper, fetched }) = events.recv().await else { panic!("a credential") };
    let accounts = |news: News| {
        assert!(news.iter().all(|(_, fetched)| *fetched == bearer("ya29.x")));
        news.into_iter().map(|(account, _)| account.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(accounts(credentials.take(keeper, fetched.clone())), ["a", "b"]);
    // What is known is told at once.
    assert_eq!(accounts(credentials.follow(&snapshot(&["b", "c"]), &source, &sender)), ["b", "c"]);
    assert!(credentials.follow(&snapshot(&[]), &source, &sender).is_empty());
    assert!(credentials.take(keeper, fetched).is_empty(), "nobody wants it any more");
    assert_eq!((seen.recv().await.map(|(line, _, _)| line), seen.try_recv().is_err()), (Some(token.to_owned()), true));
}
