//! Whether a rule is for a request.

use crate::config::{Subject, When};
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
