//! What an integration and an account say of money.

use super::*;
use crate::meter::{Usage, UsageSource};
use crate::telemetry::Target;

fn account(kind: &str, rest: &str) -> String {
    format!("type: provider-account/{kind}\nname: a\nauth_data: {{type: api-key, api_key: \"${{env:K}}\"}}\n{rest}\n")
}

fn with_cost(cost: &str) -> String {
    account("openai", &format!("integrations:\n  - {{name: gpt-4o-mini, cost: {cost}}}"))
}

fn cost(target: &Target, usage: Usage) -> Option<i64> {
    target.pricing.as_ref()?.cost(&Usage { source: UsageSource::Reported, ..usage }, 1_790_000_000)
}

#[test]
fn public_private_or_no_price() {
    let tokens = Usage { input: 1000, output: 100, ..Usage::default() };
    for (declared, pico) in [
        // gpt-4o-mini: 0.15 and 0.60 USD per million.
        ("{metric: public_cost}", Some(210_000_000)),
        ("{metric: public_cost, value: null}", Some(210_000_000)),
        ("{metric: per_1000_tokens, value: {input: 0.002, output: 8e-3}}", Some(2_800_000_000)),
        ("{metric: per_1000_embedding_tokens, value: 0.00002}", None),
    ] {
        let snapshot = accepted(&with_cost(declared), &[("K", "k")]);
        assert_eq!(cost(&snapshot.accounts[0].models["gpt-4o-mini"], tokens), pico, "{declared}");
    }
    let without = accepted(&account("openai", "integrations: [{name: gpt-4o-mini}]"), &[("K", "k")]);
    assert!(without.accounts[0].models["gpt-4o-mini"].pricing.is_none());
}

#[test]
fn names_passed_on_have_public_prices() {
    let snapshot = accepted(&account("openai", ""), &[("K", "k")]);
    let target = snapshot.accounts[0].target("gpt-4o-mini", "gpt-4o-mini");
    assert_eq!(cost(&target, Usage { input: 1000, ..Usage::default() }), Some(150_000_000));
    let target = snapshot.accounts[0].target("nobody", "nobody");
    assert_eq!(cost(&target, Usage { input: 1000, ..Usage::default() }), None);
}

#[test]
fn a_discount_is_one_of_list_prices() {
    let tokens = Usage { input: 1000, ..Usage::default() };
    let discounted = |declared: &str| with_cost(declared) + "discount_percent: 12.5\n";
    for (declared, pico) in [
        ("{metric: public_cost}", 131_250_000),
        ("{metric: per_1000_tokens, value: {input: 0.00015, output: 0}}", 150_000_000),
    ] {
        let snapshot = accepted(&discounted(declared), &[("K", "k")]);
        assert_eq!(cost(&snapshot.accounts[0].models["gpt-4o-mini"], tokens), Some(pico), "{declared}");
        assert!(print_effective(&snapshot).contains("discount_percent: 12.5\n"));
    }
}

#[test]
fn the_effective_cost_reads_back() {
    for declared in [
        "{metric: public_cost}",
        "{metric: per_1000_embedding_tokens, value: 0.00002}",
        "{metric: per_1000_tokens, value: {input: 0.0025, input_tiers: [{from: 128000, cost_per_token: 0.000005}], output: 0.01, cache_write: 0}}",
    ] {
        let snapshot = accepted(&with_cost(declared), &[("K", "k")]);
        let shown = print_effective(&snapshot);
        assert!(shown.contains(&format!("cost: {declared}}}")), "{shown}");
        let again = accepted(&with_cost(declared), &[("K", "k")]);
        assert_eq!(again.accounts[0].models["gpt-4o-mini"].pricing, snapshot.accounts[0].models["gpt-4o-mini"].pricing);
    }
}

