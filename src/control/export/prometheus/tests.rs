use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::control::export::fixture::{shards, telemetry, totals, view};
use crate::telemetry::totals::{SERIES_PER_FAMILY_MAX, Totals};
use crate::telemetry::{Outcome, Record, fixture};

fn page(totals: &Totals, format: Format) -> String {
    let (shards, telemetry) = (shards(), telemetry());
    let mut out = String::new();
    render(&view(totals, &shards, &telemetry), format, &mut out);
    out
}

fn some_of_everything() -> Totals {
    let odd =
        Record { model_requested: "a\"b\\c\nd".into(), principal: Some(fixture::principal()), ..fixture::refused() };
    totals(&[
        fixture::stream(),
        fixture::refused(),
        fixture::failed_attempts(),
        fixture::cancelled(),
        odd,
        fixture::fallback(),
        fixture::hedged(),
        fixture::rescued(),
    ])
}

/// A sample: name, labels as written, value.
type Sample = (String, String, f64);

/// Reads a page and checks what every scraper relies on: comments before samples, families contiguous, no series
/// twice, buckets cumulative and ended by `+Inf` = `_count`.
fn read(text: &str) -> BTreeMap<String, (String, Vec<Sample>)> {
    let mut families: BTreeMap<String, (String, Vec<Sample>)> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            current = name.to_owned();
            assert!(families.insert(current.clone(), (kind.to_owned(), Vec::new())).is_none(), "{name} twice");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series.to_owned()), "{series} twice");
            let (name, labels) = series.split_once('{').map_or((series, ""), |(name, labels)| (name, labels));
            let stem = name.strip_prefix(&*current).unwrap_or_else(|| panic!("{name} under {current}"));
            assert!(matches!(stem, "" | "_total" | "_bucket" | "_sum" | "_count"), "{name} under {current}");
            let sample = (name.to_owned(), labels.trim_end_matches('}').to_owned(), value.parse().unwrap());
            families.get_mut(&current).unwrap().1.push(sample);
        }
    }
    for (name, (kind, samples)) in &families {
        assert!(!samples.is_empty(), "{name} has no samples");
        if kind == "histogram" {
            check_histogram(samples);
        }
    }
    families
}

fn check_histogram(samples: &[Sample]) {
    let mut before = 0.0;
    let mut upper_before = f64::NEG_INFINITY;
    for (name, labels, value) in samples {
        if name.ends_with("_bucket") {
            let (_, upper) = labels.rsplit_once("le=\"").unwrap();
            let upper: f64 = upper.trim_end_matches('"').parse().unwrap();
            assert!(*value >= before && upper > upper_before, "{name} {labels}");
            (before, upper_before) = (*value, upper);
        } else if name.ends_with("_count") {
            assert_eq!((*value, upper_before), (before, f64::INFINITY), "{name} {labels}");
            (before, upper_before) = (0.0, f64::NEG_INFINITY);
        }
    }
}

#[test]
fn both_formats_are_well_formed_and_say_the_same() {
    let totals = some_of_everything();
    let (text, open) = (page(&totals, Format::Text004), page(&totals, Format::OpenMetrics));
    assert!(open.ends_with("# EOF\n") && !text.contains("# EOF"));
    let samples = |page: &str| {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(&text), samples(&open));
    read(&text);
    read(&open);
}

#[test]
fn the_contract_names_are_exact_in_both_formats() {
    let totals = some_of_everything();
    let (text, open) = (read(&page(&totals, Format::Text004)), read(&page(&totals, Format::OpenMetrics)));
    for name in [
        "llm_gateway_input_tokens",
        "llm_gateway_output_tokens",
        "llm_gateway_request_cost",
        "llm_gateway_request_model_inference_failure",
        "llm_gateway_config_parsing_failures",
    ] {
        assert_eq!((&*text[name].0, &*open[name].0), ("counter", "unknown"), "{name}");
        assert!(text[name].1.iter().all(|sample| sample.0 == name));
    }
    for name in [
        "llm_gateway_request_processing_ms",
        "llm_gateway_first_token_latency_ms",
        "llm_gateway_inter_token_latency_ms",
    ] {
        assert_eq!((&*text[name].0, &*open[name].0), ("histogram", "histogram"), "{name}");
    }
    assert_eq!(text["llm_gateway_requests_total"].0, "counter");
    assert_eq!(open["llm_gateway_requests"].0, "counter");
    for name in ["llm_gateway_load_balanced_requests", "llm_gateway_fallback_requests"] {
        assert_eq!((&*text[&format!("{name}_total")].0, &*open[name].0), ("counter", "counter"), "{name}");
    }
}

