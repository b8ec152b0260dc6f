//! What the names under `when.models` stand for: models of accounts, or names that exist because a rule lists them. The
//! second is what a misspelt name looks like, so what can only be a slip is a fault, and the rest is shown by `sluice check`.

use super::VirtualNames;
use super::places::Places;
use crate::config::error::did_you_mean;
use crate::config::read::{Fields, Reader};
use crate::config::snapshot::{Account, Api};
use crate::config::tree::{Node, Value};

/// Whether an account has it: the one that is named before the slash, else one that lists all of it.
pub(super) fn is_model(accounts: &[Account], name: &str) -> bool {
    match owner(accounts, name) {
        Some((account, model)) => account.models.contains_key(model) || (account.pass_any_model && !model.is_empty()),
        None => accounts.iter().any(|account| account.models.contains_key(name)),
    }
}

/// The account before the slash, and what is behind it.
fn owner<'a, 'n>(accounts: &'a [Account], name: &'n str) -> Option<(&'a Account, &'n str)> {
    let (account, model) = name.split_once('/')?;
    Some((accounts.iter().find(|one| one.name == account)?, model))
}

/// What may be wrong with a name that has the form of an account's model, but is none; empty for other names.
pub(super) fn doubt(accounts: &[Account], name: &str) -> String {
    let Some((account, _)) = name.split_once('/') else { return String::new() };
    let hint = did_you_mean(account, accounts.iter().map(|one| one.name.as_str()));
    format!("no provider account is named `{account}`{hint}")
}

/// Notes what a load-balancing rule cannot be for: a model that its account, or its group of virtual models, has not.
pub(super) fn check_rule(reader: &mut Reader<'_>, places: &Places<'_>, when: Fields<'_>) {
    for (line, name) in names(when) {
        if let Some(fault) = misses(places, name) {
            reader.fault(line, format!("`models`: {fault}"));
        }
    }
}

/// The same for a fallback rule, which makes no names: it is for what can be called, or has failed.
pub(super) fn check_fallback(reader: &mut Reader<'_>, places: &Places<'_>, when: Fields<'_>) {
    let accounts = places.accounts;
    let passes_any = accounts.iter().any(|account| account.pass_any_model && account.api != Api::Mock);
    for (line, name) in names(when) {
        if let Some(fault) = misses(places, name) {
            reader.fault(line, format!("`models`: {fault}"));
        } else if places.complete && !passes_any && !is_model(accounts, name) && !is_name(places.names, name) {
            let models = accounts.iter().flat_map(|account| account.models.values().map(|model| &*model.fqn));
            let hint = did_you_mean(name, models.chain(places.names.all()));
            let message = format!("`models`: nothing is called `{name}`: neither an account nor a rule has it{hint}");
            reader.fault(line, message);
        }
    }
}

fn is_name(names: &VirtualNames, name: &str) -> bool {
    names.all().any(|known| known == name)
}

fn misses(places: &Places<'_>, name: &str) -> Option<String> {
    if is_model(places.accounts, name) || places.names.is_virtual_model(name) {
        return None;
    }
    if let Some((account, model)) = owner(places.accounts, name) {
        let hint = did_you_mean(model, account.models.keys().map(String::as_str));
        return Some(format!("account `{}` has no integration named `{model}`{hint}", account.name));
    }
    let (group, _) = name.split_once('/').filter(|(group, _)| places.complete && places.names.is_group(group))?;
    let hint = did_you_mean(name, places.names.virtual_models());
    Some(format!("the virtual models of `{group}` have none that is called `{name}`{hint}"))
}

/// With their lines; what is no text is noted by whoever reads the list.
fn names<'n>(when: Fields<'n>) -> impl Iterator<Item = (usize, &'n str)> {
    let items = when.get("models").and_then(Node::items).unwrap_or(&[]);
    items.iter().filter_map(|item| match &item.value {
        Value::Scalar { text, .. } if text != "*" => Some((item.line, text.as_str())),
        _ => None,
    })
}
