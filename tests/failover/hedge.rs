//! A second target beside a first one that is late (`hedge`).

use std::sync::Mutex;

use super::bill::{Sink, agree, attribute};
use super::common::http::{Connection, post};
use super::face::{Ask, Face};
use super::row::{ACROSS, Pair, SAME};
use super::stage::Stage;
use super::{Failures, all, on_both, to};

const AFTER: &str = "hedge: {after_ms: 150}";

/// Scenario: the first token is late, with the head or long after it, and the rule has a second target asked meanwhile.
/// Guarantees: the second's answer; the first's connection is dropped; both are in the record, the loser as such with what
/// it cost, and the request costs the sum.
#[test]
fn a_late_target_is_hedged_and_dropped() {
    for (stream, late) in [(true, "late=20000"), (true, "late=20000,head=0"), (false, "late=20000")] {
        // A gateway for each: hedges draw on the budget of retries.
        let mut stage = Stage::new();
        let pairs = SAME.into_iter().chain(ACROSS);
        let cases: Vec<_> = pairs
            .map(|Pair(face, first, second)| {
                let targets = [to(first, format!("tokens=9,{late}"), ""), to(second, "tokens=9,in=100", "")];
                (face, stage.rule(AFTER, &targets))
            })
            .collect();
        let live = stage.start("io_uring", "");
        all(&cases, |(face, rule), failures| {
            let told = live.ask(*face, &rule.model, stream);
            let row = live.row(&told);
            let what = format!("{face:?} stream={stream} {late} {row}");
            failures.check(&what, (told.said.status, told.said.ended), (200, true));
            failures.check(
                &what,
                (told.field("x-sluice-target"), told.field("x-sluice-attempts")),
                (&*rule.fqn(1), "2"),
            );
            live.gateway.until("the late one is dropped", |_| live.seen(&rule.targets[0]).hung_up == 1);
            let [lost, won] = [&row["attempts"][0], &row["attempts"][1]];
            failures.check(
                &what,
                (lost["target"].as_str(), lost["error"].as_str()),
                (Some(&*rule.fqn(0)), Some("hedge_lost")),
            );
            failures.check(
                &what,
                (won["target"].as_str(), won["reason"].as_str(), won["error"].as_str()),
                (Some(&*rule.fqn(1)), Some("hedge"), None),
            );
            let usd = |value: &serde_json::Value| value.as_f64().unwrap_or_default();
            failures.holds(&what, usd(&lost["cost_usd"]) > 0.0 && usd(&won["cost_usd"]) > 0.0);
            failures
                .holds(&what, (usd(&row["cost_usd"]) - usd(&lost["cost_usd"]) - usd(&won["cost_usd"])).abs() < 1e-9);
            failures.check(&what, row["usage"]["input_tokens"].as_u64(), Some(100));
        });
    }
}

/// Scenario: the second one fails, or both are late and the first comes first; or the first answers in time.
/// Guarantees: whoever answers first serves; a hedge that fails harms nobody; in time, nobody else is asked.
#[test]
fn whoever_answers_first_serves() {
    let mut stage = Stage::new();
    let cases = [
        ("late=700", "503", 0, 2),
        ("late=700", "reset", 0, 2),
        ("late=700", "late=20000", 0, 2),
        ("late=700,head=0", "late=20000,head=0", 0, 2),
        ("late=20000", "late=300", 1, 2),
        ("", "", 0, 1),
    ]
    .map(|(first, second, serves, attempts)| {
        let targets = [first, second].map(|words| {
            to("openai", format!("tokens=9,{words}").trim_end_matches(','), "retry_config: {attempts: 0}")
        });
        (stage.rule(AFTER, &targets), format!("{first} | {second}"), serves, attempts)
    });
    let live = stage.start("epoll", "");
    all(&cases, |(rule, what, serves, attempts), failures| {
        let told = live.ask(Face::Chat, &rule.model, true);
        let what = format!("{what}: {} {}", told.said.status, told.said.body);
        failures.check(&what, (told.said.ended, told.field("x-sluice-target")), (true, &*rule.fqn(*serves)));
        failures.check(&what, told.field("x-sluice-attempts"), &attempts.to_string());
        failures.check(&what, live.row(&told)["outcome"].as_str(), Some("served"));
    });
}