#[test]
fn names_of_the_conventions_follow_their_rule() {
    let families = read(&page(&some_of_everything(), Format::Text004));
    for name in [
        "gen_ai_client_inference_duration_seconds",
        "gen_ai_client_inference_time_to_first_chunk_seconds",
        "gen_ai_client_inference_time_per_output_chunk_seconds",
        "gen_ai_client_inference_usage_input_tokens_total",
        "gen_ai_client_inference_operation_output_tokens",
        "gen_ai_server_request_duration_seconds",
        "gen_ai_server_time_to_first_token_seconds",
        "gen_ai_server_time_per_output_token_seconds",
        "http_server_request_duration_seconds",
        "sluice_requests_total",
        "sluice_attempts_total",
        "sluice_attempt_cost_usd_total",
        "sluice_attempt_retries_total",
        "sluice_failed_attempt_cost_usd_total",
        "sluice_hedges_total",
        "sluice_hedge_cost_usd_total",
        "sluice_stream_rescues_total",
        "sluice_rescued_requests_total",
        "sluice_failover_added_seconds",
        "sluice_overhead_duration_seconds",
        "sluice_inter_token_gap_seconds",
        "sluice_runtime_info",
        "sluice_records_dropped_total",
        "sluice_buffer_bytes",
        "sluice_build_info",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(families.contains_key(name), "{name}");
    }
}

#[test]
fn samples_carry_their_labels() {
    let page = page(&some_of_everything(), Format::Text004);
    for line in [
        "llm_gateway_input_tokens{model_name=\"openai-main/gpt-4o-mini\",tenant_name=\"default\",username=\"support-bot\",llm_gateway_metadata_customer_id=\"acme\"} 240",
        "llm_gateway_request_model_inference_failure{model_name=\"openai-main/gpt-4o-mini\",tenant_name=\"default\",username=\"support-bot\",llm_gateway_metadata_customer_id=\"acme\",error_code=\"overloaded\"} 1",
        "sluice_requests_total{face=\"chat_completions\",method=\"POST\",route=\"/v1/chat/completions\",status=\"200\",outcome=\"cancelled\"} 1",
        "sluice_attempts_total{reason=\"reuse_race\",error=\"overloaded\"} 1",
        "sluice_usage_source_total{source=\"counted\"} 1",
        "llm_gateway_load_balanced_requests_total{model_name=\"claude/claude-sonnet-5\",tenant_name=\"default\",username=\"support-bot\",llm_gateway_metadata_customer_id=\"acme\",ruleId=\"chat\",target_model=\"openai-main/gpt-4o-mini\"} 1",
        "llm_gateway_fallback_requests_total{model_name=\"claude/claude-sonnet-5\",tenant_name=\"default\",username=\"support-bot\",llm_gateway_metadata_customer_id=\"acme\",ruleId=\"last-resort\",from_model=\"openai-main/gpt-4o-mini\",to_model=\"claude/claude-sonnet-5\",reason=\"overloaded\"} 1",
        "sluice_attempt_retries_total{target_model=\"openai-main/gpt-4o-mini\",reason=\"rate_limited\"} 1",
        "sluice_failed_attempt_cost_usd_total{target_model=\"openai-main/gpt-4o-mini\"} 0.0001",
        "sluice_target_slow{target_model=\"mock/fast\",ruleId=\"chat\"} 0",
        "sluice_target_slow{target_model=\"mock/slow\",ruleId=\"chat\"} 1",
        "sluice_hedges_total{ruleId=\"split\",result=\"won\"} 1",
        "sluice_hedge_cost_usd_total{ruleId=\"split\"} 5e-5",
        "sluice_stream_rescues_total{ruleId=\"fast\",how=\"continue\",result=\"failed\"} 1",
        "sluice_stream_rescues_total{ruleId=\"fast\",how=\"restart\",result=\"served\"} 1",
        "sluice_rescued_requests_total{ruleId=\"last-resort\",how=\"fallback\"} 1",
        "sluice_failover_added_seconds_sum{ruleId=\"last-resort\",how=\"fallback\"} 0.15",
        "sluice_failover_added_seconds_bucket{ruleId=\"fast\",how=\"stream\",le=\"0.025\"} 1",
        "sluice_runtime_info{shard=\"1\",driver=\"epoll\"} 1",
        "sluice_records_dropped_total{shard=\"0\"} 1",
        "process_cpu_seconds_total 1.5",
    ] {
        assert!(page.lines().any(|known| known == line), "{line}\n{page}");
    }
    // Control characters never reach a label; quotes and backslashes are escaped.
    assert!(page.contains("model_name=\"a\\\"b\\\\cd\""));
}

