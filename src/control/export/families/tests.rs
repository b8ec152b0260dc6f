use std::collections::BTreeSet;

use super::*;
use crate::telemetry::totals::Series;

#[test]
fn every_family_has_one_name_in_each_format() {
    let (mut names, mut prometheus) = (BTreeSet::new(), BTreeSet::new());
    for family in all() {
        assert!(names.insert(family.name), "{}", family.name);
        let name = family.prometheus_name();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
        assert!(!family.help.is_empty() && !family.help.contains(['\n', '\\']), "{name}");
        assert!(prometheus.insert(name.clone()), "{name}");
    }
}

/// The series budget of the process counts with these.
#[test]
fn each_kind_of_series_carries_as_many_families_as_it_says() {
    let count = |wanted: fn(&Read) -> bool| all().filter(|family| wanted(&family.read)).count();
    assert_eq!(count(|read| matches!(read, Read::Gateway(_))), Gateway::FAMILIES);
    assert_eq!(count(|read| matches!(read, Read::Client(_))), Client::FAMILIES);
    assert_eq!(count(|read| matches!(read, Read::Server(_))), Server::FAMILIES);
    assert_eq!(count(|read| matches!(read, Read::Http(_))), Http::FAMILIES);
    assert_eq!(count(|read| matches!(read, Read::Balanced(_))), Routed::FAMILIES);
    assert_eq!(count(|read| matches!(read, Read::Fallback(_))), Routed::FAMILIES);
    assert_eq!(count(|read| matches!(read, Read::Rule(_))), ByRule::FAMILIES);
    assert_eq!(count(|read| matches!(read, Read::Target(_))), ByTarget::FAMILIES);
}

/// config/prometheus/README.md lists what operators can ask for. Its labels are compared with a running gateway's by
/// tests/operator.
#[test]
fn the_list_of_metrics_has_each_with_its_type_unit_and_meaning() {
    const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus/README.md");
    let list = std::fs::read_to_string(LIST).expect("the list");
    let listed: Vec<&str> =
        list.lines().filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 3).collect();
    let labels = |name: &str| {
        let row = listed.iter().find(|row| row.starts_with(&format!("| `{name}` |")));
        row.and_then(|row| row.split(" | ").nth(2)).unwrap_or("(its labels)")
    };
    let unit = |family: &Family| match family.unit {
        "" => String::new(),
        "s" => ", seconds".to_owned(),
        "ms" => ", milliseconds".to_owned(),
        "By" => ", bytes".to_owned(),
        unit => format!(", {}", unit.trim_matches(['{', '}']).replace('_', " ")),
    };
    let row = |family: &'static Family| {
        let (name, kind, unit) = (family.prometheus_name(), format!("{:?}", family.kind).to_lowercase(), unit(family));
        format!("| `{name}` | {kind}{unit} | {} | {} |", labels(&name), family.help)
    };
    let expected: Vec<String> = all().map(row).collect();
    assert_eq!(listed, expected, "the list should be:\n{}", expected.join("\n"));
}
