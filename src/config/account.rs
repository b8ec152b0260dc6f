//! `provider-account/*` documents -> [`Account`]s.

use std::collections::HashMap;
use std::sync::Arc;

use super::kinds::Kind;
use super::read::{Fields, NAME, Reader, is_name};
use super::secret::is_field_value;
use super::snapshot::{Account, Api, Credential, OnUnsupported, Paths, Secret, Upstream};
use super::tree::Node;
use super::url::Url;
use crate::tls::config::ClientConfigs;

const KEYS: [&str; 8] =
    ["type", "name", "base_url", "auth_data", "headers", "integrations", "tls_settings", "ask_usage"];

/// Fields that Sluice writes itself, on every request it sends.
const OWNED_HEADERS: [&str; 13] = [
    "authorization",
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept-encoding",
    "traceparent",
];

const MODEL_TYPE: &str = "`chat`, `completion`, `embedding`, `realtime`, `rerank`, `audio_transcription`, \
    `audio_translation`, `text_to_speech`, `moderation`, `image`, `responses` or `ocr`";

pub(super) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    kind: &'static Kind,
    clients: &mut ClientConfigs,
) -> Option<Account> {
    // `ask_usage` would do nothing for Anthropic, whose streams always report usage.
    let keys = match kind.api {
        Api::Anthropic => &KEYS[..7],
        _ => &KEYS[..],
    };
    let fields = reader.fields(node, "a provider account", keys)?;
    reader.need(fields, "a provider account", &["name"]);
    let name = reader.parsed(fields, "name", NAME, |text| is_name(text).then(|| text.to_owned()));
    let upstream = upstream(reader, fields, kind, clients);
    let auth = auth(reader, fields, kind);
    let owned = if kind.api == Api::Anthropic { &["x-api-key"][..] } else { &[] };
    let owned = [&OWNED_HEADERS[..], owned].concat();
    let mut headers = reader.headers(fields, "headers", &owned).unwrap_or_default();
    let ask_usage = reader.flag(fields, "ask_usage").unwrap_or(kind.ask_usage);
    let (name, upstream) = (name?, upstream?);
    let mut account = Account {
        name,
        kind: kind.suffix,
        provider: kind.provider.to_owned(),
        api: kind.api,
        upstream,
        paths: Paths::Plain,
        credential: Credential::None,
        region: None,
        on_unsupported: OnUnsupported::Refuse,
        speaks_responses: true,
        headers: Vec::new(),
        models: HashMap::new(),
        model_types: HashMap::new(),
        pass_any_model: fields.get("integrations").is_none(),
        ask_usage,
    };
    match auth {
        Some(Auth::Key(key)) => account.credential = Credential::Key(key),
        Some(Auth::Header(value)) => headers.push(("authorization".to_owned(), value)),
        None => {}
    }
    account.headers = headers;
    for item in reader.list(fields, "integrations") {
        integration(reader, item, kind, &mut account);
    }
    if kind.api == Api::Mock && account.pass_any_model {
        // Listed under the names it knows; it answers to every other as well.
        for model in loadtest::mock::MODELS {
            account.models.insert((*model).to_owned(), Arc::new(account.target(model, model)));
        }
    }
    Some(account)
}

fn upstream(reader: &mut Reader<'_>, fields: Fields<'_>, kind: &Kind, clients: &mut ClientConfigs) -> Option<Upstream> {
    let tls_settings = reader.map(fields, "tls_settings", &["ca"]);
    let ca = tls_settings.and_then(|settings| {
        reader.need(settings, "tls_settings", &["ca"]);
        reader.path(settings, "ca")
    });
    let url = match (fields.get("base_url"), kind.base_url) {
        (Some(_), _) => reader.url(fields, "base_url")?,
        (None, Some(default)) => Url::parse(default)?,
        (None, None) if kind.api == Api::Mock => {
            let host = "mock".to_owned();
            let (path_prefix, authority) = (String::new(), host.clone());
            return Some(Upstream { tls: None, ca: None, host, port: 0, path_prefix, strip_v1: false, authority });
        }
        (None, None) => {
            reader.need(fields, "a provider account of this type", &["base_url"]);
            return None;
        }
    };
    if ca.is_some() && !url.https {
        reader.fault(fields.line_of("tls_settings"), "`tls_settings` needs a `base_url` that begins with `https://`");
    }
    let tls = match url.https {
        false => None,
        true => match clients.get(ca.as_deref()) {
            Ok(config) => Some(config),
            Err(message) => {
                reader.fault(fields.line_of("tls_settings"), message);
                None
            }
        },
    };
    if let Some(ca) = &ca {
        reader.depends_on(ca);
    }
    let authority = url.authority();
    let (path_prefix, strip_v1) = prefix(&url.path, kind.versionless);
    Some(Upstream { tls, ca, host: url.host, port: url.port, path_prefix, strip_v1, authority })
}

/// A base URL that ends in `/v1`, or names no version at all, gets the client's whole `/v1/...`; one with its version
/// elsewhere (`/v1/openai`, `/api/paas/v4`) is taken as it is.
fn prefix(path: &str, versionless: bool) -> (String, bool) {
    let path = path.trim_end_matches('/');
    if let Some(before) = path.strip_suffix("/v1") {
        return (before.to_owned(), false);
    }
    let version = |segment: &str| {
        segment.strip_prefix('v').is_some_and(|rest| rest.bytes().next().is_some_and(|b| b.is_ascii_digit()))
    };
    (path.to_owned(), versionless || path.split('/').any(version))
}

