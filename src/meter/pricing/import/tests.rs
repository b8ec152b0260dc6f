//! What becomes of the public lists, and of a table that they are laid over.

use proptest::prelude::*;

use super::super::rates::Unit;
use super::super::{Pricing, Ratio, Table};
use super::*;
use crate::meter::{Geo, Usage, UsageSource};

fn day(text: &str) -> Date {
    Date::parse(text).expect("a day")
}

fn litellm(entries: &str) -> Vec<Listed> {
    import(&format!("{{{entries}}}"), day("2026-07-24")).expect("a list").rows
}

fn lines(rows: &[Listed]) -> Vec<String> {
    let shown = |row: &Listed| row.line().replace(",\"source\":\"litellm\",\"checked\":\"2026-07-24\"", "");
    rows.iter().map(shown).collect()
}

#[test]
fn litellms_names_are_taken_apart() {
    let list = r#""sample_spec":{"litellm_provider":"openai","input_cost_per_token":1},
        "fallback_generalizations":{"rules":[{"litellm_provider":"openai","input_cost_per_token":1}]},
        "last_updated":"2026-07-24T18:23:43Z",
        "gpt-5.4":{"litellm_provider":"openai","mode":"chat","input_cost_per_token":2.5e-06,"output_cost_per_token":1.5e-05,
            "cache_read_input_token_cost":2.5e-07,"input_cost_per_token_above_272k_tokens":5e-06,
            "input_cost_per_token_flex":1.25e-06,"output_cost_per_token_flex":7.5e-06,
            "input_cost_per_token_priority":5e-06,"input_cost_per_token_above_272k_tokens_priority":1e-05,
            "regional_processing_uplift_multiplier_eu":1.1,"max_input_tokens":1050000,"max_output_tokens":128000},
        "claude-opus-4-6":{"litellm_provider":"anthropic","input_cost_per_token":5e-06,"output_cost_per_token":2.5e-05,
            "cache_creation_input_token_cost":6.25e-06,"cache_creation_input_token_cost_above_1hr":1e-05,
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens":2e-05,
            "provider_specific_entry":{"us":1.1,"fast":6.0},
            "search_context_cost_per_query":{"search_context_size_low":0.01,"search_context_size_high":0.01}},
        "azure/eu/gpt-4o":{"litellm_provider":"azure","input_cost_per_token":2.75e-06,"output_cost_per_token":1.1e-05,
            "cache_creation_input_token_cost":1.38e-06},
        "bedrock/us-gov-west-1/anthropic.claude-v2:1":{"litellm_provider":"bedrock","input_cost_per_token":8.000000000000001e-06},
        "bedrock/us-east-1/1-month-commitment/anthropic.claude-v2":{"litellm_provider":"bedrock","input_cost_per_token":1e-06},
        "groq/openai/gpt-oss-20b":{"litellm_provider":"groq","input_cost_per_token":7.5e-08,"output_cost_per_token":3e-07},
        "vertex_ai/claude-sonnet-5":{"litellm_provider":"vertex_ai-anthropic_models","input_cost_per_token":2e-06},
        "rerank-v3.5":{"litellm_provider":"cohere","mode":"rerank","input_cost_per_query":0.002,"input_cost_per_token":0.0},
        "openrouter/some/model:free":{"litellm_provider":"openrouter","input_cost_per_token":0.0,"output_cost_per_token":0.0},
        "openrouter/some/model":{"litellm_provider":"openrouter","input_cost_per_token":0.0,"output_cost_per_token":0.0},
        "perplexity/sonar":{"litellm_provider":"perplexity","input_cost_per_token":1e-06,
            "search_context_cost_per_query":{"search_context_size_low":0.005,"search_context_size_high":0.012}},
        "whisper-1":{"litellm_provider":"openai","input_cost_per_second":0.0001}"#;
    let expected = [
        r#"{"id":"openai/gpt-5.4","in":2.5,"read":0.25,"out":15,"above":{"272000":{"in":5}},"flex":{"in":1.25,"out":7.5},"priority":{"in":5,"above":{"272000":{"in":10}}},"eu":1.1,"context":1050000,"output":128000}"#,
        r#"{"id":"anthropic/claude-opus-4-6","in":5,"write_5m":6.25,"write_1h":10,"out":25,"above":{"200000":{"write_1h":20}},"batch":0.5,"fast":6,"us":1.1,"web_search":0.01}"#,
        r#"{"id":"groq/openai/gpt-oss-20b","in":0.075,"out":0.3,"flex":1}"#,
        r#"{"id":"openrouter/some/model:free","free":true}"#,
        r#"{"id":"azure-openai/gpt-4o","region":"eu","in":2.75,"read":1.38,"out":11}"#,
        r#"{"id":"aws-bedrock/anthropic.claude-v2:1","region":"us-gov-west-1","in":8}"#,
        r#"{"id":"cohere/rerank-v3.5","search_unit":0.002}"#,
        r#"{"id":"google-vertex/claude-sonnet-5","in":2}"#,
    ];
    assert_eq!(lines(&litellm(list)), expected);
}

