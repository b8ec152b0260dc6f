//! config/prometheus/sluice.rules.yml: promtool accepts it and its unit tests pass, every alert is tested and says what to
//! do, and all that it asks for is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::common::promtool::{Said, promtool};
use crate::exposed::{Exposed, exposed, pairs};
use crate::promql::{Query, query};
use crate::{file, text};

const RULES: &str = "config/prometheus/sluice.rules.yml";
const TESTS: [&str; 2] = ["sluice.rules.test.yml", "sluice.rules.day.test.yml"];
/// Labels that Prometheus itself sets.
const TARGET_LABELS: [&str; 2] = ["instance", "job"];
/// A value that no test can bring about from outside.
const UNPROVOKED: &str = "crashed";
/// Metrics that Prometheus itself has.
const OWN: [&str; 1] = ["up"];

struct Rule {
    /// `record` or `alert`.
    kind: String,
    name: String,
    expr: String,
    /// The lines of all of it.
    text: String,
}

/// The rules, by the lines of the file: each begins with `- record:` or `- alert:`, and its `expr` is one line or a block.
fn rules() -> Vec<Rule> {
    let text = text(RULES);
    let mut rules: Vec<Rule> = Vec::new();
    let mut in_expr = false;
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let trimmed = line.trim();
        if let Some((kind, name)) = trimmed.strip_prefix("- ").and_then(|rest| rest.split_once(": "))
            && matches!(kind, "record" | "alert")
        {
            let rule = Rule { kind: kind.into(), name: name.into(), expr: String::new(), text: String::new() };
            rules.push(rule);
            in_expr = false;
            continue;
        }
        let Some(rule) = rules.last_mut() else { continue };
        let indent = line.len() - line.trim_start().len();
        if let Some(expr) = trimmed.strip_prefix("expr: ") {
            in_expr = true;
            rule.expr.push_str(expr.trim_start_matches('|'));
        } else if in_expr && indent > 8 {
            rule.expr.push('\n');
            rule.expr.push_str(trimmed);
        } else {
            in_expr = false;
        }
        rule.text.push_str(trimmed);
        rule.text.push('\n');
    }
    assert!(rules.len() > 20 && rules.iter().all(|rule| !rule.expr.is_empty()));
    rules
}

fn tests() -> String {
    TESTS.map(|name| text(&format!("config/prometheus/{name}"))).concat()
}

fn run(args: &[&str]) {
    let mut command: Command = promtool(args);
    command.current_dir(file("config/prometheus"));
    if let Some(Said { code, said }) = crate::common::promtool::run(command, "") {
        assert_eq!(code, Some(0), "{args:?}\n{said}");
    }
}

/// Scenario: promtool reads the rules and runs their unit tests.
/// Guarantees: Prometheus loads the rules, and each alert fires when it should and only then.
#[test]
fn the_rules_are_accepted_and_their_unit_tests_pass() {
    run(&["check", "rules", "sluice.rules.yml"]);
    run(&["test", "rules", TESTS[0], TESTS[1]]);
}

/// Scenario: an alert fires at night.
/// Guarantees: whoever is woken is told how bad it is, what it is, and what to do; and it was seen to fire.
#[test]
fn every_alert_says_what_to_do_and_is_tested() {
    let tests = tests();
    for rule in rules().iter().filter(|rule| rule.kind == "alert") {
        let name = &rule.name;
        let has = |part: &str| rule.text.contains(part);
        assert!(name.starts_with("Sluice"), "{name}");
        assert!(["critical", "warning", "info"].iter().any(|one| has(&format!("severity: {one}}}"))), "{name}");
        let description = rule.text.split_once("description: >-\n").map_or("", |(_, description)| description);
        assert!(has("summary: \"") && description.len() > 100, "{name}: {description}");
        let fires = tests.contains(&format!("alertname=\"{name}\"")) || tests.contains(&format!("alertname: {name}\n"));
        assert!(fires, "{name} fires in no test");
    }
}

/// Scenario: the rules run over what a gateway shows to which everything has happened once.
/// Guarantees: no rule waits for a metric, a label or a value of a label that the binary does not show; neither do their
/// tests pretend one.
#[test]
fn rules_ask_only_for_what_is_shown() {
    let shown = exposed();
    let mut faults = Vec::new();
    let mut recorded: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for rule in rules() {
        let query = query(&rule.expr);
        faults.extend(check(&query, shown, &recorded).into_iter().map(|fault| format!("{}: {fault}", rule.name)));
        let labels = labels_of(&query, shown, &recorded);
        for part in rule.text.split("$labels.").skip(1) {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
            if !labels.contains(&part[..end]) {
                faults.push(format!("{}: its words name {}", rule.name, &part[..end]));
            }
        }
        if rule.kind == "record" {
            recorded.insert(rule.name, query.grouping.into_iter().collect());
        }
    }
    for line in tests().lines() {
        let Some((_, series)) = line.split_once("{series: '") else { continue };
        let series = series.split_once('\'').map_or(series, |(series, _)| series);
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let matchers = pairs(labels).into_iter().map(|(label, value)| (label, "=".to_owned(), value));
        // Values of a test are its own.
        let matchers = matchers.map(|(label, is, _)| (label, is, String::new())).collect();
        let selector = crate::promql::Selector { metric: name.to_owned(), matchers };
        let query = Query { selectors: vec![selector], grouping: Vec::new() };
        faults.extend(check(&query, shown, &recorded).into_iter().map(|fault| format!("the tests: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a query asks for that is not there.
pub fn check(query: &Query, shown: &Exposed, recorded: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    for selector in &query.selectors {
        let name = &selector.metric;
        if recorded.contains_key(name) || OWN.contains(&&**name) {
            continue;
        }
        let Some(metric) = shown.of(name) else {
            faults.push(format!("no metric {name}"));
            continue;
        };
        for (label, is, value) in selector.matchers.iter().filter(|(label, ..)| !TARGET_LABELS.contains(&&**label)) {
            let Some(values) = metric.labels.get(label) else {
                if label != "le" || !name.ends_with("_bucket") {
                    faults.push(format!("no label {label} of {name}"));
                }
                continue;
            };
            let wanted: Vec<&str> = if is.contains('~') { value.split('|').collect() } else { vec![value] };
            // A variable of a dashboard, and a pattern, may be anything; what is left out need not be there.
            let is_free = |one: &&str| one.is_empty() || one.contains(['$', '.']) || *one == UNPROVOKED;
            let fixed = wanted.into_iter().filter(|one| !is.starts_with('!') && !is_free(one));
            faults.extend(
                fixed.filter(|one| !values.contains(*one)).map(|one| format!("no {label}=\"{one}\" of {name}")),
            );
        }
    }
    let labels = labels_of(query, shown, recorded);
    faults.extend(query.grouping.iter().filter(|label| !labels.contains(*label)).map(|label| format!("by {label}")));
    faults
}

/// All labels that its metrics have.
fn labels_of(query: &Query, shown: &Exposed, recorded: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut labels: BTreeSet<String> = TARGET_LABELS.iter().map(|label| (*label).to_owned()).collect();
    for selector in &query.selectors {
        labels.extend(recorded.get(&selector.metric).into_iter().flatten().cloned());
        labels.extend(shown.of(&selector.metric).iter().flat_map(|metric| metric.labels.keys().cloned()));
        if selector.metric.ends_with("_bucket") {
            labels.insert("le".to_owned());
        }
    }
    labels
}