enum Auth {
    /// Sent the way the account's API sends keys.
    Key(Secret),
    /// Value of `Authorization`.
    Header(Secret),
}

fn auth(reader: &mut Reader<'_>, fields: Fields<'_>, kind: &Kind) -> Option<Auth> {
    let Some(node) = fields.get("auth_data") else {
        // A server of one's own may be open; a provider's never is.
        if kind.key_variable.is_some() && fields.get("base_url").is_none() {
            reader.need(fields, "a provider account without a `base_url`", &["auth_data"]);
        }
        return None;
    };
    let data = reader.open_fields(node, "auth_data")?;
    reader.need(data, "auth_data", &["type"]);
    let kinds = [("api-key", 0), ("bearer-auth", 1), ("basic-auth", 2)];
    match reader.choice(data, "type", &kinds)? {
        0 => {
            let data = auth_fields(reader, node, &["type", "api_key"])?;
            sendable(reader, data, "api_key").map(Auth::Key)
        }
        1 => {
            let data = auth_fields(reader, node, &["type", "bearer_token"])?;
            let token = sendable(reader, data, "bearer_token")?;
            Some(Auth::Header(Secret::new(format!("Bearer {}", token.expose()))))
        }
        _ => {
            let data = auth_fields(reader, node, &["type", "username", "password"])?;
            let (user, password) = (reader.text(data, "username"), reader.secret(data, "password"));
            let (user, password) = (user?, password?);
            if user.contains(':') {
                reader.fault(data.line_of("username"), "`username`: expected one without `:` (RFC 7617 2)");
                return None;
            }
            let pair = format!("{user}:{}", password.expose());
            Some(Auth::Header(Secret::new(format!("Basic {}", base64(pair.as_bytes())))))
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

fn auth_fields<'n>(reader: &mut Reader<'_>, node: &'n Node, keys: &[&str]) -> Option<Fields<'n>> {
    let data = reader.fields(node, "auth_data", keys)?;
    reader.need(data, "auth_data", keys);
    Some(data)
}

fn integration(reader: &mut Reader<'_>, node: &Node, kind: &Kind, account: &mut Account) {
    let keys = ["name", "type", "model_id", "model_types", "cost"];
    let Some(fields) = reader.fields(node, "an integration", &keys) else { return };
    reader.need(fields, "an integration", &["name"]);
    let expected = format!("integration/model/{}", kind.suffix);
    reader.parsed(fields, "type", &format!("`{expected}`, as the account's own type is"), |text| {
        (text == expected).then_some(())
    });
    let what = "a model name: visible characters without spaces, at most 256";
    let name = reader.parsed(fields, "name", what, |text| is_model(text).then(|| text.to_owned()));
    let model_id = reader.parsed(fields, "model_id", what, |text| is_model(text).then(|| text.to_owned()));
    let is_type = |text: &str| MODEL_TYPE.split('`').skip(1).step_by(2).any(|known| known == text);
    let types = reader.names(fields, "model_types", MODEL_TYPE, is_type);
    if let Some(cost) = reader.map(fields, "cost", &["metric", "value"]) {
        reader.need(cost, "cost", &["metric"]);
        let what = "`public_cost`, the only metric served by this version";
        reader.parsed(cost, "metric", what, |text| (text == "public_cost").then_some(()));
        if cost.get("value").is_some() {
            reader.fault(
                cost.line_of("value"),
                "`value` is not served by this version; expected `{metric: public_cost}`",
            );
        }
    }
    let Some(name) = name else { return };
    if account.models.contains_key(&name) {
        reader.fault(fields.line_of("name"), format!("an integration named `{name}` is already in this account"));
        return;
    }
    let target = Arc::new(account.target(&name, model_id.as_deref().unwrap_or(&name)));
    if !types.is_empty() {
        account.model_types.insert(name.clone(), types);
    }
    account.models.insert(name, target);
}

fn is_model(text: &str) -> bool {
    (1..=256).contains(&text.chars().count()) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// RFC 4648 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let six = (bits >> (18 - 6 * i) & 63) as usize;
            text.push(if i <= chunk.len() { char::from(ALPHABET[six]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_keeps_what_is_not_the_v1_of_the_client() {
        for (path, prefix_expected, strip) in [
            ("", "", false),
            ("/", "", false),
            ("/v1", "", false),
            ("/v1/", "", false),
            ("/openai/v1", "/openai", false),
            ("/proxy/team", "/proxy/team", false),
            ("/v1/openai", "/v1/openai", true),
            ("/api/paas/v4/", "/api/paas/v4", true),
            ("/v1beta/openai", "/v1beta/openai", true),
            ("/vllm", "/vllm", false),
        ] {
            assert_eq!(prefix(path, false), (prefix_expected.to_owned(), strip), "{path}");
        }
    }

    #[test]
    fn base64_as_the_rfc_shows_it() {
        let vectors = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in vectors {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
