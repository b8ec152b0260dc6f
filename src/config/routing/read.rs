//! The documents -> [`Routing`]. config/mod.rs hands them over one after another, when the accounts are known.

use std::collections::HashSet;

use super::places::Places;
use super::{
    FallbackRule, Routing, VirtualModel, VirtualNames, called, candidate, codes, matching, model_config, rule,
};
use crate::config::account::{MODEL, is_model, model_types};
use crate::config::read::{NAME, Reader, is_name};
use crate::config::snapshot::Account;
use crate::config::tree::Node;

pub(in crate::config) struct Documents<'a> {
    places: Places<'a>,
    routing: Routing,
    taken: HashSet<(Space, String)>,
}

/// Names of one kind are given once, over all documents.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Space {
    Rule,
    FallbackRule,
    Group,
    /// `group/name` and slugs.
    Model,
    /// `model_configs`.
    Config,
}

impl<'a> Documents<'a> {
    /// `complete`: these are all accounts there are. `names`: of all documents that follow.
    pub fn new(accounts: &'a [Account], complete: bool, names: &'a VirtualNames) -> Self {
        let places = Places::new(accounts, complete, names);
        Self { places, routing: Routing::default(), taken: HashSet::new() }
    }

    pub fn finish(self) -> Routing {
        self.places.into_routing(self.routing)
    }

    /// A `gateway-load-balancing-config` document.
    pub fn load_balancing(&mut self, reader: &mut Reader<'_>, document: &Node) {
        let what = "a load balancing document";
        let keys = ["type", "name", "rules", "model_configs"];
        let Some(fields) = reader.fields(document, what, &keys) else { return };
        reader.need(fields, what, &["name"]);
        reader.text(fields, "name");
        if fields.get("model_configs").is_none() {
            reader.need(fields, what, &["rules"]);
        }
        for item in reader.list(fields, "rules") {
            let rule = rule::read(reader, &mut self.places, item, None);
            self.take(reader, item, "id", Space::Rule);
            self.routing.rules.extend(rule);
        }
        for item in reader.list(fields, "model_configs") {
            self.take(reader, item, "model", Space::Config);
            model_config::read(reader, &mut self.places, item);
        }
    }

    /// A `gateway-fallback-config` document.
    pub fn fallback(&mut self, reader: &mut Reader<'_>, document: &Node) {
        let what = "a fallback document";
        let Some(fields) = reader.fields(document, what, &["type", "name", "rules"]) else { return };
        reader.need(fields, what, &["name", "rules"]);
        reader.text(fields, "name");
        for item in reader.list(fields, "rules") {
            let rule = self.fallback_rule(reader, item);
            self.take(reader, item, "id", Space::FallbackRule);
            self.routing.fallbacks.extend(rule);
        }
    }

    fn fallback_rule(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<FallbackRule> {
        let (what, statuses) = ("a fallback rule", "response_status_codes");
        let fields = reader.fields(node, what, &["id", "when", "fallback_models"])?;
        reader.need(fields, what, &["id", "when", "fallback_models"]);
        let id = rule::id(reader, fields);
        let keys: Vec<&str> = matching::KEYS.into_iter().chain([statuses]).collect();
        let when = reader.map(fields, "when", &keys);
        let read = when.map(|when| {
            reader.need(when, "`when` of a fallback rule", &[statuses]);
            if when.get(statuses).and_then(Node::items).is_some_and(<[_]>::is_empty) {
                reader.fault(when.line_of(statuses), format!("`{statuses}`: expected at least one"));
            }
            called::check_fallback(reader, &self.places, when);
            let read = matching::read(reader, when);
            self.places.watch(&read.models);
            (read, codes::read_statuses(reader, when, statuses))
        });
        let items = candidate::items(reader, fields, "fallback_models");
        let read_one = |item| candidate::fallback(reader, &mut self.places, item);
        let candidates = items.iter().filter_map(read_one).collect();
        let (when, statuses) = read?;
        Some(FallbackRule { id: id?, when, statuses, candidates })
    }

    /// A `provider-account/virtual-model` document.
    pub fn virtual_models(&mut self, reader: &mut Reader<'_>, document: &Node) {
        let what = "a virtual model document";
        let Some(fields) = reader.fields(document, what, &["type", "name", "integrations"]) else { return };
        reader.need(fields, what, &["name", "integrations"]);
        let group = reader.parsed(fields, "name", NAME, |text| is_name(text).then(|| text.to_owned()));
        self.take(reader, document, "name", Space::Group);
        if group.as_ref().is_some_and(|group| self.places.accounts.iter().any(|account| account.name == *group)) {
            let message = "`name`: a provider account has this name; expected a name of its own";
            reader.fault(fields.line_of("name"), message);
        }
        for item in reader.list(fields, "integrations") {
            let model = self.virtual_model(reader, item, group.as_deref().unwrap_or(""));
            self.routing.virtual_models.extend(model);
        }
    }

    fn virtual_model(&mut self, reader: &mut Reader<'_>, node: &Node, group: &str) -> Option<VirtualModel> {
        let what = "a virtual model";
        let fields = reader.fields(node, what, &["name", "type", "slug", "model_types", "routing_config"])?;
        reader.need(fields, what, &["name", "routing_config"]);
        reader.choice(fields, "type", &[("integration/model/virtual", ())]);
        let name = reader.parsed(fields, "name", MODEL, |text| is_model(text).then(|| format!("{group}/{text}")));
        let slug = reader.parsed(fields, "slug", NAME, |text| is_name(text).then(|| text.to_owned()));
        for (key, name) in [("name", &name), ("slug", &slug)] {
            let Some(name) = name else { continue };
            self.take_name(reader, node, key, Space::Model, name);
        }
        let model_types = model_types(reader, fields);
        let shown = name.as_deref().unwrap_or("");
        let rule =
            fields.get("routing_config").and_then(|node| rule::read(reader, &mut self.places, node, Some(shown)));
        Some(VirtualModel { name: name?, slug, model_types, rule: rule? })
    }

    /// Notes that what `key` of a mapping says is taken already.
    fn take(&mut self, reader: &mut Reader<'_>, node: &Node, key: &str, space: Space) {
        if let Some(name) = node.text_of(key) {
            self.take_name(reader, node, key, space, name);
        }
    }

    fn take_name(&mut self, reader: &mut Reader<'_>, node: &Node, key: &str, space: Space, name: &str) {
        if !self.taken.insert((space, name.to_owned())) {
            let message = match space {
                Space::Rule | Space::FallbackRule => "another rule has this id; expected an id of its own",
                Space::Group => "another virtual model document has this name; expected a name of its own",
                Space::Model => "another virtual model has this name or slug; expected one of its own",
                Space::Config => "this model is configured already; expected all of it in one place",
            };
            let line = node.get(key).map_or(node.line, |value| value.line);
            reader.fault(line, format!("`{key}`: {message}"));
        }
    }
}
