//! Whether a rule is for a request.

use super::judge::{Failure, falls_back};
use crate::config::{FallbackRule, Routing, Rule, Subject, VirtualModel, When};
use crate::telemetry::Principal;

/// What rules look at.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    pub principal: Option<&'a Principal>,
    pub metadata: &'a [(Box<str>, Box<str>)],
}

impl Caller<'_> {
    /// Whether the request's metadata has all of `pairs`.
    pub fn has_metadata(&self, pairs: &[(String, String)]) -> bool {
        pairs.iter().all(|(key, value)| self.metadata.iter().any(|(k, v)| **k == **key && **v == **value))
    }

    fn is(&self, subject: &Subject) -> bool {
        let Some(principal) = self.principal else { return *subject == Subject::Any };
        let named = |kind: &str, name: &str| principal.subject.strip_prefix(kind) == Some(name);
        match subject {
            Subject::Any => true,
            Subject::User(name) => named("user:", name),
            Subject::VirtualAccount(name) => named("virtualaccount:", name),
            Subject::Team(name) => principal.teams.iter().any(|team| **team == **name),
        }
    }
}

/// `names`: all that the model is called in this request (as written, and `account/model`).
pub fn matches(when: &When, caller: Caller<'_>, names: &[&str]) -> bool {
    let model = || when.models.iter().any(|model| model == "*" || names.contains(&model.as_str()));
    let subject = || when.subjects.iter().any(|subject| caller.is(subject));
    (when.models.is_empty() || model())
        && (when.subjects.is_empty() || subject())
        && caller.has_metadata(&when.metadata)
}

/// Where a rule stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleAt {
    /// Index into `Routing::rules`.
    Rule(usize),
    /// Index into `Routing::virtual_models`.
    Virtual(usize),
}

impl RuleAt {
    pub fn of(self, routing: &Routing) -> Option<&Rule> {
        match self {
            RuleAt::Rule(at) => routing.rules.get(at),
            RuleAt::Virtual(at) => routing.virtual_models.get(at).map(|model| &model.rule),
        }
    }
}

/// The rule that decides where a request goes; `None`: none does, the name says it.
pub fn rule_for(routing: &Routing, caller: Caller<'_>, names: &[&str]) -> Option<RuleAt> {
    let listed = routing.rules.iter().position(|rule| matches(&rule.when, caller, names));
    listed.map(RuleAt::Rule).or_else(|| {
        let is_it = |model: &VirtualModel| names.iter().any(|name| model.is_called(name));
        routing.virtual_models.iter().position(is_it).map(RuleAt::Virtual)
    })
}

/// Index of the rule that names further targets after a failure. `names`: as above, and those of the target that failed.
pub fn fallback_for(routing: &Routing, caller: Caller<'_>, names: &[&str], failure: &Failure) -> Option<usize> {
    let takes = |rule: &FallbackRule| falls_back(failure, &rule.statuses) && matches(&rule.when, caller, names);
    routing.fallbacks.iter().position(takes)
}

#[cfg(test)]
mod tests {
    use super::super::testing::candidate;
    use super::*;
    use crate::config::{OnStreamFailure, RoutingType, VirtualModel};
    use crate::telemetry::{ErrorClass, fixture};

