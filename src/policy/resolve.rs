//! A model name -> the account that serves it.
//!
//! `account/model` names one. A bare name is served when only one account has it; the simulated provider steps back
//! wherever a real account could serve the name, so that setting a key is all it takes to leave it. A bare name that it
//! does not list is unknown to it: a misspelt name must not be answered by a simulation.

use std::sync::Arc;

use crate::config::{Account, Api, Snapshot};
use crate::telemetry::{Face, Target};

/// Where a name leads. Without a ready target the name is passed on as it is.
pub struct Resolved<'a> {
    pub account_index: usize,
    pub account: &'a Account,
    pub model: &'a str,
    pub target: Option<&'a Arc<Target>>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No account has the model.
    Unknown,
    /// Several have it: their names.
    Ambiguous(Vec<String>),
    /// The account does not speak the API of the path that was called: its name and what it speaks.
    WrongApi(String, Api),
}

/// Whether an account of `api` serves calls to `face` as they are.
pub fn speaks(api: Api, face: Face) -> bool {
    match api {
        Api::Mock => true,
        Api::Anthropic => matches!(face, Face::Messages | Face::CountTokens),
        _ => !matches!(face, Face::Messages | Face::CountTokens),
    }
}

pub fn resolve<'a>(snapshot: &'a Snapshot, face: Face, name: &'a str) -> Result<Resolved<'a>, Unresolved> {
    if let Some((prefix, model)) = name.split_once('/')
        && let Some((index, account)) = find(snapshot, prefix)
    {
        let target = account.models.get(model);
        if target.is_none() && (model.is_empty() || !account.pass_any_model) {
            return Err(Unresolved::Unknown);
        }
        if !speaks(account.api, face) {
            return Err(Unresolved::WrongApi(account.name.clone(), account.api));
        }
        return Ok(Resolved { account_index: index, account, model, target });
    }
    bare(snapshot, face, name)
}

fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<(usize, &'a Account)> {
    snapshot.accounts.iter().enumerate().find(|(_, account)| account.name == name)
}

fn bare<'a>(snapshot: &'a Snapshot, face: Face, name: &'a str) -> Result<Resolved<'a>, Unresolved> {
    if name.is_empty() {
        return Err(Unresolved::Unknown);
    }
    let accounts = || snapshot.accounts.iter().enumerate();
    let serving = |(_, account): &(usize, &Account)| speaks(account.api, face);
    let real = |(_, account): &(usize, &Account)| account.api != Api::Mock;
    let listed = |(_, account): &(usize, &Account)| account.models.contains_key(name);
    let passing = |(_, account): &(usize, &Account)| account.pass_any_model;
    // The first kind of account that has the name at all decides.
    let tiers: [Vec<(usize, &Account)>; 3] = [
        accounts().filter(real).filter(serving).filter(listed).collect(),
        accounts().filter(real).filter(serving).filter(passing).collect(),
        accounts().filter(serving).filter(listed).collect(),
    ];
    for tier in tiers {
        match tier.as_slice() {
            [] => {}
            [(index, account)] => {
                let target = account.models.get(name);
                return Ok(Resolved { account_index: *index, account, model: name, target });
            }
            several => {
                let names = several.iter().map(|(_, account)| format!("{}/{name}", account.name)).collect();
                return Err(Unresolved::Ambiguous(names));
            }
        }
    }
    match accounts().find(|found| real(found) && listed(found)) {
        Some((_, account)) => Err(Unresolved::WrongApi(account.name.clone(), account.api)),
        None => Err(Unresolved::Unknown),
    }
}
