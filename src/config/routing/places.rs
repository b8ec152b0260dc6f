//! What rules may point at: accounts and their models, each target once, and the regions they are in. Virtual models are
//! known by name only, so that a target that is one can be told so.

use std::collections::HashMap;
use std::sync::Arc;

use super::names::VirtualNames;
use super::{RouteTarget, Routing};
use crate::config::account::is_model;
use crate::config::error::did_you_mean;
use crate::config::read::{Fields, Reader};
use crate::config::snapshot::Account;
use crate::telemetry::Target;

pub(super) struct Places<'a> {
    pub accounts: &'a [Account],
    /// Whether these are all accounts there are: if not, one that is missing is no fault of the rule's.
    pub complete: bool,
    pub names: &'a VirtualNames,
    by_fqn: HashMap<String, usize>,
    targets: Vec<RouteTarget>,
    regions: Vec<Box<str>>,
}

/// A target that was found.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Index into [`Routing::targets`].
    pub target: usize,
    pub account: &'a Account,
}

impl<'a> Places<'a> {
    pub fn new(accounts: &'a [Account], complete: bool, names: &'a VirtualNames) -> Self {
        let (by_fqn, targets, regions) = (HashMap::new(), Vec::new(), Vec::new());
        Self { accounts, complete, names, by_fqn, targets, regions }
    }

    /// The target that `key` names. `None` when it is none, or its account could not be read; noted where it is a fault.
    pub fn find(&mut self, reader: &mut Reader<'_>, fields: Fields<'_>, key: &str) -> Option<Place<'a>> {
        let sound = |text: &str| text.split_once('/').is_some_and(|(account, _)| !account.is_empty()) && is_model(text);
        let line = fields.line_of(key);
        let text = reader.scalar(fields.get(key)?, key, EXPECTED)?;
        if self.names.is_virtual_model(text) {
            let message =
                format!("`{key}`: this is a virtual model itself, and those do not nest; expected {EXPECTED}");
            reader.fault(line, message);
            return None;
        }
        let Some((name, model)) = text.split_once('/').filter(|_| sound(text)) else {
            reader.fault(line, format!("`{key}`: expected {EXPECTED}"));
            return None;
        };
        let Some(at) = self.accounts.iter().position(|account| account.name == name) else {
            if self.names.is_group(name) {
                let message =
                    format!("`{key}`: `{name}` has virtual models, and those do not nest; expected {EXPECTED}");
                reader.fault(line, message);
            } else if self.complete {
                let hint = did_you_mean(name, self.accounts.iter().map(|account| account.name.as_str()));
                reader.fault(line, format!("`{key}`: no provider account is named `{name}`{hint}"));
            }
            return None;
        };
        let account = self.accounts.get(at)?;
        match self.target(at, account, text, model) {
            Ok(target) => Some(Place { target, account }),
            Err(why) => {
                reader.fault(line, format!("`{key}`: {why}"));
                None
            }
        }
    }

    /// The targets that a fallback rule is for are known from then on, so that their health is. What is none is no fault here.
    pub fn watch(&mut self, models: &[String]) {
        for fqn in models {
            let Some((account, model)) = fqn.split_once('/') else { continue };
            let at = self.accounts.iter().position(|known| known.name == account);
            if let Some((at, account)) = at.and_then(|at| Some((at, self.accounts.get(at)?))) {
                let _ = self.target(at, account, fqn, model);
            }
        }
    }

    fn target(&mut self, at: usize, account: &Account, fqn: &str, model: &str) -> Result<usize, String> {
        if let Some(known) = self.by_fqn.get(fqn) {
            return Ok(*known);
        }
        let target: Arc<Target> = match account.models.get(model) {
            Some(listed) => listed.clone(),
            None if account.pass_any_model => {
                account.paths.check_model(model)?;
                Arc::new(account.target(model, model))
            }
            None => {
                let hint = did_you_mean(model, account.models.keys().map(String::as_str));
                return Err(format!("account `{}` has no integration named `{model}`{hint}", account.name));
            }
        };
        let region = self.region(account);
        let index = self.targets.len();
        self.targets.push(RouteTarget { account: at, target, region, usage_limits: None, tolerance: None });
        self.by_fqn.insert(fqn.to_owned(), index);
        Ok(index)
    }

    fn region(&mut self, account: &Account) -> usize {
        let place = account.region.as_ref().unwrap_or(&account.upstream.authority);
        let name = format!("{}/{place}", account.kind);
        self.regions.iter().position(|known| **known == *name).unwrap_or_else(|| {
            self.regions.push(name.into());
            self.regions.len() - 1
        })
    }

    pub fn get_mut(&mut self, target: usize) -> Option<&mut RouteTarget> {
        self.targets.get_mut(target)
    }

    /// What was found, in place of what `routing` has of it.
    pub fn into_routing(self, routing: Routing) -> Routing {
        Routing { targets: self.targets, regions: self.regions, ..routing }
    }
}

const EXPECTED: &str = "`ACCOUNT/MODEL`, a model of a provider account";