    fn when(models: &[&str], subjects: &[Subject], metadata: &[(&str, &str)]) -> When {
        When {
            subjects: subjects.to_vec(),
            models: models.iter().map(|&model| model.to_owned()).collect(),
            metadata: metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    fn rule(id: &str, when: When) -> Rule {
        let (routing_type, candidates) = (RoutingType::Weight, vec![candidate(0)]);
        let on_stream_failure = OnStreamFailure::Error;
        Rule { id: id.into(), when, routing_type, candidates, sticky: None, on_stream_failure, hedge: None }
    }

    #[test]
    fn fields_are_anded_and_what_is_left_out_does_not_filter() {
        let principal = fixture::principal();
        let metadata: [(Box<str>, Box<str>); 2] = [("env".into(), "prod".into()), ("tier".into(), "1".into())];
        let caller = Caller { principal: Some(&principal), metadata: &metadata };
        let nobody = Caller { principal: None, metadata: &[] };
        let team = |name: &str| Subject::Team(name.to_owned());
        let account = |name: &str| Subject::VirtualAccount(name.to_owned());
        let user = |name: &str| Subject::User(name.to_owned());
        let names = ["gpt4", "openai/gpt4"];
        for (when, is_for_caller, is_for_nobody) in [
            (when(&[], &[], &[]), true, true),
            (when(&["*"], &[Subject::Any], &[]), true, true),
            (when(&["openai/gpt4"], &[], &[]), true, true),
            (when(&["x", "gpt4"], &[], &[]), true, true),
            (when(&["gpt"], &[], &[]), false, false),
            (when(&[], &[team("night")], &[]), true, false),
            (when(&[], &[team("day"), account("support-bot")], &[]), true, false),
            (when(&[], &[user("support-bot")], &[]), false, false),
            (when(&[], &[], &[("env", "prod")]), true, false),
            (when(&[], &[], &[("env", "prod"), ("tier", "2")]), false, false),
            (when(&["gpt4"], &[team("night")], &[("env", "dev")]), false, false),
        ] {
            assert_eq!(matches(&when, caller, &names), is_for_caller, "{when:?}");
            assert_eq!(matches(&when, nobody, &names), is_for_nobody, "{when:?}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_virtual_models_come_after() {
        let model = |name: &str, slug: Option<&str>| VirtualModel {
            name: name.to_owned(),
            slug: slug.map(str::to_owned),
            model_types: Vec::new(),
            rule: rule(name, When::default()),
        };
        let routing = Routing {
            rules: vec![
                rule("prod", when(&["chat"], &[], &[("env", "prod")])),
                rule("chat", when(&["chat", "group/fast"], &[], &[])),
                rule("again", when(&["chat"], &[], &[])),
            ],
            virtual_models: vec![model("group/fast", None), model("group/smart", Some("smart"))],
            ..Routing::default()
        };
        let prod: [(Box<str>, Box<str>); 1] = [("env".into(), "prod".into())];
        let dev: [(Box<str>, Box<str>); 0] = [];
        for (name, metadata, id) in [
            ("chat", &prod[..], Some("prod")),
            ("chat", &dev[..], Some("chat")),
            ("group/fast", &dev[..], Some("chat")),
            ("group/smart", &dev[..], Some("group/smart")),
            ("smart", &dev[..], Some("group/smart")),
            ("openai/gpt4", &dev[..], None),
        ] {
            let found = rule_for(&routing, Caller { principal: None, metadata }, &[name]);
            assert_eq!(found.and_then(|found| found.of(&routing)).map(|rule| &*rule.id), id, "{name}");
        }
    }

    #[test]
    fn a_fallback_rule_is_for_models_and_statuses() {
        let fallback = |id: &str, models: &[&str], statuses: &[u16]| {
            let candidates = vec![candidate(0)];
            FallbackRule { id: id.into(), when: when(models, &[], &[]), statuses: statuses.to_vec(), candidates }
        };
        let fallbacks = vec![fallback("gpt", &["a/gpt"], &[429, 503]), fallback("any", &[], &[500])];
        let routing = Routing { fallbacks, ..Routing::default() };
        for (names, class, status, found) in [
            (&["chat", "a/gpt"][..], ErrorClass::RateLimited, 429, Some(0)),
            (&["chat", "a/gpt"], ErrorClass::Overloaded, 529, Some(0)),
            (&["chat", "b/gpt"], ErrorClass::Overloaded, 503, None),
            (&["chat", "a/gpt"], ErrorClass::Server, 500, Some(1)),
            (&["chat", "a/gpt"], ErrorClass::Auth, 401, None),
            (&["chat", "a/gpt"], ErrorClass::ContentFilter, 500, None),
        ] {
            let failure = Failure { class, status, hint_ms: None, forbids_retry: false, unsent: false };
            let caller = Caller { principal: None, metadata: &[] };
            assert_eq!(fallback_for(&routing, caller, names, &failure), found, "{names:?} {class:?}");
        }
    }
}
