//! config/grafana/*.json: what Grafana needs to draw a dashboard is there and fits together, and its queries ask for
//! nothing but what is shown. No Grafana is to be had where these tests run; the names of units, panels and
//! transformations are those of its own libraries (@grafana/data and @grafana/schema 13).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common::fresh_dir;
use crate::common::promtool::{Said, promtool, run};
use crate::exposed::exposed;
use crate::promql::query;
use crate::rules::check;
use crate::{file, text};

const UNITS: [&str; 7] = ["reqps", "percentunit", "s", "currencyUSD", "none", "short", "bytes"];
const PANELS: [&str; 6] = ["row", "timeseries", "stat", "table", "state-timeline", "bargauge"];
const TRANSFORMATIONS: [&str; 2] = ["merge", "organize"];
/// Grafana's own variables, with what stands in for each; longer names first.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "5m"), ("$__interval", "1m"), ("$__range", "1h")];
const COLUMNS: u64 = 24;

struct Dashboard {
    name: String,
    json: Value,
}

impl Dashboard {
    fn all() -> Vec<Self> {
        let entries = std::fs::read_dir(file("config/grafana")).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let read = |name: String| {
            let json = serde_json::from_str(&text(&format!("config/grafana/{name}")));
            Self { json: json.unwrap_or_else(|error| panic!("{name}: {error}")), name }
        };
        let all: Vec<Self> = names.filter(|name| name.ends_with(".json")).map(read).collect();
        assert!(!all.is_empty());
        all
    }

    fn panels(&self) -> &[Value] {
        list(&self.json["panels"])
    }

    fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }

    /// Each query with the panel it is of.
    fn targets(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.panels().iter().flat_map(|panel| list(&panel["targets"]).iter().map(move |target| (panel, target)))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn is_chosen_source(value: &Value) -> bool {
    let source = &value["datasource"];
    string(source, "type") == "prometheus" && string(source, "uid") == "${datasource}"
}

/// Scenario: somebody imports a dashboard and chooses a data source.
/// Guarantees: every panel has a number of its own and a place that is no other's, asks the source that was chosen, and
/// says what it shows in a unit that Grafana knows.
#[test]
fn dashboards_have_what_grafana_needs() {
    for dashboard in Dashboard::all() {
        let name = &dashboard.name;
        let json = &dashboard.json;
        assert!(!string(json, "uid").is_empty() && !string(json, "title").is_empty(), "{name}");
        assert!(json["schemaVersion"].as_u64() >= Some(39) && json["version"].is_u64(), "{name}");
        assert!(json["id"].is_null(), "{name}: a number that is another's where it is imported");
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeMap::new());
        for panel in dashboard.panels() {
            let what = format!("{name}: {}", string(panel, "title"));
            assert!(!string(panel, "title").is_empty(), "{what} {panel}");
            assert!(panel["id"].as_u64().is_some_and(|id| id > 0 && ids.insert(id)), "{what}: its id");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().expect("a place"));
            assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{what}: its place");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                let before = taken.insert(cell, what.clone());
                assert_eq!(before, None, "{what} lies on it");
            }
            let kind = string(panel, "type");
            assert!(PANELS.contains(&kind), "{what}: {kind}");
            if kind == "row" {
                assert!((x, w) == (0, COLUMNS) && panel["collapsed"] == false && list(&panel["panels"]).is_empty());
                continue;
            }
            assert!(is_chosen_source(panel) && !list(&panel["targets"]).is_empty(), "{what}");
            let unit = string(&panel["fieldConfig"]["defaults"], "unit");
            assert!(UNITS.contains(&unit), "{what}: the unit {unit}");
            let mut letters = BTreeSet::new();
            for target in list(&panel["targets"]) {
                assert!(is_chosen_source(target) && letters.insert(string(target, "refId")), "{what}: {target}");
            }
            for transformation in list(&panel["transformations"]) {
                assert!(TRANSFORMATIONS.contains(&string(transformation, "id")), "{what}: {transformation}");
                let renamed = transformation["options"]["renameByName"].as_object().into_iter().flatten();
                let columns = renamed.filter_map(|(column, _)| column.strip_prefix("Value #"));
                columns.for_each(|letter| assert!(letters.contains(letter), "{what}: no query {letter}"));
            }
        }
    }
}

/// Scenario: its variables are filled in, and every query is sent.
/// Guarantees: each variable is defined and finds its values; promtool reads each query; no query waits for a metric, a
/// label or a value that is not shown, and no legend names a label that its query takes away.
#[test]
fn dashboards_ask_only_for_what_is_shown() {
    let (shown, mut faults, mut rules) = (exposed(), Vec::new(), String::from("groups:\n- name: queries\n  rules:\n"));
    for dashboard in Dashboard::all() {
        let mut variables: Vec<(String, &str)> = VARIABLES.map(|(name, value)| (name.to_owned(), value)).into();
        for variable in dashboard.variables() {
            let (name, kind) = (string(variable, "name"), string(variable, "type"));
            variables.push((format!("${name}"), ".*"));
            if kind == "datasource" {
                assert_eq!((name, string(variable, "query")), ("datasource", "prometheus"));
                continue;
            }
            let asked = string(variable, "query").strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (metric, label) = asked.and_then(|asked| asked.split_once(", ")).expect("label_values(metric, label)");
            let has = shown.of(metric).is_some_and(|metric| metric.labels.contains_key(label));
            assert!(kind == "query" && has && is_chosen_source(variable), "{name}");
            assert!(variable["refresh"].as_u64().is_some_and(|when| when <= 2), "{name}");
        }
        for (panel, target) in dashboard.targets() {
            let (expr, legend) = (string(target, "expr"), string(target, "legendFormat"));
            let found = query(expr);
            let mut wrong = check(&found, shown, &BTreeMap::new());
            for label in legend.split("{{").skip(1).filter_map(|rest| rest.split_once("}}")) {
                if !found.grouping.iter().any(|known| known == label.0.trim()) {
                    wrong.push(format!("its legend names {}", label.0));
                }
            }
            let filled = variables.iter().fold(expr.to_owned(), |text, (name, value)| text.replace(name, value));
            if filled.contains('$') || expr.is_empty() {
                wrong.push(format!("a variable of `{filled}` is not defined"));
            }
            let number = rules.lines().count();
            rules.push_str(&format!("  - {{record: 'query:{number}', expr: {}}}\n", Value::from(filled)));
            faults.extend(wrong.into_iter().map(|fault| format!("{}: {fault}", string(panel, "title"))));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let dir = fresh_dir("dashboards");
    std::fs::write(dir.join("queries.yml"), rules).expect("writes");
    let mut command = promtool(&["check", "rules", "queries.yml"]);
    command.current_dir(&dir);
    if let Some(Said { code, said }) = run(command, "") {
        assert_eq!(code, Some(0), "{said}");
    }
    std::fs::remove_dir_all(dir).expect("removed");
}
