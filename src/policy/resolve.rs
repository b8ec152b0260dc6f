//! A model name -> the account that serves it.
//!
//! `account/model` names one. A bare name is served when only one account has it; the simulated provider steps back
//! wherever a real account could serve the name, so that setting a key is all it takes to leave it. A bare name that it
//! does not list is unknown to it: a misspelt name must not be answered by a simulation.

use std::sync::Arc;

use super::spoken::{Spoken, spoken};
use crate::config::{Account, Api, Snapshot};
use crate::telemetry::{Face, Target};

/// Where a name leads. Without a ready target the name is passed on as it is.
pub struct Resolved<'a> {
    pub account_index: usize,
    pub account: &'a Account,
    pub model: &'a str,
    pub target: Option<&'a Arc<Target>>,
    pub spoken: Spoken,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// No account has the model.
    Unknown,
    /// Several have it: their names.
    Ambiguous(Vec<String>),
    /// The account has no such thing as the path that was called: its name.
    WrongApi(String),
}

pub fn resolve<'a>(snapshot: &'a Snapshot, face: Face, name: &'a str) -> Result<Resolved<'a>, Unresolved> {
    if let Some((prefix, model)) = name.split_once('/')
        && let Some((index, account)) = find(snapshot, prefix)
    {
        let target = account.models.get(model);
        if target.is_none() && (model.is_empty() || !account.pass_any_model) {
            return Err(Unresolved::Unknown);
        }
        let Some(spoken) = spoken(account, model, face) else {
            return Err(Unresolved::WrongApi(account.name.clone()));
        };
        return Ok(Resolved { account_index: index, account, model, target, spoken });
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
    let real = |account: &Account| account.api != Api::Mock;
    let listed = |account: &Account| account.models.contains_key(name);
    // The first kind of account that has the name at all decides: one that lists it before one that passes any name on,
    // one that speaks the caller's dialect before one that is translated to.
    type Tier<'a> = &'a dyn Fn(&Account, Spoken) -> bool;
    let tiers: [Tier<'_>; 5] = [
        &|account, spoken| real(account) && listed(account) && spoken == Spoken::Same,
        &|account, _| real(account) && listed(account),
        &|account, spoken| real(account) && account.pass_any_model && spoken == Spoken::Same,
        &|account, _| real(account) && account.pass_any_model,
        &|account, _| listed(account),
    ];
    for tier in tiers {
        let mut found = accounts().filter_map(|(account_index, account)| {
            let spoken = spoken(account, name, face)?;
            let target = account.models.get(name);
            tier(account, spoken).then_some(Resolved { account_index, account, model: name, target, spoken })
        });
        match (found.next(), found.next()) {
            (None, _) => {}
            (Some(only), None) => return Ok(only),
            (Some(first), Some(second)) => {
                let several = [first, second].into_iter().chain(found);
                let names = several.map(|one| format!("{}/{name}", one.account.name)).collect();
                return Err(Unresolved::Ambiguous(names));
            }
        }
    }
    match accounts().find(|(_, account)| real(account) && listed(account)) {
        Some((_, account)) => Err(Unresolved::WrongApi(account.name.clone())),
        None => Err(Unresolved::Unknown),
    }
}