#[test]
fn series_over_budget_are_one_series() {
    let mut totals = Totals::new(&telemetry().metadata_labels);
    for at in 0..SERIES_PER_FAMILY_MAX + 3 {
        totals
            .observe(&Record { metadata: fixture::metadata(&[("customer_id", &at.to_string())]), ..fixture::stream() });
    }
    let families = read(&page(&totals, Format::OpenMetrics));
    let over: Vec<_> =
        families["llm_gateway_requests"].1.iter().filter(|sample| sample.1.contains("__other__")).collect();
    assert_eq!(over.len(), 1);
    assert_eq!(
        (&*over[0].1, over[0].2),
        (
            "model_name=\"__other__\",tenant_name=\"default\",username=\"__other__\",llm_gateway_metadata_customer_id=\"__other__\"",
            3.0
        )
    );
    assert!(families["sluice_metrics_overflow"].1.contains(&(
        "sluice_metrics_overflow_total".into(),
        "family=\"llm_gateway\"".into(),
        3.0
    )));
}

#[test]
fn the_format_is_what_the_scraper_prefers() {
    let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                        text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    assert_eq!(negotiate(Some(prometheus_2)), Format::OpenMetrics);
    assert_eq!(negotiate(Some("text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.3")), Format::Text004);
    assert_eq!(negotiate(Some("text/html, */*;q=0.8")), Format::Text004);
    assert_eq!(negotiate(Some("application/openmetrics-text;q=0")), Format::Text004);
    assert_eq!(negotiate(Some(";;,q=,")), Format::Text004);
    assert_eq!(negotiate(None), Format::Text004);
}

/// Lint about names that are fixed by contract is expected (exit 3); anything else is not.
#[test]
fn promtool_finds_nothing_but_the_contract_names() {
    let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        eprintln!("skipped: promtool is not on PATH");
        return;
    };
    let page = page(&some_of_everything(), Format::Text004);
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    for line in said.lines().filter(|line| !line.is_empty()) {
        let about_a_name = line.contains("should have \"_total\" suffix") || line.contains("abbreviated units");
        // `ruleId` is a name of the contract too.
        let about_a_label = line.contains("label names should be written in 'snake_case' not 'camelCase'");
        assert!(about_a_label || line.starts_with("llm_gateway_") && about_a_name, "{line}");
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    let base = prop_oneof![
        Just(fixture::stream()),
        Just(fixture::refused()),
        Just(fixture::failed_attempts()),
        Just(fixture::cancelled()),
        Just(fixture::fallback()),
        Just(fixture::hedged()),
        Just(fixture::rescued())
    ];
    let outcome = prop_oneof![Just(None), Just(Some(Outcome::Crashed)), Just(Some(Outcome::Truncated))];
    (base, outcome, 0..4u8, 1..2_000_000_000u64, prop::option::of(0..90_000_000u64)).prop_map(
        |(mut record, outcome, customer, duration_ns, gap)| {
            record.outcome = outcome.unwrap_or(record.outcome);
            record.metadata = fixture::metadata(&[("customer_id", &customer.to_string())]);
            record.duration_ns = duration_ns;
            if let Some(gap) = gap {
                record.gaps.add(gap);
            }
            record
        },
    )
}

proptest! {
    /// However the requests fall on shards, and however often each shard is collected, the numbers shown are those of
    /// one shard that saw them all.
    #[test]
    fn splitting_over_shards_changes_no_number(
        records in prop::collection::vec((any_record(), 0..3usize, any::<bool>()), 0..40)
    ) {
        let new = || Totals::new(&telemetry().metadata_labels);
        let (mut one, mut merged) = (new(), new());
        let mut shards = [new(), new(), new()];
        for (record, shard, collect) in &records {
            one.observe(record);
            shards[*shard].observe(record);
            if *collect {
                merged.merge(&shards[*shard].take());
            }
        }
        shards.iter_mut().for_each(|shard| merged.merge(&shard.take()));
        let sorted = |totals: &Totals| {
            let page = page(totals, Format::Text004);
            let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(sorted(&one), sorted(&merged));
    }
}
