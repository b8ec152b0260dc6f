//! What a PromQL expression asks for: its metrics, with what each label is compared to, and the labels it groups by. Not a
//! parser: promtool says whether it is PromQL at all.

const AGGREGATORS: [&str; 12] =
    ["sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values"];
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
const WORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

#[derive(Debug, Default, PartialEq)]
pub struct Query {
    pub selectors: Vec<Selector>,
    pub grouping: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
pub struct Selector {
    pub metric: String,
    /// Label, operator, value.
    pub matchers: Vec<(String, String, String)>,
}

pub fn query(text: &str) -> Query {
    let mut query = Query::default();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '"' | '\'' => rest = after_string(rest),
            '[' => rest = rest.split_once(']').map_or("", |(_, after)| after),
            '{' => {
                let (matchers, after) = matchers(&rest[1..]);
                query.selectors.last_mut().expect("a metric before its matchers").matchers = matchers;
                rest = after;
            }
            '$' => rest = after_word(rest[1..].trim_start_matches('{')).trim_start_matches('}'),
            '0'..='9' => rest = after_word(rest),
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let after = after_word(rest);
                rest = word(&rest[..rest.len() - after.len()], after, &mut query);
            }
            _ => rest = &rest[c.len_utf8()..],
        }
    }
    query
}

/// Takes in a name and what belongs to it; what comes after that.
fn word<'a>(name: &str, after: &'a str, query: &mut Query) -> &'a str {
    let ahead = after.trim_start();
    if GROUPINGS.contains(&name) {
        let Some((labels, after)) = ahead.strip_prefix('(').and_then(|inside| inside.split_once(')')) else {
            return after;
        };
        let labels = labels.split(',').map(str::trim).filter(|label| !label.is_empty());
        query.grouping.extend(labels.map(str::to_owned));
        return after;
    }
    let is_call = ahead.starts_with('(') || AGGREGATORS.contains(&name);
    if !is_call && !WORDS.contains(&name) {
        query.selectors.push(Selector { metric: name.to_owned(), matchers: Vec::new() });
    }
    after
}

fn matchers(text: &str) -> (Vec<(String, String, String)>, &str) {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        if rest.is_empty() || rest.starts_with('}') {
            return (found, rest.trim_start_matches('}'));
        }
        let after = after_word(rest);
        let label = &rest[..rest.len() - after.len()];
        let value_at = after.find('"').expect("a quoted value");
        let (operator, value) = after.split_at(value_at);
        rest = after_string(value);
        let value = value[..value.len() - rest.len()].trim_matches('"');
        found.push((label.to_owned(), operator.trim().to_owned(), value.to_owned()));
    }
}

fn after_word(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

/// Behind the string that this begins with.
fn after_string(text: &str) -> &str {
    let mut chars = text.char_indices();
    let Some((_, quote)) = chars.next() else { return "" };
    let mut escaped = false;
    for (at, c) in chars {
        if c == quote && !escaped {
            return &text[at + 1..];
        }
        escaped = c == '\\' && !escaped;
    }
    ""
}

/// Scenario: an expression with all that ours have.
/// Guarantees: nothing it asks for is overlooked, and nothing else is taken for a metric.
#[test]
fn metrics_labels_and_groups_are_found() {
    let found = query(
        r#"1e3 * sum by (le, ruleId) (rate(a:b_total{x=~"$y|z", u!=""}[$__rate_interval] offset 5m)) / on (x) group_left () c > 0.5
           unless time() - max without (q) (d{v="}"}) < 600 or ${n}"#,
    );
    let selector = |metric: &str, matchers: &[(&str, &str, &str)]| Selector {
        metric: metric.to_owned(),
        matchers: matchers.iter().map(|(l, o, v)| ((*l).to_owned(), (*o).to_owned(), (*v).to_owned())).collect(),
    };
    let selectors = [
        selector("a:b_total", &[("x", "=~", "$y|z"), ("u", "!=", "")]),
        selector("c", &[]),
        selector("d", &[("v", "=", "}")]),
    ];
    assert_eq!(found.selectors, selectors);
    assert_eq!(found.grouping, ["le", "ruleId", "x", "q"]);
}