/// Scenario: both fail, and there is a third.
/// Guarantees: it is asked in its turn.
#[test]
fn a_third_target_is_for_when_both_fail() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let targets =
        [to("openai", "503,ttft=400", once), to("openai", "500,ttft=500", once), to("openai", "tokens=9", once)];
    let rule = stage.rule(AFTER, &targets);
    let live = stage.start("io_uring", "");
    let told = live.ask(Face::Chat, &rule.model, true);
    assert!(told.said.ended, "{} {}", told.said.status, told.said.body);
    assert_eq!((told.field("x-sluice-target"), told.field("x-sluice-attempts")), (&*rule.fqn(2), "3"));
}

/// Scenario: a target has answered twenty streams, each after its usual time, under `after: p95`; then it is late.
/// Guarantees: before it is known there is no hedge, however late it is; the first late request is hedged, not before the
/// target's own usual time is over; the loser's connection is closed; its cost is the hedge's, in row, span and metrics.
#[test]
fn what_is_late_is_told_by_the_targets_own_p95() {
    const FED: u64 = 20;
    on_both(|driver| {
        let (mut stage, sink) = (Stage::new(), Sink::start());
        let pairs = if driver == "epoll" { &ACROSS[..3] } else { &SAME[..3] };
        let cases: Vec<_> = [30.0, 90.0]
            .into_iter()
            .zip(pairs.iter().cycle())
            .map(|(usual_ms, &Pair(face, first, second))| {
                let targets = [
                    to(first, format!("tokens=3,in=50,ttft={usual_ms},late=20000,after={FED}"), ""),
                    to(second, "tokens=9,in=100", ""),
                ];
                (usual_ms, face, stage.rule("hedge: {after: p95}", &targets))
            })
            .collect();
        let unknown = stage.rule("hedge: {after: p95}", &[to("openai", "tokens=3,late=600", ""), to("openai", "", "")]);
        let live = stage.start_as(driver, &sink.config(), |config| config, &Sink::ENVIRONMENT);
        let told = live.ask(Face::Chat, &unknown.model, true);
        assert_eq!((told.field("x-sluice-target"), live.requests(&unknown.targets[1])), (&*unknown.fqn(0), 0));
        let rows = Mutex::new(vec![live.row(&told)]);
        all(&cases, |(usual_ms, face, rule), failures| {
            for _ in 0..FED {
                let told = live.ask(*face, &rule.model, true);
                failures.check("unhedged while it is fed", told.field("x-sluice-attempts"), "1");
                rows.lock().expect("rows").push(live.row(&told));
            }
            let told = live.ask(*face, &rule.model, true);
            let row = live.row(&told);
            let what = format!("{driver} {face:?} {usual_ms} {row}");
            failures.check(&what, (told.said.ended, told.field("x-sluice-target")), (true, &*rule.fqn(1)));
            live.gateway.until("the late one is dropped", |_| live.seen(&rule.targets[0]).hung_up == 1);
            let [first, second] = [0, 1].map(|at| live.seen(&rule.targets[at]));
            failures.check(&what, (first.requests, second.requests), (FED + 1, 1));
            failures.check(&what, first.calls.last().expect("a call")["outcome"].as_str(), Some("hung_up"));
            // The sketch knows times to within a few percent.
            let gap_ms = second.times_ms[0] - first.times_ms.last().expect("a time");
            failures.holds(&format!("{what}: hedged after {gap_ms} ms"), gap_ms >= usual_ms * 0.95);
            let [lost, won] = [&row["attempts"][0], &row["attempts"][1]];
            failures.check(
                &what,
                (lost["error"].as_str(), won["reason"].as_str()),
                (Some("hedge_lost"), Some("hedge")),
            );
            failures.holds(&what, lost["cost_usd"].as_f64().is_some_and(|usd| usd > 0.0));
            let [lost, won] = [sink.span(lost), sink.span(won)];
            failures.check(&what, attribute(&lost, "sluice.attempt.ended_by"), "hedge_lost".to_owned());
            failures.check(&what, attribute(&lost, "error.type"), String::new());
            failures.check(&what, attribute(&won, "sluice.attempt.reason"), "hedge".to_owned());
            rows.lock().expect("rows").push(row);
        });
        let mut failures = Failures::default();
        agree(&live, &sink, &rows.into_inner().expect("rows"), &mut failures);
        failures.check("won", live.metric("sluice_hedges_total", &["result=\"won\""]), cases.len() as f64);
        failures.check("lost", live.metric("sluice_hedges_total", &["result=\"lost\""]), 0.0);
        failures.none();
    });
}

