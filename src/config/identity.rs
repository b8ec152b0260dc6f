//! `virtual-account` documents: who may call, with which tokens, which models.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::account::is_model;
use super::error::did_you_mean;
use super::read::{Fields, NAME, Reader, is_name};
use super::routing::VirtualNames;
use super::snapshot::{Account, VirtualAccount};
use super::tree::Node;
use crate::telemetry::Principal;

/// Longest metadata value, in characters (spec "seed" 1.5, line 170).
const METADATA_CHARS_MAX: usize = 128;

pub(super) type Tokens = HashMap<[u8; 32], (usize, usize)>;

/// What permissions may name.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub accounts: &'a [Account],
    pub names: &'a VirtualNames,
}

/// `index`: where the account will stand in `virtual_accounts`. `known`: `None` when not all is.
pub(super) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    index: usize,
    known: Option<Known<'_>>,
    tokens: &mut Tokens,
) -> Option<VirtualAccount> {
    let what = "a virtual account";
    let fields = reader.fields(node, what, &["type", "name", "teams", "metadata", "tokens", "permissions"])?;
    reader.need(fields, what, &["name"]);
    let name = reader.parsed(fields, "name", NAME, |text| is_name(text).then(|| text.to_owned()));
    let teams = reader.names(fields, "teams", &format!("a team's name: {NAME}"), is_name);
    let metadata = metadata(reader, fields, "metadata");
    let mut ids: Vec<String> = Vec::new();
    for item in reader.list(fields, "tokens") {
        if let Some((id, hash)) = token(reader, item) {
            if ids.contains(&id) {
                reader.fault(item.line, format!("a token with id `{id}` is already in this account"));
            } else if tokens.insert(hash, (index, ids.len())).is_some() {
                reader
                    .fault(item.line, format!("token `{id}` is the same as another one; expected a token of its own"));
            }
            ids.push(id);
        }
    }
    let mut permissions = Vec::new();
    for item in reader.list(fields, "permissions") {
        permissions.extend(permission(reader, item, known));
    }
    let name = name?;
    let principal = |key_id: &str| {
        Arc::new(Principal {
            subject: format!("virtualaccount:{name}").into(),
            name: name.as_str().into(),
            teams: teams.iter().map(|team| team.as_str().into()).collect(),
            key_id: key_id.into(),
        })
    };
    let keys = ids.iter().map(|id| principal(id)).collect();
    Some(VirtualAccount { principal: principal(""), keys, metadata, permissions })
}

/// Pairs of metadata under `key`; none when absent.
pub(super) fn metadata(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str) -> Vec<(String, String)> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let Some(map) = reader.open_fields(node, key) else { return Vec::new() };
    let mut pairs = Vec::new();
    for entry in map.entries() {
        let what = "a string of at most 128 characters";
        let Some(value) = reader.scalar(&entry.value, key, what) else { continue };
        if value.chars().count() > METADATA_CHARS_MAX {
            reader.fault(entry.line, format!("`{key}`: expected {what}"));
        }
        pairs.push((entry.key.clone(), value.to_owned()));
    }
    pairs
}

fn token(reader: &mut Reader<'_>, node: &Node) -> Option<(String, [u8; 32])> {
    let fields = reader.fields(node, "a token", &["id", "sha256", "value"])?;
    reader.need(fields, "a token", &["id"]);
    let id = reader.parsed(fields, "id", NAME, |text| is_name(text).then(|| text.to_owned()));
    let hash = match (fields.get("sha256"), fields.get("value")) {
        (Some(_), None) => reader.parsed(fields, "sha256", "the 64 hex digits of the token's SHA-256", hex_hash),
        (None, Some(_)) => {
            reader.secret(fields, "value").map(|secret| Sha256::digest(secret.expose().as_bytes()).into())
        }
        _ => {
            reader.fault(fields.line, "a token has either `sha256` or `value`");
            None
        }
    };
    Some((id?, hash?))
}

fn hex_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | *digit as u8);
    }
    Some(hash)
}

/// `account/model`, `account/*` or `*`, of an account and model that exist; or the name of a virtual model, or `group/*`.
fn permission(reader: &mut Reader<'_>, node: &Node, known: Option<Known<'_>>) -> Option<String> {
    let fields = reader.fields(node, "a permission", &["resource_fqn"])?;
    reader.need(fields, "a permission", &["resource_fqn"]);
    let what = "`ACCOUNT/MODEL`, `ACCOUNT/*`, `*` or the name of a virtual model";
    let sound = |text: &str| is_model(text) && text.split_once('/').is_none_or(|(_, model)| !model.is_empty());
    let fqn = reader.parsed(fields, "resource_fqn", what, |text| sound(text).then(|| text.to_owned()))?;
    let Some(Known { accounts, names }) = known.filter(|known| fqn != "*" && !known.names.covers(&fqn)) else {
        return Some(fqn);
    };
    let line = fields.line_of("resource_fqn");
    let Some((name, model)) = fqn.split_once('/') else {
        let hint = did_you_mean(&fqn, names.all());
        reader.fault(line, format!("`resource_fqn`: expected {what}{hint}"));
        return Some(fqn);
    };
    match accounts.iter().find(|account| account.name == name) {
        None => {
            let hint = did_you_mean(name, accounts.iter().map(|account| account.name.as_str()));
            reader.fault(line, format!("`resource_fqn`: no provider account is named `{name}`{hint}"));
        }
        Some(account) if model != "*" && !account.pass_any_model && !account.models.contains_key(model) => {
            let hint = did_you_mean(model, account.models.keys().map(String::as_str));
            reader.fault(line, format!("`resource_fqn`: account `{name}` has no integration named `{model}`{hint}"));
        }
        Some(_) => {}
    }
    Some(fqn)
}
