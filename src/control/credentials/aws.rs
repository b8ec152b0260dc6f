//! AWS's default chain: environment, profile files, web identity, the container's endpoint, the instance's metadata, in
//! this order. The first that is set up decides: if it fails, the chain fails, for a wrong credential is worse than none.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::http::request::Builder;
use serde_json::Value;

use super::keep::Fresh;
use super::profile::{self, Profile};
use super::{ANSWER_BYTES_MAX, NEAR, read_file, sts};
use crate::config::AwsKeys;
use crate::config::{Env, Secret};
use crate::control::clock::parse_ms;
use crate::control::fetch::Fetcher;
use crate::provider::Fetched;

pub async fn default_chain(env: &Env, http: &Fetcher) -> Result<Fresh, String> {
    if let Some(keys) = environment(env)? {
        return Ok(lasting(keys));
    }
    if let Some(fresh) = profile(env, http).await? {
        return Ok(fresh);
    }
    if let (Some(file), Some(role)) = (env.get("AWS_WEB_IDENTITY_TOKEN_FILE"), env.get("AWS_ROLE_ARN")) {
        return sts::assume(env, http, &file, &role, None).await;
    }
    if let Some(fresh) = container(env, http).await? {
        return Ok(fresh);
    }
    instance(env, http).await
}

fn lasting(keys: AwsKeys) -> Fresh {
    Fresh { fetched: Fetched::Aws(keys), expires_unix_s: None }
}

fn environment(env: &Env) -> Result<Option<AwsKeys>, String> {
    let get = |name: &str| env.get(name).map(|value| value.trim().to_owned());
    let Some(access_key_id) = get("AWS_ACCESS_KEY_ID") else { return Ok(None) };
    let secret = get("AWS_SECRET_ACCESS_KEY");
    let secret = secret.ok_or("environment: AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not")?;
    let session_token = get("AWS_SESSION_TOKEN").map(Secret::new);
    Ok(Some(AwsKeys { access_key_id, secret_access_key: Secret::new(secret), session_token }))
}

async fn profile(env: &Env, http: &Fetcher) -> Result<Option<Fresh>, String> {
    let asked = env.get("AWS_PROFILE");
    let name = asked.clone().unwrap_or_else(|| "default".to_owned());
    let credentials = profile_file(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials").await?;
    let config = profile_file(env, "AWS_CONFIG_FILE", "config").await?;
    match profile::find(&name, &credentials, &config) {
        None if asked.is_some() => Err(format!("profile files: no profile is named `{name}`")),
        None | Some(Profile::Empty) => Ok(None),
        Some(Profile::Keys(keys)) => Ok(Some(lasting(keys))),
        Some(Profile::WebIdentity { token_file, role_arn, session_name }) => {
            sts::assume(env, http, &token_file, &role_arn, session_name).await.map(Some)
        }
        Some(Profile::Other(key)) => Err(format!("profile `{name}`: `{key}` is not served by this version")),
    }
}

/// Empty when it is not there.
async fn profile_file(env: &Env, variable: &str, name: &str) -> Result<String, String> {
    let path = match (env.get(variable), env.get("HOME")) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(home)) => Path::new(&home).join(".aws").join(name),
        (None, None) => return Ok(String::new()),
    };
    match read_file(&path).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| format!("profile files: cannot read {}: {error}", path.display())),
    }
}

/// Tasks of ECS and pods of EKS with Pod Identity.
async fn container(env: &Env, http: &Fetcher) -> Result<Option<Fresh>, String> {
    let uri = match (env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        (Some(relative), _) => format!("http://169.254.170.2{relative}"),
        (None, Some(full)) if is_trusted(&full) => full,
        (None, Some(_)) => {
            let what = "expected https://, or http:// to this machine or its container agent";
            return Err(format!("container: AWS_CONTAINER_CREDENTIALS_FULL_URI: {what}"));
        }
        (None, None) => return Ok(None),
    };
    let token = match env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => {
            let read = read_file(Path::new(&path)).await;
            Some(read.map_err(|error| format!("container: cannot read {path}: {error}"))?)
        }
        None => env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let mut request = Request::get(uri);
    if let Some(token) = &token {
        request = request.header("authorization", token.trim());
    }
    let body = ask(http, "container", request).await?;
    document("container", &body).map(Some)
}

/// What is sent there in clear is a key to the credentials (as AWS's SDKs have it).
fn is_trusted(uri: &str) -> bool {
    let Ok(uri) = uri.parse::<hyper::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let agents = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    uri.scheme_str() == Some("https") || loopback || agents.contains(&host)
}

/// The role of an EC2 instance, by version 2 of its metadata service.
async fn instance(env: &Env, http: &Fetcher) -> Result<Fresh, String> {
    const SOURCE: &str = "instance metadata";
    let nothing = "no credentials: not in the environment, no profile, no web identity, no container";
    if env.get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(format!("{nothing}; {SOURCE} is switched off"));
    }
    let endpoint = env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| "http://169.254.169.254".to_owned());
    let base = format!("{}/latest", endpoint.trim_end_matches('/'));
    let request = Request::put(format!("{base}/api/token")).header("x-aws-ec2-metadata-token-ttl-seconds", "300");
    let token = ask(http, SOURCE, request).await.map_err(|error| format!("{nothing}; {error}"))?;
    let roles = format!("{base}/meta-data/iam/security-credentials/");
    let get = |url: &str| Request::get(url).header("x-aws-ec2-metadata-token", token.trim());
    let role = ask(http, SOURCE, get(&roles)).await?;
    let role = role.lines().next().unwrap_or_default().trim();
    let body = ask(http, SOURCE, get(&format!("{roles}{role}"))).await?;
    document(SOURCE, &body)
}

async fn ask(http: &Fetcher, source: &str, request: Builder) -> Result<String, String> {
    let request = request.body(Full::new(Bytes::new())).map_err(|_| format!("{source}: not an address or a token"))?;
    let answer = http.fetch(request, NEAR, ANSWER_BYTES_MAX).await;
    let (status, body) = answer.map_err(|error| format!("{source}: {error}"))?;
    match status.is_success() {
        true => Ok(String::from_utf8_lossy(&body).into_owned()),
        false => Err(format!("{source}: answered {}", status.as_u16())),
    }
}

/// The document that container and instance give out alike.
fn document(source: &str, body: &str) -> Result<Fresh, String> {
    let document: Option<Value> = serde_json::from_str(body).ok();
    let text = |key: &str| document.as_ref()?.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let fresh = || {
        Some(Fresh {
            fetched: Fetched::Aws(AwsKeys {
                access_key_id: text("AccessKeyId")?,
                secret_access_key: Secret::new(text("SecretAccessKey")?),
                session_token: text("Token").map(Secret::new),
            }),
            expires_unix_s: match text("Expiration") {
                Some(time) => Some(parse_ms(&time)? / 1000),
                None => None,
            },
        })
    };
    fresh().ok_or_else(|| format!("{source}: answered without keys"))
}