/// Scenario: both are late, and the client leaves when each of them has its request.
/// Guarantees: both providers see their connections closed; the row is the cancelled request's, with both attempts ended by
/// the client and by nothing else; neither target is the worse for it.
#[test]
fn a_client_that_leaves_ends_both() {
    on_both(|driver| {
        let mut stage = Stage::new();
        let cases =
            [("late=20000", true), ("late=20000,head=0", true), ("late=20000", false)].map(|(words, stream)| {
                let targets = ["openai", "anthropic"].map(|kind| to(kind, format!("tokens=9,{words}"), ""));
                (stream, stage.rule(AFTER, &targets))
            });
        let live = stage.start(driver, "");
        all(&cases, |(stream, rule), failures| {
            let mut connection = Connection::open(live.gateway.address);
            let ask = Ask { stream: *stream, ..Ask::default() };
            let body = Face::Chat.body(&rule.model, &ask).to_string();
            connection.send(post(&Face::Chat.path(&rule.model, *stream), &body, "").as_bytes());
            let seen = |at: usize| live.seen(&rule.targets[at]);
            live.gateway.until("both are asked", |_| [0, 1].iter().all(|&at| seen(at).requests == 1));
            drop(connection);
            live.gateway.until("both are left", |_| [0, 1].iter().all(|&at| seen(at).hung_up == 1));
            let row = live.gateway.rows(&format!("model={}", rule.fqn(1)), 1).remove(0);
            let ended: Vec<_> = row["attempts"].as_array().expect("attempts").iter().collect();
            failures.check(&row.to_string(), row["outcome"].as_str(), Some("cancelled"));
            failures.check(&row.to_string(), ended.len(), 2);
            failures.holds(&row.to_string(), ended.iter().all(|one| one["error"] == "client_gone"));
            failures.holds(&row.to_string(), ended.iter().all(|one| one["end_ms"].as_f64() > one["start_ms"].as_f64()));
        });
        let targets = live.gateway.admin("/api/v1/targets").json();
        let targets = targets["targets"].as_array().expect("targets").clone();
        assert!(targets.iter().all(|one| one["verdict"] == "healthy"), "{targets:?}");
    });
}

/// Scenario: both fail, one after the other, in either order, and nothing is left to try.
/// Guarantees: one error in the shape of the face, of whichever failed last; each provider is asked once; both failures are
/// in the row, none of them as a hedge that lost; where one of them asks to be left alone it is.
#[test]
fn when_both_fail_the_last_failure_is_the_clients() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let orders = [("503,ttft=400", "500,ttft=600"), ("500,ttft=600", "429,ttft=200,retry_after=60")];
    // A rule for each: who asked to be left alone is no hedge.
    let asks = orders.into_iter().flat_map(|order| [(order, true), (order, false)]);
    let cases: Vec<_> = asks
        .map(|((first, second), stream)| {
            let targets = [to("openai", first, once), to("openai", second, once)];
            (stream, stage.rule(AFTER, &targets))
        })
        .collect();
    let live = stage.start("epoll", "");
    all(&cases, |(stream, rule), failures| {
        let told = live.ask(Face::Chat, &rule.model, *stream);
        let row = live.row(&told);
        let what = format!("{row}");
        failures.check(&what, (told.said.status, told.said.error.is_some()), (500, true));
        let errors: Vec<_> = row["attempts"].as_array().expect("attempts").iter().collect();
        failures.holds(&what, errors.len() == 2 && errors.iter().all(|one| one["error"] != "hedge_lost"));
        failures.check(&what, errors[1]["status"].as_u64(), Some(500));
        failures.check("requests", [0, 1].map(|at| live.requests(&rule.targets[at])), [1, 1]);
    });
    let targets = live.gateway.admin("/api/v1/targets").json();
    let of = |fqn: String| targets["targets"].as_array().expect("targets").iter().find(|one| one["target"] == fqn);
    let limited = of(cases[2].1.fqn(1)).expect("the target");
    assert_eq!(limited["verdict"], "unhealthy", "a hedge that is told when to come back: {targets}");
}

