//! What the record, the headers and the metrics say of a request that took more than one attempt.

use serde_json::Value;

use super::bill::{Sink, agree};
use super::face::Face;
use super::row::{ACROSS, Pair, SAME};
use super::stage::{Stage, To, price};
use super::{Failures, all, on_both, to};

/// In USD, of the target at this place.
fn cost(at: usize, input: u64, output: u64) -> f64 {
    let (per_input, per_output) = price(at);
    (input as f64 * per_input + output as f64 * per_output) / 1000.0
}

fn usd(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

/// Scenario: the first target fails, the second one answers, streamed or not, in one dialect and across two.
/// Guarantees: model, usage and cost are the second's, and its prices; the failed attempt keeps an entry of its own, with its
/// class and status; headers name target, attempts and what decided.
#[test]
fn a_failed_over_call_is_the_fallbacks() {
    let mut stage = Stage::new();
    let mut cases = Vec::new();
    for Pair(face, first, second) in SAME.into_iter().chain(ACROSS) {
        for stream in [false, true] {
            let targets = [to(first, "500", "retry_config: {attempts: 0}"), to(second, "tokens=20,in=100", "")];
            cases.push((face, stream, stage.rule("", &targets)));
        }
    }
    let live = stage.start("io_uring", "");
    all(&cases, |(face, stream, rule), failures| {
        let told = live.ask(*face, &rule.model, *stream);
        let row = live.row(&told);
        let what = format!("{face:?} stream={stream} {row}");
        let (first, second) = (rule.fqn(0), rule.fqn(1));
        failures.check(&what, (told.said.status, told.said.ended), (200, true));
        failures.check(&what, told.said.usage.map(|(input, _, output)| (input, output)), Some((100, 20)));
        for name in ["x-sluice-target", "x-tfy-resolved-model"] {
            failures.check(&format!("{what} {name}"), told.field(name), &second);
        }
        failures.check(&what, told.field("x-sluice-attempts"), "2");
        let applied = told.applied();
        failures.check(&what, applied["load_balancing"]["target"].as_str(), Some(&*first));
        failures.check(
            &what,
            (applied["fallback"]["from"].as_str(), applied["fallback"]["target"].as_str()),
            (Some(&*first), Some(&*second)),
        );
        failures.check(&what, (row["model"].as_str(), row["outcome"].as_str()), (Some(&*second), Some("served")));
        failures.check(
            &what,
            (row["usage"]["input_tokens"].as_u64(), row["usage"]["output_tokens"].as_u64()),
            (Some(100), Some(20)),
        );
        failures.holds(&what, (usd(&row["cost_usd"]) - cost(1, 100, 20)).abs() < 1e-9);
        let [failed, served] = [&row["attempts"][0], &row["attempts"][1]];
        failures.check(
            &what,
            (failed["target"].as_str(), failed["status"].as_u64(), failed["error"].as_str(), failed["reason"].as_str()),
            (Some(&*first), Some(500), Some("server_error"), Some("priority")),
        );
        failures.holds(&what, usd(&failed["cost_usd"]) == 0.0 && failed["usage"]["output_tokens"] == 0);
        failures.check(
            &what,
            (served["target"].as_str(), served["error"].as_str(), served["reason"].as_str()),
            (Some(&*second), None, Some("fallback")),
        );
        failures.holds(&what, (usd(&served["cost_usd"]) - cost(1, 100, 20)).abs() < 1e-9);
    });
}

/// Scenario: the same, seen from the metrics.
/// Guarantees: one request of the target that answered; one choice of the rule; one move, with its reason.
#[test]
fn a_failed_over_call_is_counted_once() {
    let mut stage = Stage::new();
    let targets = [to("openai", "429,retry_after=30", ""), to("openai", "tokens=20,in=100", "")];
    let rule = stage.rule("", &targets);
    let live = stage.start("io_uring", "");
    let told = live.ask(Face::Chat, &rule.model, true);
    assert!(told.said.ended, "{}", told.said.body);
    let (first, second) = (format!("\"{}\"", rule.fqn(0)), format!("\"{}\"", rule.fqn(1)));
    let balanced = |parts: &[&str]| live.metric("llm_gateway_load_balanced_requests_total", parts);
    live.gateway.until("the choice is counted", |_| balanced(&["ruleId=\"rule-0\""]) == 1.0);
    let moved = |parts: &[&str]| live.metric("llm_gateway_fallback_requests_total", parts);
    let mut failures = Failures::default();
    failures.check("moves", moved(&[]), 1.0);
    failures.check(
        "move",
        moved(&[&format!("from_model={first}"), &format!("to_model={second}"), "reason=\"rate_limited\""]),
        1.0,
    );
    let requests = |model: &str| live.metric("llm_gateway_requests_total", &[&format!("model_name={model}")]);
    failures.check("requests", (requests(&first), requests(&second)), (0.0, 1.0));
    let tokens = |model: &str| live.metric("llm_gateway_output_tokens", &[&format!("model_name={model}")]);
    failures.check("tokens", (tokens(&first), tokens(&second)), (0.0, 20.0));
    let failed = live.metric("llm_gateway_request_model_inference_failure", &[]);
    failures.check("failures in the end", failed, 0.0);
    failures.none();
}

/// Scenario: the first attempt breaks off after it has said something, and another one carries it on.
/// Guarantees: what the first one used is counted and priced on its own entry; the request costs both, its usage is the
/// last one's.
#[test]
fn a_rescued_call_costs_both() {
    let mut stage = Stage::new();
    let mut cases = Vec::new();
    for Pair(face, first, second) in SAME.into_iter().chain(ACROSS) {
        for rule in ["on_stream_failure: restart", "on_stream_failure: continue"] {
            let targets = [to(first, "tokens=60,gap=2,cut@40", ""), to(second, "tokens=60,in=100", "")];
            cases.push((face, rule, stage.rule(rule, &targets)));
        }
    }
    let live = stage.start("io_uring", "");
    all(&cases, |(face, mode, rule), failures| {
        let told = live.ask(*face, &rule.model, true);
        let row = live.row(&told);
        let what = format!("{face:?} {mode} {row}");
        failures.check(&what, (told.said.ended, row["outcome"].as_str()), (true, Some("served")));
        let [broken, served] = [&row["attempts"][0], &row["attempts"][1]];
        failures.check(
            &what,
            (broken["target"].as_str(), broken["error"].as_str()),
            (Some(&*rule.fqn(0)), Some("truncated")),
        );
        let output = broken["usage"]["output_tokens"].as_u64().unwrap_or_default();
        failures.holds(&format!("{what}: {output} tokens"), (1..=60).contains(&output));
        failures.holds(&what, usd(&broken["cost_usd"]) > 0.0);
        failures.holds(&what, matches!(served["reason"].as_str(), Some("restart" | "continue")));
        // Both have delivered some of it, and both are billed.
        let tokens = |usage: &Value, key: &str| usage[key].as_u64().unwrap_or_default();
        for key in ["input_tokens", "output_tokens"] {
            let both = tokens(&broken["usage"], key) + tokens(&served["usage"], key);
            failures.check(&what, tokens(&row["usage"], key), both);
        }
        let sum = usd(&broken["cost_usd"]) + usd(&served["cost_usd"]);
        failures.holds(&what, (usd(&row["cost_usd"]) - sum).abs() < 1e-9);
        // The head is gone by then.
        failures.check(&what, told.field("x-sluice-target"), &rule.fqn(0));
    });
}

/// Scenario: every target fails.
/// Guarantees: one row, failed or with the last one's error, with an entry for each attempt; the headers name the last one.
#[test]
fn a_call_that_fails_everywhere_names_everyone() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let rule = stage.rule("", &[to("openai", "500", once), to("openai", "reset", once), to("openai", "503", once)]);
    let live = stage.start("io_uring", "");
    for stream in [false, true] {
        let told = live.ask(Face::Chat, &rule.model, stream);
        let row = live.row(&told);
        let errors: Vec<&str> =
            row["attempts"].as_array().expect("attempts").iter().filter_map(|one| one["error"].as_str()).collect();
        assert_eq!(errors, ["server_error", "disconnected", "overloaded"], "{row}");
        assert_eq!(
            (told.said.status, told.field("x-sluice-attempts"), told.field("x-sluice-target")),
            (503, "3", &*rule.fqn(2))
        );
    }
}