const GENAI: &str = r#"[{"id":"anthropic","models":[
    {"id":"claude-sonnet-5","match":{"or":[{"starts_with":"claude-sonnet-5"},{"starts_with":"claude-5-sonnet"}]},"context_window":1000000,
     "prices":[{"prices":{"input_mtok":2,"cache_write_mtok":2.5,"output_mtok":10}},
               {"constraint":{"start_date":"2026-09-01"},"prices":{"input_mtok":3,"cache_write_mtok":3.75,"output_mtok":15}}]}]},
    {"id":"deepseek","models":[{"id":"deepseek-chat","match":{"equals":"deepseek-chat"},
     "prices":[{"prices":{"input_mtok":0.135,"output_mtok":0.55}},
               {"constraint":{"start_time":"00:30:00Z","end_time":"16:30:00Z"},"prices":{"input_mtok":0.27,"output_mtok":1.1}}]}]},
    {"id":"x-ai","models":[{"id":"grok-4-fast","match":{"equals":"grok-4-fast"},
     "prices":{"input_mtok":{"base":0.2,"tiers":[{"start":128000,"price":0.4}]},"output_mtok":{"base":0.5,"tiers":[{"start":128000,"price":1}]}}},
     {"id":"asks","match":{"equals":"asks"},"prices":{"input_mtok":1,"requests_kcount":5}},
     {"id":"odd","match":{"equals":"odd"},"prices":[{"prices":{"input_mtok":1}},{"constraint":{"moon":"full"},"prices":{"input_mtok":2}}]}]},
    {"id":"nobody","models":[{"id":"m","match":{},"prices":{"input_mtok":1}}]}]"#;