/// Scenario: whoever wins breaks off in the middle of its answer, and the rule carries streams on with a third target; the
/// one that lost was late all the time.
/// Guarantees: the whole text, each word once; the loser is not asked again; the row has all three in their parts, and one
/// bill.
#[test]
fn a_hedged_stream_can_be_carried_on() {
    let (mut stage, sink) = (Stage::new(), Sink::start());
    let plain = stage.rule("", &[to("openai", "tokens=60", "")]);
    let rule = format!("{AFTER}\non_stream_failure: continue");
    let ways = [["late=20000", "gap=2,cut@40"], ["ttft=400,gap=2,cut@40", "late=20000"]];
    // Hedges draw on a budget of ten.
    let cases: Vec<_> = SAME
        .into_iter()
        .chain(ACROSS)
        .enumerate()
        .map(|(number, Pair(face, first, second))| {
            let lost = number % 2;
            let mut targets = ways[lost].map(|words| to(first, format!("tokens=60,{words}"), "")).to_vec();
            targets.push(to(second, "tokens=60", ""));
            (face, lost, stage.rule(&rule, &targets))
        })
        .collect();
    let live = stage.start_as("epoll", &sink.config(), |config| config, &Sink::ENVIRONMENT);
    let told = live.ask(Face::Chat, &plain.model, false);
    let whole = told.said.text.clone();
    let rows = Mutex::new(vec![live.row(&told)]);
    all(&cases, |(face, lost, rule), failures| {
        let told = live.ask(*face, &rule.model, true);
        let row = live.row(&told);
        let what = format!("{face:?} lost={lost} {row}\n    {}", told.said.body);
        failures.check(&what, (told.said.status, told.said.ended, told.said.error.as_deref()), (200, true, None));
        failures.check(&what, told.said.text.as_str(), &whole);
        failures.check(&what, [0, 1, 2].map(|at| live.requests(&rule.targets[at])), [1, 1, 1]);
        let ended = [0, 1, 2].map(|at| (row["attempts"][at]["target"].as_str(), row["attempts"][at]["error"].as_str()));
        let fqn = [0, 1, 2].map(|at| rule.fqn(at));
        let by = |at: usize, error| (Some(fqn[at].as_str()), error);
        let expected = [by(*lost, Some("hedge_lost")), by(1 - lost, Some("truncated")), by(2, None)];
        failures.check(&what, ended, expected);
        rows.lock().expect("rows").push(row);
    });
    let mut failures = Failures::default();
    agree(&live, &sink, &rows.into_inner().expect("rows"), &mut failures);
    failures.none();
}

/// Scenario: the first target is late, and the only other one is known to be out.
/// Guarantees: it is not asked beside the first, whose answer it is; it is still there for a first one that fails.
#[test]
fn a_target_that_is_out_is_no_hedge() {
    let mut stage = Stage::new();
    let targets = [to("openai", "tokens=3,late=600", ""), to("openai", "503", "retry_config: {attempts: 0}")];
    let rule = stage.rule(AFTER, &targets);
    let more = format!(
        "---\ntype: gateway-load-balancing-config\nname: more\nrules:\n  - {{id: other, type: priority-based-routing, \
         when: {{models: [other]}}, load_balance_targets: [{{target: {}, retry_config: {{attempts: 0}}}}]}}\n",
        rule.fqn(1)
    );
    let live = stage.start("io_uring", &more);
    for _ in 0..3 {
        assert_eq!(live.ask(Face::Chat, "other", false).said.status, 503);
    }
    let told = live.ask(Face::Chat, &rule.model, false);
    let attempts = (told.field("x-sluice-target"), told.field("x-sluice-attempts"));
    assert_eq!((told.said.status, attempts), (200, (&*rule.fqn(0), "1")), "{}", told.said.body);
    assert_eq!(live.requests(&rule.targets[1]), 3);
}
