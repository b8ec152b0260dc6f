//! `auth_data` of a provider account: how it proves who it is.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::credential::AwsKeys;
use super::credential::{Credential, CredentialSource};
use super::kinds::{Form, Kind};
use super::read::{Fields, Reader};
use super::secret::is_field_value;
use super::snapshot::Secret;
use super::tree::{Node, Value};

pub(super) enum Auth {
    Credential(Credential),
    /// Value of `Authorization`.
    Header(Secret),
}

#[derive(Clone, Copy)]
enum Type {
    ApiKey,
    Bearer,
    Basic,
    DefaultChain,
    AccessKey,
    ServiceAccount,
}

pub(super) fn read(reader: &mut Reader<'_>, fields: Fields<'_>, kind: &Kind) -> Option<Auth> {
    let Some(node) = fields.get("auth_data") else {
        // A server of one's own may be open; a provider's never is.
        if kind.is_hosted() && fields.get("base_url").is_none() {
            reader.need(fields, "a provider account without a `base_url`", &["auth_data"]);
        }
        return None;
    };
    let (chain, bearer) = (("default-chain", Type::DefaultChain), ("bearer-auth", Type::Bearer));
    let api_key = ("api-key", Type::ApiKey);
    let types = match kind.form {
        Form::Bedrock => [chain, ("access-key", Type::AccessKey), api_key],
        Form::Vertex => [("service-account", Type::ServiceAccount), chain, bearer],
        _ => [api_key, bearer, ("basic-auth", Type::Basic)],
    };
    let data = reader.open_fields(node, "auth_data")?;
    reader.need(data, "auth_data", &["type"]);
    let credential = match reader.choice(data, "type", &types)? {
        Type::ApiKey => {
            let data = auth_fields(reader, node, &["api_key"], &[])?;
            Credential::Key(sendable(reader, data, "api_key")?)
        }
        Type::Bearer => {
            let data = auth_fields(reader, node, &["bearer_token"], &[])?;
            let token = sendable(reader, data, "bearer_token")?;
            return Some(Auth::Header(Secret::new(format!("Bearer {}", token.expose()))));
        }
        Type::Basic => return basic(reader, node),
        Type::AccessKey => Credential::AwsKeys(access_key(reader, node)?),
        Type::ServiceAccount => Credential::Fetched(service_account(reader, node)?),
        Type::DefaultChain => {
            auth_fields(reader, node, &[], &[])?;
            Credential::Fetched(match kind.form {
                Form::Vertex => CredentialSource::GoogleDefaultChain,
                _ => CredentialSource::AwsDefaultChain,
            })
        }
    };
    Some(Auth::Credential(credential))
}

fn basic(reader: &mut Reader<'_>, node: &Node) -> Option<Auth> {
    let data = auth_fields(reader, node, &["username", "password"], &[])?;
    let (user, password) = (reader.text(data, "username"), reader.secret(data, "password"));
    let (user, password) = (user?, password?);
    if user.contains(':') {
        reader.fault(data.line_of("username"), "`username`: expected one without `:` (RFC 7617 2)");
        return None;
    }
    let pair = format!("{user}:{}", password.expose());
    Some(Auth::Header(Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair)))))
}

fn access_key(reader: &mut Reader<'_>, node: &Node) -> Option<AwsKeys> {
    let data = auth_fields(reader, node, &["access_key_id", "secret_access_key"], &["session_token"])?;
    // The id names the key and is no secret by itself: it may be written out.
    let id = match data.get("access_key_id").map(|node| &node.value) {
        Some(Value::Scalar { text, .. }) if text.starts_with("${") => sendable(reader, data, "access_key_id"),
        Some(Value::Scalar { text, .. }) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            Some(Secret::new(text.to_owned()))
        }
        Some(_) => {
            let what = "`access_key_id`: expected letters and digits, such as `AKIAIOSFODNN7EXAMPLE`, or a reference";
            reader.fault(data.line_of("access_key_id"), what);
            None
        }
        None => None,
    };
    let secret_access_key = sendable(reader, data, "secret_access_key");
    let session_token = match data.get("session_token") {
        Some(_) => Some(sendable(reader, data, "session_token")?),
        None => None,
    };
    Some(AwsKeys { access_key_id: id?.expose().to_owned(), secret_access_key: secret_access_key?, session_token })
}

fn service_account(reader: &mut Reader<'_>, node: &Node) -> Option<CredentialSource> {
    let data = auth_fields(reader, node, &[], &["key_file", "credentials_json"])?;
    let (key, text) = match (data.get("key_file"), data.get("credentials_json")) {
        (Some(_), None) => ("key_file", reader.secret_in_file(data, "key_file")?),
        (None, Some(_)) => ("credentials_json", reader.secret_text(data, "credentials_json")?),
        _ => {
            reader.fault(data.line, "a service account has either `key_file` or `credentials_json`");
            return None;
        }
    };
    match super::credential::service_account(text.expose()) {
        Ok(source) => Some(source),
        Err(message) => {
            reader.fault(data.line_of(key), format!("`{key}`: {message}"));
            None
        }
    }
}

/// A secret that can stand in a header field.
fn sendable(reader: &mut Reader<'_>, data: Fields<'_>, key: &str) -> Option<Secret> {
    let secret = reader.secret(data, key)?;
    if !is_field_value(secret.expose()) {
        reader.fault(data.line_of(key), format!("`{key}`: the secret is no header value; expected visible ASCII"));
        return None;
    }
    Some(secret)
}

fn auth_fields<'n>(reader: &mut Reader<'_>, node: &'n Node, keys: &[&str], optional: &[&str]) -> Option<Fields<'n>> {
    let data = reader.fields(node, "auth_data", &[&["type"], keys, optional].concat())?;
    reader.need(data, "auth_data", keys);
    Some(data)
}
