//! The `when` block (spec "seed" 2.1), of load-balancing and fallback rules alike.

use super::{Subject, When};
use crate::config::account::{MODEL, is_model};
use crate::config::error::did_you_mean;
use crate::config::identity;
use crate::config::read::{Fields, Reader};

pub(super) const KEYS: [&str; 3] = ["subjects", "models", "metadata"];

/// Reads a mapping whose keys have been checked.
pub(super) fn read(reader: &mut Reader<'_>, when: Fields<'_>) -> When {
    let mut subjects: Vec<Subject> = Vec::new();
    for item in reader.list(when, "subjects") {
        let Some(text) = reader.scalar(item, "subjects", SUBJECT) else { continue };
        match subject(text) {
            None => {
                let kind = text.split_once(':').map_or("", |(kind, _)| kind);
                let hint = did_you_mean(kind, ["user", "team", "virtualaccount", "virtual-account"]);
                reader.fault(item.line, format!("`subjects`: expected {SUBJECT}{hint}"));
            }
            Some(subject) if subjects.contains(&subject) => {
                reader.fault(item.line, "`subjects`: the same subject is given twice");
            }
            Some(subject) => subjects.push(subject),
        }
    }
    // A star within a name would be taken for a pattern, and there are none.
    let sound = |text: &str| is_model(text) && (text == "*" || !text.contains('*'));
    let models = reader.names(when, "models", &format!("{MODEL}, and no `*` among them; or `*` alone"), sound);
    When { subjects, models, metadata: identity::metadata(reader, when, "metadata") }
}

const SUBJECT: &str = "`user:NAME`, `team:NAME`, `virtualaccount:NAME`, `virtual-account:NAME` or `*`";

fn subject(text: &str) -> Option<Subject> {
    if text == "*" {
        return Some(Subject::Any);
    }
    let (kind, name) = text.split_once(':')?;
    let name = Some(name).filter(|name| !name.is_empty() && !name.chars().any(char::is_control))?.to_owned();
    match kind {
        "user" => Some(Subject::User(name)),
        "team" => Some(Subject::Team(name)),
        "virtualaccount" | "virtual-account" => Some(Subject::VirtualAccount(name)),
        _ => None,
    }
}
