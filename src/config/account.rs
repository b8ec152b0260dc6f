//! `provider-account/*` documents -> [`Account`]s.

use std::collections::HashMap;
use std::sync::Arc;

use super::auth::{self, Auth};
use super::cost::{self, Cost};
use super::credential::Credential;
use super::endpoint::{self, Endpoint};
use super::error::one_of;
use super::health_check;
use super::kinds::Kind;
use super::paths::Paths;
use super::read::{Fields, NAME, Reader, is_name};
use super::snapshot::{Account, Api, OnUnsupported};
use super::tree::Node;
use crate::meter::Pricing;
use crate::meter::pricing::PriceList;
use crate::tls::config::ClientConfigs;

const KEYS: [&str; 10] = [
    "type",
    "name",
    "base_url",
    "auth_data",
    "headers",
    "integrations",
    "tls_settings",
    "on_unsupported",
    "discount_percent",
    "health_check",
];

/// Fields that Sluice writes itself, on every request it sends; that of the key beside them.
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

/// And those of a signature.
const OWNED_BY_AWS: [&str; 3] = ["x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

const MODEL_TYPE: &str = "`chat`, `completion`, `embedding`, `realtime`, `rerank`, `audio_transcription`, \
    `audio_translation`, `text_to_speech`, `moderation`, `image`, `responses` or `ocr`";

pub(super) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    kind: &'static Kind,
    clients: &mut ClientConfigs,
) -> Option<Account> {
    let fields = reader.fields(node, "a provider account", &keys(kind))?;
    reader.need(fields, "a provider account", &["name"]);
    let name = reader.parsed(fields, "name", NAME, |text| is_name(text).then(|| text.to_owned()));
    let endpoint = endpoint::read(reader, fields, kind, clients);
    let auth = auth::read(reader, fields, kind);
    let owned = owned_headers(kind.api, endpoint.as_ref().map(|endpoint| &endpoint.paths));
    let mut headers = reader.headers(fields, "headers", &owned).unwrap_or_default();
    let ask_usage = reader.flag(fields, "ask_usage").unwrap_or(kind.ask_usage);
    let speaks_responses = reader.flag(fields, "responses_api").unwrap_or(kind.speaks_responses);
    let choices = [("refuse", OnUnsupported::Refuse), ("drop", OnUnsupported::Drop)];
    let on_unsupported = reader.choice(fields, "on_unsupported", &choices).unwrap_or_default();
    let (name, Endpoint { upstream, paths, region }) = (name?, endpoint?);
    let mut account = Account {
        name,
        kind: kind.suffix,
        provider: kind.provider.to_owned(),
        api: kind.api,
        upstream,
        paths,
        credential: Credential::None,
        region,
        on_unsupported,
        speaks_responses,
        headers: Vec::new(),
        models: HashMap::new(),
        model_types: HashMap::new(),
        pass_any_model: fields.get("integrations").is_none(),
        ask_usage,
        prices: PriceList { table: reader.prices.clone(), discount: cost::discount(reader, fields) },
        health_check: None,
    };
    match auth {
        Some(Auth::Credential(credential)) => account.credential = credential,
        Some(Auth::Header(value)) => headers.push(("authorization".to_owned(), value)),
        None => {}
    }
    account.headers = headers;
    account.health_check = health_check::read(reader, fields, &account);
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

/// The fields of a request to such an account that are made here, and that nobody else may set or take away.
pub(super) fn owned_headers(api: Api, paths: Option<&Paths>) -> Vec<&'static str> {
    let mut owned = OWNED_HEADERS.to_vec();
    owned.extend(paths.map(|paths| paths.key_field(api)));
    if api == Api::Bedrock {
        owned.extend(OWNED_BY_AWS);
    }
    owned
}

fn keys(kind: &Kind) -> Vec<&'static str> {
    let more: &[&str] = match kind.api {
        Api::OpenAi => &["ask_usage", "responses_api"],
        Api::Mock => &["ask_usage"],
        // They would do nothing: the others report usage in every stream.
        _ => &[],
    };
    [&KEYS, endpoint::keys(kind.form), more].concat()
}

fn integration(reader: &mut Reader<'_>, node: &Node, kind: &Kind, account: &mut Account) {
    let keys = ["name", "type", "model_id", "model_types", "cost"];
    let Some(fields) = reader.fields(node, "an integration", &keys) else { return };
    reader.need(fields, "an integration", &["name"]);
    let known = kind.model_types();
    let expected = one_of(known.iter().map(String::as_str));
    reader.parsed(fields, "type", &format!("{expected}, as the account's own type is"), |text| {
        known.iter().any(|one| one == text).then_some(())
    });
    let name = reader.parsed(fields, "name", MODEL, |text| is_model(text).then(|| text.to_owned()));
    let model_id = reader.parsed(fields, "model_id", MODEL, |text| is_model(text).then(|| text.to_owned()));
    let types = model_types(reader, fields);
    let cost = cost::read(reader, fields);
    let Some(name) = name else { return };
    if account.models.contains_key(&name) {
        reader.fault(fields.line_of("name"), format!("an integration named `{name}` is already in this account"));
        return;
    }
    let (key, model_id) = model_id.map_or(("name", name.clone()), |model_id| ("model_id", model_id));
    if let Err(why) = account.paths.check_model(&model_id) {
        reader.fault(fields.line_of(key), format!("`{key}`: {why}"));
        return;
    }
    let mut target = account.target(&name, &model_id);
    target.pricing = match cost {
        None => None,
        Some(Cost::Public) => account.public_price(&model_id),
        Some(Cost::Private(cost)) => Some(Arc::new(Pricing::private(cost))),
    };
    if !types.is_empty() {
        account.model_types.insert(name.clone(), types);
    }
    account.models.insert(name, Arc::new(target));
}

/// What an integration says its model does.
pub(super) fn model_types(reader: &mut Reader<'_>, integration: Fields<'_>) -> Vec<String> {
    let is_type = |text: &str| MODEL_TYPE.split('`').skip(1).step_by(2).any(|known| known == text);
    reader.names(integration, "model_types", MODEL_TYPE, is_type)
}

pub(super) const MODEL: &str = "a model name: visible characters without spaces, at most 256";

pub(super) fn is_model(text: &str) -> bool {
    (1..=256).contains(&text.chars().count()) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}