#[test]
fn genai_prices_dates_and_hours_are_kept() {
    let rows = import(GENAI, day("2026-07-24")).expect("a list").rows;
    let shown: Vec<String> = rows
        .iter()
        .map(|row| row.line().replace(",\"source\":\"genai-prices\",\"checked\":\"2026-07-24\"", ""))
        .collect();
    let expected = [
        r#"{"id":"anthropic/claude-sonnet-5","to":"2026-09-01","in":2,"write_5m":2.5,"write_1h":4,"out":10,"also":["claude-5-sonnet"],"context":1000000}"#,
        r#"{"id":"anthropic/claude-sonnet-5","from":"2026-09-01","in":3,"write_5m":3.75,"write_1h":6,"out":15,"also":["claude-5-sonnet"],"context":1000000}"#,
        r#"{"id":"deepseek/deepseek-chat","in":0.135,"out":0.55,"daily":[{"from":"00:30:00","to":"16:30:00","in":0.27,"out":1.1}]}"#,
        r#"{"id":"xai/grok-4-fast","in":0.2,"out":0.5,"above":{"128000":{"in":0.4,"out":1}}}"#,
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_list_renews_its_own_rows_and_no_others() {
    let row = |id: &str, input: &str, source: &str| {
        let text =
            format!("{{\"id\":\"{id}\",\"in\":{input},\"out\":10,\"source\":\"{source}\",\"checked\":\"2026-07-01\"}}");
        Listed::read(&text).expect("a row")
    };
    let table = vec![
        row("openai/same", "1", "litellm"),
        row("openai/dearer", "1", "litellm"),
        row("openai/gone", "1", "litellm"),
        row("openai/mine", "1", "contract"),
        row("anthropic/claude-sonnet-5", "2", "litellm"),
    ];
    let entry = |input: &str| {
        format!("{{\"litellm_provider\":\"openai\",\"input_cost_per_token\":{input},\"output_cost_per_token\":1e-05}}")
    };
    let list = format!(
        r#"{{"same":{},"dearer":{},"mine":{},"new":{},"claude-sonnet-5":{{"litellm_provider":"anthropic","input_cost_per_token":2e-06,"output_cost_per_token":1e-05}}}}"#,
        entry("1e-06"),
        entry("1.5e-06"),
        entry("9e-06"),
        entry("3e-06")
    );
    let list = || import(&list, day("2026-07-24")).expect("a list");
    let (merged, changes) = merge(table, list());
    let told: Vec<String> = changes.iter().map(Change::to_string).collect();
    assert_eq!(
        told,
        [
            "~ anthropic/claude-sonnet-5: batch unknown -> 0.5",
            "~ openai/dearer: in 1 -> 1.5",
            "- openai/gone: in 1, out 10",
            "+ openai/new: in 3, out 10"
        ]
    );
    let of = |rows: &[Listed], id: &str| {
        rows.iter().find(|row| row.id == id).and_then(|row| row.standard.base.own(Unit::Input))
    };
    assert_eq!(of(&merged, "openai/mine"), Some(1_000_000_000_000));
    // What the other list announces is taken, and outlives the next update of the first.
    let (merged, changes) = merge(merged, import(GENAI, day("2026-07-24")).expect("a list"));
    assert!(changes.iter().any(|change| change.to_string().contains("to unknown -> \"2026-09-01\"")), "{changes:?}");
    let (merged, changes) = merge(merged, list());
    assert_eq!(changes, []);
    let rows: Vec<Listed> = merged.into_iter().filter(|row| row.id == "anthropic/claude-sonnet-5").collect();
    assert_eq!(rows.iter().map(|row| row.source.as_str()).collect::<Vec<_>>(), ["litellm", "genai-prices"]);
    let table = Table::read(Table::write(&rows)).expect("a table");
    let found = table.find("anthropic", "claude-sonnet-5-20260801", None);
    let pricing = Pricing::of_rows(found.iter().filter_map(Listed::row).collect(), Ratio::ONE, Geo::Global);
    let used = Usage { input: 1, source: UsageSource::Reported, ..Usage::default() };
    let september = day("2026-09-01").unix_s();
    assert_eq!(
        (pricing.cost(&used, september - 1), pricing.cost(&used, september)),
        (Some(2_000_000), Some(3_000_000))
    );
}

#[test]
fn what_is_no_list_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        "3",
        "{\"a\":{\"litellm_provider\":\"openai\"}}",
        "[{\"id\":\"openai\"}]",
        "{\"schema\":\"x\",\"rows\":[]}",
    ] {
        assert!(import(text, day("2026-07-24")).is_err(), "{text}");
    }
}

