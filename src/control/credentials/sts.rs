//! Web identity: a token that the platform wrote into a file is exchanged for keys of a role
//! (STS AssumeRoleWithWebIdentity). How pods of EKS and jobs of CI systems get theirs.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;

use super::keep::Fresh;
use super::{ANSWER_BYTES_MAX, FAR, read_file};
use crate::config::AwsKeys;
use crate::config::{Env, Secret};
use crate::control::clock::parse_ms;
use crate::control::fetch::Fetcher;
use crate::provider::Fetched;
use crate::provider::paths::push_encoded;

const SESSION_NAME: &str = "sluice";

pub async fn assume(
    env: &Env,
    http: &Fetcher,
    token_file: &str,
    role_arn: &str,
    session_name: Option<String>,
) -> Result<Fresh, String> {
    let token = read_file(Path::new(token_file)).await;
    let token = token.map_err(|error| format!("web identity: cannot read {token_file}: {error}"))?;
    let session_name = session_name.or_else(|| env.get("AWS_ROLE_SESSION_NAME"));
    let mut body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15".to_vec();
    for (key, value) in [
        ("&RoleArn=", role_arn),
        ("&RoleSessionName=", session_name.as_deref().unwrap_or(SESSION_NAME)),
        ("&WebIdentityToken=", token.trim()),
    ] {
        body.extend_from_slice(key.as_bytes());
        push_encoded(value, &mut body);
    }
    let request = Request::post(endpoint(env))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| "web identity: AWS_ENDPOINT_URL_STS is no URL".to_owned())?;
    let (status, body) =
        http.fetch(request, FAR, ANSWER_BYTES_MAX).await.map_err(|error| format!("web identity: STS: {error}"))?;
    if !status.is_success() {
        return Err(format!("web identity: STS answered {}", status.as_u16()));
    }
    fresh(&String::from_utf8_lossy(&body)).ok_or_else(|| "web identity: STS answered without keys".to_owned())
}

/// The region's own: the one for all regions may be switched off, and is far away.
fn endpoint(env: &Env) -> String {
    let region = || env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION"));
    match (env.get("AWS_ENDPOINT_URL_STS"), region()) {
        (Some(endpoint), _) => endpoint,
        (None, Some(region)) if region.starts_with("cn-") => format!("https://sts.{region}.amazonaws.com.cn/"),
        (None, Some(region)) => format!("https://sts.{region}.amazonaws.com/"),
        (None, None) => "https://sts.amazonaws.com/".to_owned(),
    }
}

/// Of an answer in XML. Its values are base64, names and a time: nothing in them is escaped.
fn fresh(xml: &str) -> Option<Fresh> {
    let element = |name: &str| {
        let (_, rest) = xml.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once("</")?;
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    };
    Some(Fresh {
        fetched: Fetched::Aws(AwsKeys {
            access_key_id: element("AccessKeyId")?,
            secret_access_key: Secret::new(element("SecretAccessKey")?),
            session_token: Some(Secret::new(element("SessionToken")?)),
        }),
        expires_unix_s: Some(parse_ms(&element("Expiration")?)? / 1000),
    })
}
