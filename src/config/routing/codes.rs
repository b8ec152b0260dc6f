//! Lists of failures: statuses, written as strings or as numbers, and the classes that the record knows.

use super::Codes;
use crate::config::error::{did_you_mean, one_of};
use crate::config::read::{Fields, Reader};
use crate::telemetry::ErrorClass;

/// What a provider, or the way to it, can cause: what lists may name.
pub(in crate::config) const OF_UPSTREAM: [ErrorClass; 22] = [
    ErrorClass::Resolve,
    ErrorClass::Connect,
    ErrorClass::ConnectTimeout,
    ErrorClass::Tls,
    ErrorClass::Disconnected,
    ErrorClass::FirstByteTimeout,
    ErrorClass::IdleTimeout,
    ErrorClass::TotalTimeout,
    ErrorClass::Protocol,
    ErrorClass::Truncated,
    ErrorClass::StreamError,
    ErrorClass::RateLimited,
    ErrorClass::Overloaded,
    ErrorClass::QuotaExhausted,
    ErrorClass::Auth,
    ErrorClass::Permission,
    ErrorClass::BadRequest,
    ErrorClass::ContextLength,
    ErrorClass::ContentFilter,
    ErrorClass::NotFound,
    ErrorClass::Timeout,
    ErrorClass::Server,
];

/// The list under `key`; absent, what a failure means decides.
pub(super) fn read(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str) -> Codes {
    if fields.get(key).is_none() {
        return Codes::ByClass;
    }
    let (mut statuses, mut classes) = (Vec::new(), Vec::new());
    for item in reader.list(fields, key) {
        let what = format!("{STATUS}, or the name of a class of failures such as `context_length`");
        let Some(text) = reader.scalar(item, key, &what) else { continue };
        let class = OF_UPSTREAM.into_iter().find(|class| class.as_str() == text);
        let (status, names) = (status(text), || OF_UPSTREAM.iter().map(|class| class.as_str()));
        if status.is_some_and(|status| statuses.contains(&status)) || class.is_some_and(|one| classes.contains(&one)) {
            reader.fault(item.line, format!("`{key}`: `{text}` is given twice"));
        } else if status.is_none() && class.is_none() {
            let (list, hint) = (one_of(names()), did_you_mean(text, names()));
            reader.fault(item.line, format!("`{key}`: expected {STATUS}, {list}{hint}"));
        }
        statuses.extend(status);
        classes.extend(class);
    }
    Codes::Listed { statuses, classes }
}

/// A list of statuses alone.
pub(super) fn read_statuses(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for item in reader.list(fields, key) {
        let Some(text) = reader.scalar(item, key, STATUS) else { continue };
        match status(text) {
            None => reader.fault(item.line, format!("`{key}`: expected {STATUS}")),
            Some(status) if statuses.contains(&status) => {
                reader.fault(item.line, format!("`{key}`: `{status}` is given twice"));
            }
            Some(status) => statuses.push(status),
        }
    }
    statuses
}

const STATUS: &str = "a status from 400 to 599";

fn status(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|status| digits && (400..600).contains(status))
}
