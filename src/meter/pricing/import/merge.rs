//! A new list laid over a table. Each list renews the rows it brought and adds models nobody had; rows of another
//! source stay as they are, so that a price set by hand outlives every update.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::super::listed::{Listed, TierPrice};
use super::super::rates::Unit;
use super::Imported;

/// What an update did to one price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Added(Listed),
    Removed(Listed),
    Changed(Box<(Listed, Listed)>),
}

/// The rows of one model and region, as they follow each other in time.
type Prices = BTreeMap<(String, Option<String>), Vec<Listed>>;

fn by_model(rows: Vec<Listed>) -> Prices {
    let mut prices = Prices::new();
    for row in rows {
        prices.entry((row.id.clone(), row.region.clone())).or_default().push(row);
    }
    prices.values_mut().for_each(|rows| rows.sort_by_key(|row| row.from));
    prices
}

/// The new table, and what is different in it.
pub fn merge(table: Vec<Listed>, list: Imported) -> (Vec<Listed>, Vec<Change>) {
    let (old, mut new) = (by_model(table), by_model(list.rows));
    let (mut merged, mut changes) = (Vec::new(), Vec::new());
    for (key, rows) in old {
        let renewed = match new.remove(&key) {
            Some(listed) if rows.iter().any(|row| row.source == list.source) => renew(&rows, listed, &list.source),
            Some(listed) => announce(&rows, listed),
            None => rows.iter().filter(|row| row.source != list.source).cloned().collect(),
        };
        compare(&rows, &renewed, &mut changes);
        merged.extend(renewed);
    }
    for rows in new.into_values() {
        changes.extend(rows.iter().cloned().map(Change::Added));
        merged.extend(rows);
    }
    (merged, changes)
}

/// Its own rows are replaced; a later price that another list announced is kept until this list has it too.
fn renew(rows: &[Listed], mut listed: Vec<Listed>, source: &str) -> Vec<Listed> {
    let others = rows.iter().filter(|row| row.source != source && row.from.is_some()).cloned();
    for later in others {
        match listed.last_mut() {
            Some(last) if last.from.is_none() && !same_tokens(last, &later) => last.to = later.from,
            _ => continue,
        }
        listed.push(later);
    }
    listed
}

/// Of another list's model only what comes after today's price is taken, and only where the two agree on today's.
fn announce(rows: &[Listed], listed: Vec<Listed>) -> Vec<Listed> {
    let mut rows = rows.to_vec();
    let mut listed = listed.into_iter();
    let agreed = match (listed.next(), rows.as_slice()) {
        (Some(now), [only]) => only.to.is_none() && same_tokens(&now, only),
        _ => false,
    };
    // What changed before the row was last checked is in it.
    let checked = rows.first().and_then(|row| row.checked);
    for later in listed.filter(|later| agreed && later.from > checked) {
        let Some(last) = rows.last_mut() else { break };
        last.to = later.from;
        // What has nothing to do with the price of a token goes on.
        let later = Listed {
            fast: later.fast.or(last.fast),
            us: later.us.or(last.us),
            eu: later.eu.or(last.eu),
            web_search: later.web_search.or(last.web_search),
            search_unit: later.search_unit.or(last.search_unit),
            context: last.context.or(later.context),
            output_max: last.output_max.or(later.output_max),
            batch: last.batch.clone().filter(|tier| matches!(tier, TierPrice::Ratio(_))),
            ..later
        };
        rows.push(later);
    }
    rows
}

fn same_tokens(a: &Listed, b: &Listed) -> bool {
    let of = |row: &Listed| (row.standard.base.own(Unit::Input), row.standard.base.own(Unit::Output));
    of(a) == of(b)
}

fn compare(old: &[Listed], new: &[Listed], changes: &mut Vec<Change>) {
    for at in 0..old.len().max(new.len()) {
        match (old.get(at), new.get(at)) {
            (Some(old), Some(new)) if old.same_price(new) => {}
            (Some(old), Some(new)) => changes.push(Change::Changed(Box::new((old.clone(), new.clone())))),
            (Some(old), None) => changes.push(Change::Removed(old.clone())),
            (None, Some(new)) => changes.push(Change::Added(new.clone())),
            (None, None) => {}
        }
    }
}

/// One line: `~ openai/gpt-4o: in 2.5 -> 2, out 10 -> 8` in USD per million tokens.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Added(row) => write!(f, "+ {}: {}", row.name(), differences(None, Some(row)).join(", ")),
            Change::Removed(row) => write!(f, "- {}: {}", row.name(), differences(None, Some(row)).join(", ")),
            Change::Changed(both) => {
                write!(f, "~ {}: {}", both.1.name(), differences(Some(&both.0), Some(&both.1)).join(", "))
            }
        }
    }
}

/// Every key that says something else now: `in 2.5 -> 2`, or `in 2.5` when there is nothing to compare with.
fn differences(old: Option<&Listed>, new: Option<&Listed>) -> Vec<String> {
    const NOT_A_PRICE: [&str; 7] = ["id", "region", "also", "context", "output", "source", "checked"];
    let members = |row: Option<&Listed>| match row.map(|row| serde_json::from_str(&row.line())) {
        Some(Ok(Value::Object(members))) => members,
        _ => Default::default(),
    };
    let (before, after) = (members(old), members(new));
    let mut keys: Vec<&String> = before.keys().collect();
    keys.extend(after.keys().filter(|key| !before.contains_key(*key)));
    let mut all = Vec::new();
    for key in keys.into_iter().filter(|key| !NOT_A_PRICE.contains(&key.as_str())) {
        let shown = |value: Option<&Value>| value.map_or("unknown".to_owned(), Value::to_string);
        match (before.get(key), after.get(key)) {
            (was, is) if was == is => {}
            (None, is) if old.is_none() => all.push(format!("{key} {}", shown(is))),
            (was, is) => all.push(format!("{key} {} -> {}", shown(was), shown(is))),
        }
    }
    all
}