/// Scenario: requests whose attempts fail in every way that costs something: tried again, moved, carried on, hedged, given up,
/// streamed and whole; each target has prices of its own.
/// Guarantees: an attempt that failed keeps what it used and what that cost: where its provider had said so, that, to the
/// token; row, span and metrics of each attempt say the same, and a request costs the sum of its attempts.
#[test]
fn every_attempt_is_billed_once_wherever_one_looks() {
    on_both(|driver| {
        let (mut stage, sink) = (Stage::new(), Sink::start());
        let once = "retry_config: {attempts: 0}";
        let usual = "in=100,tokens=20";
        let mut case = |what: &'static str, face, stream, rule: &str, targets: &[To]| {
            (what, face, stream, stage.rule(rule, targets))
        };
        let two = |words: &str, kind: &'static str| {
            let first = if words.is_empty() { usual.to_owned() } else { format!("{usual},gap=2,{words}") };
            vec![to(kind, first, once), to(kind, usual, "")]
        };
        let [restart, carry_on, hedge] =
            ["on_stream_failure: restart", "on_stream_failure: continue", "hedge: {after_ms: 150}"];
        let (chat, messages) = (Face::Chat, Face::Messages);
        let cases = [
            case("served", chat, true, "", &two("", "openai")),
            case("moved, unused", chat, false, "", &two("500", "openai")),
            // What message_start says is billed though not a word came.
            case("moved, input told", messages, true, "", &two("errevent@0", "anthropic")),
            case("moved, input told", messages, true, "", &two("badtoken@0", "anthropic")),
            case("moved, input told across", chat, true, "", &two("cut@0", "anthropic")),
            case("restarted", chat, true, restart, &two("cut@10", "openai")),
            case("carried on", messages, true, carry_on, &two("cut@10", "anthropic")),
            case("carried on at once", messages, true, carry_on, &{
                let mut targets = two("cut@10", "anthropic");
                targets.insert(1, to("anthropic", format!("{usual},errevent@3,batch=64"), ""));
                targets
            }),
            case("hedged", chat, true, hedge, &two("late=20000", "openai")),
            case("hedged, both failed, input told", messages, true, hedge, &{
                let mut targets = two("ttft=400,errevent@0", "anthropic");
                targets.insert(1, to("anthropic", format!("{usual},ttft=400,errevent@0"), once));
                targets
            }),
            case(
                "hedged, the first failed behind it",
                messages,
                true,
                hedge,
                &[
                    to("anthropic", format!("{usual},ttft=300,errevent@0"), once),
                    to("anthropic", format!("{usual},ttft=600"), ""),
                ],
            ),
            case("broken off for good", chat, true, "", &two("cut@10", "openai")[..1]),
            case("refused for good", chat, false, "", &two("503", "openai")[..1]),
        ];
        let live = stage.start_as(driver, &sink.config(), |config| config, &Sink::ENVIRONMENT);
        let mut failures = Failures::default();
        let mut rows = Vec::new();
        for (what, face, stream, rule) in &cases {
            let told = live.ask(*face, &rule.model, *stream);
            let row = live.row(&told);
            let attempts = row["attempts"].as_array().expect("attempts");
            for attempt in attempts.iter().take(attempts.len() - 1) {
                let input = attempt["usage"]["input_tokens"].as_u64();
                let told = what.contains("input told") || what.contains("failed behind");
                failures.holds(&format!("{driver} {what} {attempt}"), !told || input == Some(100));
                let unused = what.contains("unused");
                failures.holds(&format!("{driver} {what} {attempt}"), (usd(&attempt["cost_usd"]) == 0.0) == unused);
            }
            rows.push(row);
        }
        agree(&live, &sink, &rows, &mut failures);
        failures.none();
    });
}
