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