#[test]
fn the_table_in_the_binary_is_sound() {
    let text = include_str!("../../../../config/prices/prices.json");
    let table = Table::read(text.to_owned()).unwrap_or_else(|(line, fault)| panic!("line {line}: {fault}"));
    assert!(text.len() < 450_000, "{} bytes are more than a table of prices should take", text.len());
    let rows = table.rows();
    assert_eq!(Table::write(&rows), text, "written as the importer writes it");
    // Every account kind with public prices has some.
    for kind in [
        "openai",
        "anthropic",
        "mistral-ai",
        "groq",
        "deepseek",
        "together-ai",
        "openrouter",
        "xai",
        "cerebras",
        "deepinfra",
        "sambanova",
        "azure-openai",
        "google-gemini",
        "google-vertex",
        "aws-bedrock",
        "cohere",
    ] {
        assert!(rows.iter().any(|row| row.id.starts_with(&format!("{kind}/"))), "{kind}");
    }
    for (kind, model, region, input) in [
        ("openai", "gpt-4o-mini-2024-07-18", None, Some("0.15")),
        ("openai", "gpt-4o-mini", Some("anywhere"), Some("0.15")),
        ("anthropic", "claude-sonnet-4-5-20250929", None, Some("3")),
        ("aws-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, Some("3.3")),
        ("aws-bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", Some("us-east-1"), Some("3")),
        ("google-gemini", "models/gemini-2.5-pro", None, Some("1.25")),
        ("google-vertex", "gemini-2.5-pro", None, Some("1.25")),
        ("openai", "gpt-4o-nonsense", None, None),
        ("nobody", "gpt-4o", None, None),
    ] {
        let found = table.find(kind, model, region);
        let found = found.first().and_then(|row| row.standard.base.own(Unit::Input));
        assert_eq!(found, input.and_then(|input| scaled(input, 12)), "{kind}/{model}");
    }
}

#[test]
fn a_table_of_ones_own_is_judged_with_its_lines() {
    let table = |row: &str| {
        format!(
            "{{\"schema\":\"sluice-prices/1\",\"rows\":[\n{{\"id\":\"openai/a\",\"in\":1,\"source\":\"own\",\"checked\":\"2026-07-01\"}},\n{row}\n]}}"
        )
    };
    let rest = "\"source\":\"own\",\"checked\":\"2026-07-01\"";
    for (row, fault) in [
        (format!("{{\"in\":1,{rest}}}"), "`id`: expected `PROVIDER/MODEL`"),
        ("{\"id\":\"openai/b\",\"in\":1}".to_owned(), "expected `source` and `checked`"),
        (format!("{{\"id\":\"openai/b\",\"in\":-1,{rest}}}"), "`in`: expected a price in USD, not negative"),
        (format!("{{\"id\":\"openai/b\",\"in\":\"1\",{rest}}}"), "`in`: expected a price in USD, not negative"),
        (format!("{{\"id\":\"openai/b\",\"input\":1,{rest}}}"), "unknown key `input`"),
        (format!("{{\"id\":\"openai/b\",\"from\":\"soon\",{rest}}}"), "`from`: expected a day such as \"2026-09-01\""),
        ("3".to_owned(), "expected an object"),
    ] {
        assert_eq!(Table::read(table(&row)).map(|_| ()), Err((3, fault.to_owned())), "{row}");
    }
    assert_eq!(Table::read("{\"rows\":[]}".to_owned()).map(|_| ()).map_err(|(line, _)| line), Err(1));
    assert!(Table::read(format!("{} x", table(&format!("{{\"id\":\"openai/b\",{rest}}}")))).is_err());
}

proptest! {
    /// Lists and tables come from outside: cut or changed anywhere they are refused or read, never a panic.
    #[test]
    fn a_damaged_list_or_table_is_no_panic(at in 0..3000usize, byte in any::<u8>(), cut in any::<bool>()) {
        let table = format!("{{\"schema\":\"sluice-prices/1\",\"rows\":[{}]}}", import(GENAI, day("2026-07-24")).expect("a list").rows.iter().map(Listed::line).collect::<Vec<_>>().join(","));
        for text in [GENAI, &table] {
            let mut bytes = text.as_bytes().to_vec();
            let at = at % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let _ = import(&text, day("2026-07-24"));
            if let Ok(table) = Table::read(text) {
                prop_assert_eq!(Table::read(Table::write(&table.rows())).map(|again| again.rows().len()), Ok(table.rows().len()));
            }
        }
    }

    /// No usage, however absurd, makes the arithmetic panic or a negative cost.
    #[test]
    fn any_usage_has_a_cost_or_none(counts in prop::array::uniform8(any::<u64>()), small in any::<bool>()) {
        let text = r#"{"id":"p/m","in":3,"read":0.3,"write_5m":3.75,"out":15,"above":{"200000":{"in":6,"out":22.5}},"us":1.1,"fast":6,"web_search":0.01,"source":"t","checked":"2026-07-01"}"#;
        let row = Listed::read(text).ok().and_then(|listed| listed.row()).expect("a row");
        let pricing = Pricing::of_rows(vec![row], Ratio::discounted("12.5").expect("a discount"), Geo::Us);
        let [input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio_input, searches] =
            counts.map(|count| if small { count >> 40 } else { count });
        let usage = Usage {
            input, cache_read, cache_write_5m, cache_write_1h, output, reasoning, audio_input,
            web_searches: searches as u32,
            source: UsageSource::Reported,
            ..Usage::default()
        };
        let cost = pricing.cost(&usage, 0);
        prop_assert!(cost.is_none_or(|cost| cost >= 0));
        prop_assert!(!small || cost.is_some());
    }
}