#[test]
fn wrong_costs_are_told_where_and_what() {
    let usd = "US dollars from 0 to 1000, such as `0.0025`, with at most 15 decimal places";
    for (declared, message) in [
        (
            "{metric: free}",
            "`metric`: expected `public_cost`, `per_1000_tokens` or `per_1000_embedding_tokens`".to_owned(),
        ),
        ("{metric: public_cost, value: 1}", "`value`: `public_cost` takes none".to_owned()),
        ("{metric: per_1000_embedding_tokens}", "a `cost` of this metric lacks its key `value`".to_owned()),
        ("{metric: per_1000_embedding_tokens, value: -1}", format!("`value`: expected {usd}")),
        (
            "{metric: per_1000_tokens, value: {input: 1}}",
            "`value` of `per_1000_tokens` lacks its key `output`".to_owned(),
        ),
        ("{metric: per_1000_tokens, value: {input: 1, output: cheap}}", format!("`output`: expected {usd}")),
        (
            "{metric: per_1000_tokens, value: {input: 1, output: 0.0000000000000001}}",
            format!("`output`: expected {usd}"),
        ),
        (
            "{metric: per_1000_tokens, value: {input: 1, output: 1, input_tiers: [{from: 9, cost_per_token: 1}, {from: 9, cost_per_token: 1}]}}",
            "`from`: expected more than in the tier before".to_owned(),
        ),
        (
            "{metric: per_1000_pages, value: {pages: 1}}",
            "`metric`: `per_1000_pages` is not served by this version, which does not count pages; \
             expected `public_cost`, `per_1000_tokens` or `per_1000_embedding_tokens`"
                .to_owned(),
        ),
    ] {
        assert_eq!(refused(&with_cost(declared), &[("K", "k")]), [format!("test.yaml:5: {message}")], "{declared}");
    }
    let faults = refused(&account("openai", "discount_percent: 101"), &[("K", "k")]);
    let expected =
        "test.yaml:4: `discount_percent`: expected a percentage from 0 to 100 with at most four decimal places";
    assert_eq!(faults, [expected]);
}

const ROW: &str = r#"{"id":"openai/gpt-4o-mini","in":7,"out":8,"source":"contract","checked":"2026-07-01"}"#;

fn with_table(folder: &Folder, text: &str, more: &str) -> Result<Snapshot, Vec<ConfigError>> {
    folder.write("prices.json", text);
    let document =
        format!("type: sluice\nname: main\nprices: {{table: prices.json{more}}}\n---\n{}", account("openai", ""));
    let config = folder.write("sluice.yaml", document);
    load(&[config], &Env::of(&[("K", "k")]))
}

#[test]
fn a_table_of_ones_own_outranks_the_one_in_the_binary() {
    let folder = Folder::new();
    let snapshot =
        with_table(&folder, &format!("{{\"schema\":\"sluice-prices/1\",\"rows\":[{ROW}]}}"), "").expect("sound");
    let target = snapshot.accounts[0].target("gpt-4o-mini", "gpt-4o-mini");
    assert_eq!(cost(&target, Usage { input: 1, ..Usage::default() }), Some(7_000_000));
    assert!(snapshot.accounts[0].target("gpt-4o", "gpt-4o").pricing.is_some_and(|pricing| !pricing.is_known(0)));
    assert!(watched_files(&snapshot).iter().any(|file| file.ends_with("prices.json")));
    assert!(print_effective(&snapshot).contains("prices.json}\n"));
    let faults = with_table(&folder, "{\"schema\":\"sluice-prices/1\",\"rows\":[\n{}]}", "").err().expect("a fault");
    let fault = faults[0].to_string();
    assert!(fault.contains("sluice.yaml:3: `table`: ") && fault.contains("prices.json:2: `id`: expected"), "{fault}");
}

#[test]
fn a_table_that_is_to_be_renewed_need_not_be_there_yet() {
    let renewed = "prices: {table: /nowhere/prices.json, refresh: {from: \"https://h/list.json\", every_hours: 24}}";
    let snapshot = accepted(&format!("type: sluice\nname: main\n{renewed}\n"), &[]);
    assert!(print_effective(&snapshot).contains("every_hours: 24}}\n"));
    for (prices, message) in [
        ("{table: /nowhere/prices.json}", "`table`: /nowhere/prices.json: No such file or directory (os error 2)"),
        ("{refresh: {from: a.json, every_hours: 1}}", "`refresh` needs a `table` beside it: the file that is renewed"),
        ("{table: /nowhere/p, refresh: {from: a.json}}", "refresh lacks its key `every_hours`"),
        (
            "{table: /nowhere/p, refresh: {from: a.json, every_hours: 0}}",
            "`every_hours`: expected a whole number from 1 to 8760",
        ),
    ] {
        let faults = refused(&format!("type: sluice\nname: main\nprices: {prices}\n"), &[]);
        assert!(faults.iter().any(|fault| *fault == format!("test.yaml:3: {message}")), "{faults:?}");
    }
}
