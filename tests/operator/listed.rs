//! config/prometheus/README.md: every metric and label that the binary shows, and no other; the fields of an answer that
//! explain it. Type, unit and meaning are compared with the source by a unit test.

use std::collections::{BTreeMap, BTreeSet};

use crate::exposed::exposed;
use crate::text;

const LIST: &str = "config/prometheus/README.md";

/// The words in backquotes.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Rows of tables with so many columns, as their cells.
fn rows(text: &str, columns: usize) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let lines = text.lines().filter(|line| line.starts_with("| `"));
    lines.map(cells).filter(|cells| cells.len() == columns).collect()
}

/// Scenario: everything has happened once.
/// Guarantees: the list has each metric with its type and its labels, and none that is not there.
#[test]
fn the_list_of_metrics_is_what_is_shown() {
    let list = text(LIST);
    let listed: BTreeMap<String, String> = rows(&list, 4)
        .into_iter()
        .map(|row| {
            let kind = row[1].split(',').next().unwrap_or_default().to_owned();
            (row[0].trim_matches('`').to_owned(), format!("{kind} {:?}", quoted(&row[2])))
        })
        .collect();
    let key = |label: &String| match label.strip_prefix("llm_gateway_metadata_") {
        Some(_) => "llm_gateway_metadata_KEY".to_owned(),
        None => label.clone(),
    };
    let shown: BTreeMap<String, String> = exposed()
        .metrics
        .iter()
        .map(|(name, metric)| {
            let labels: BTreeSet<String> = metric.labels.keys().map(key).collect();
            (name.clone(), format!("{} {labels:?}", metric.kind))
        })
        .collect();
    let not_in = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> Vec<String> {
        one.iter().filter(|(name, is)| other.get(*name) != Some(is)).map(|(name, is)| format!("{name} {is}")).collect()
    };
    assert_eq!((not_in(&listed, &shown), not_in(&shown, &listed)), (Vec::new(), Vec::new()), "listed only, shown only");
}

/// Scenario: a request is failed over, and its answer is no stream.
/// Guarantees: its answer has every field that the list explains, and no field of Sluice's own that it does not.
#[test]
fn the_list_of_fields_is_what_answers_have() {
    let list = text(LIST);
    let (_, part) = list.split_once("## What explains one request").expect("the chapter");
    let (part, _) = part.split_once("\n## ").expect("the next one");
    let listed: BTreeSet<String> = rows(part, 2).iter().flat_map(|row| quoted(&row[0])).collect();
    let fields = &exposed().fields;
    let missing: Vec<&String> = listed.difference(fields).collect();
    assert!(!listed.is_empty() && missing.is_empty(), "not on the answer: {missing:?} of {fields:?}");
    let own = |name: &&String| name.starts_with("x-sluice-") || name.starts_with("x-tfy-");
    let unlisted: Vec<&String> = fields.iter().filter(own).filter(|name| !listed.contains(*name)).collect();
    assert!(unlisted.is_empty(), "not explained: {unlisted:?}");
}
