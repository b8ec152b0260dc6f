//! Which target a request goes to first, through the whole binary.

use std::collections::HashSet;

use super::common::http::{Connection, chat, post};
use super::face::{Ask, Face};
use super::stage::Stage;
use super::{Failures, to};

const PATH: &str = "/v1/chat/completions";
const WEIGHTED: &str = "weight-based-routing";

/// Scenario: a thousand requests under weights of 30 and 70, and one of nothing.
/// Guarantees: the shares are what the weights say; what has no weight gets nothing, but is there when others fail.
#[test]
fn weights_are_shares() {
    let mut stage = Stage::new();
    let targets = [("tokens=1", "weight: 30"), ("tokens=1", "weight: 70"), ("tokens=1", "weight: 0")]
        .map(|(words, keys)| to("openai", words, keys));
    let shares = stage.rule_of(WEIGHTED, "", &targets);
    let failing = [("503", "weight: 100, retry_config: {attempts: 0}"), ("tokens=1", "weight: 0")];
    let last = stage.rule_of(WEIGHTED, "", &failing.map(|(words, keys)| to("openai", words, keys)));
    let live = stage.start("io_uring", "");
    let mut connection = Connection::open(live.gateway.address);
    for _ in 0..1000 {
        assert_eq!(connection.post(PATH, &chat(&shares.model, false)).status, 200);
    }
    let seen = [0, 1, 2].map(|at| live.requests(&shares.targets[at]));
    // More than four standard deviations to either side.
    assert!((240..=360).contains(&seen[0]) && seen[0] + seen[1] == 1000 && seen[2] == 0, "{seen:?}");
    let told = live.ask(Face::Chat, &last.model, false);
    assert_eq!((told.said.status, told.field("x-sluice-target")), (200, last.fqn(1).as_str()));
    assert_eq!(told.applied()["load_balancing"]["reason"], "weight");
}

/// Scenario: sessions named by a header, by metadata, or by either, on two shards; and requests that name none.
/// Guarantees: a session stays with its target on whichever shard its connections land; sessions spread over the targets.
#[test]
fn sessions_stay_with_their_target() {
    let mut stage = Stage::new();
    let sticky =
        |identifiers: &str| format!("sticky_routing: {{ttl_seconds: 8640000, session_identifiers: [{identifiers}]}}");
    let targets = [50, 50].map(|weight| to("openai", "tokens=1", format!("weight: {weight}")));
    let by_header = stage.rule_of(WEIGHTED, &sticky("{source: headers, key: x-session}"), &targets);
    let by_metadata = stage.rule_of(WEIGHTED, &sticky("{source: metadata, key: user}"), &targets);
    let both = "{source: headers, key: x-session}, {source: metadata, key: user}";
    let by_either = stage.rule_of(WEIGHTED, &sticky(both), &targets);
    let live = stage.start_as("io_uring", "", |config| config.replace("shards: 1", "shards: 2"), &[]);
    let target = |model: &str, field: &str| {
        live.ask_with(Face::Chat, model, &Ask::default(), field).field("x-sluice-target").to_owned()
    };
    for (rule, field) in [
        (&by_header, (|session| format!("X-Session: {session}\r\n")) as fn(usize) -> String),
        (&by_metadata, |session| format!("x-tfy-metadata: {{\"user\":\"u{session}\"}}\r\n")),
        (&by_either, |session| format!("X-Session: {session}\r\n")),
        (&by_either, |session| format!("x-tfy-metadata: {{\"user\":\"u{session}\"}}\r\n")),
    ] {
        let mut used = HashSet::new();
        for session in 0..16 {
            let first = target(&rule.model, &field(session));
            assert!((0..5).all(|_| target(&rule.model, &field(session)) == first), "session {session}");
            used.insert(first);
        }
        assert_eq!(used.len(), 2, "all sessions are at one target");
        let without: HashSet<String> = (0..40).map(|_| target(&rule.model, "")).collect();
        assert_eq!(without.len(), 2, "without a session chance decides");
    }
    let told = live.ask_with(Face::Chat, &by_header.model, &Ask::default(), "x-session: s\r\n");
    assert_eq!(live.row(&told)["attempts"][0]["reason"], "sticky");
}

/// Scenario: priorities out of order, with failures from the top.
/// Guarantees: the lowest number first, then the next; the order of the list means nothing.
#[test]
fn priorities_are_an_order() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let targets = [("tokens=1", 7), ("500", 1), ("tokens=1", 3), ("503", 0)];
    let targets = targets.map(|(words, priority)| to("openai", words, format!("priority: {priority}, {once}")));
    let rule = stage.rule_of("priority-based-routing", "", &targets);
    let live = stage.start("io_uring", "");
    let told = live.ask(Face::Chat, &rule.model, false);
    let row = live.row(&told);
    let tried: Vec<&str> =
        row["attempts"].as_array().expect("attempts").iter().filter_map(|one| one["target"].as_str()).collect();
    assert_eq!(tried, [rule.fqn(3), rule.fqn(1), rule.fqn(2)], "{row}");
    assert_eq!(row["attempts"][0]["reason"], "priority");
}

/// Scenario: targets for some metadata only.
/// Guarantees: a request gets one that is for it, for failures too; none is a 400 that says why.
#[test]
fn targets_are_for_matching_metadata() {
    let mut stage = Stage::new();
    let once = "retry_config: {attempts: 0}";
    let targets = [
        ("tokens=1", "metadata_match: {region: eu, tier: gold}".to_owned()),
        ("500", format!("metadata_match: {{region: us}}, {once}")),
        ("tokens=1", "metadata_match: {region: us}".to_owned()),
    ];
    let rule = stage.rule("", &targets.map(|(words, keys)| to("openai", words, keys)));
    let live = stage.start("io_uring", "");
    let with = |metadata: &str| {
        let told = live.ask_with(Face::Chat, &rule.model, &Ask::default(), &format!("x-tfy-metadata: {metadata}\r\n"));
        (told.said.status, told.field("x-sluice-target").to_owned())
    };
    assert_eq!(with("{\"region\":\"eu\",\"tier\":\"gold\",\"more\":\"x\"}"), (200, rule.fqn(0)));
    assert_eq!(with("{\"region\":\"us\"}"), (200, rule.fqn(2)));
    for none in ["{\"region\":\"eu\"}", "{\"region\":\"EU\",\"tier\":\"gold\"}", "{}"] {
        assert_eq!(with(none).0, 400, "{none}");
    }
    assert_eq!(live.ask(Face::Chat, &rule.model, false).said.status, 400);
}

/// Scenario: rules whose `when` overlap: by metadata, by a target's own name, by `*`.
/// Guarantees: the first that matches decides; the others are for the rest; what no rule is for goes where its name says.
#[test]
fn the_first_rule_that_matches_decides() {
    let mut stage = Stage::new();
    let one = |words: &str| [to("openai", words.to_owned(), "")];
    let [canary, named, rest] =
        [stage.targets(&one("tokens=1")), stage.targets(&one("tokens=1")), stage.targets(&one("tokens=1"))];
    let when = |models: &str, more: &str| format!("models: [{models}]{more}");
    let priority = "priority-based-routing";
    stage.rule_for(&when("chat", ", metadata: {ring: canary}"), priority, "", &one(""), &canary);
    stage.rule_for(&when(&format!("chat, {}", rest.fqn(0)), ""), priority, "", &one(""), &named);
    stage.rule_for(&when("\"*\"", ", metadata: {all: \"yes\"}"), priority, "", &one(""), &rest);
    let live = stage.start("io_uring", "");
    let mut failures = Failures::default();
    let cases = [
        ("chat", "{\"ring\":\"canary\"}", canary.fqn(0), "rule-0"),
        ("chat", "{\"ring\":\"stable\"}", named.fqn(0), "rule-1"),
        ("chat", "{}", named.fqn(0), "rule-1"),
        (&rest.fqn(0), "{}", named.fqn(0), "rule-1"),
        (&canary.fqn(0), "{\"all\":\"yes\"}", rest.fqn(0), "rule-2"),
        (&canary.fqn(0), "{}", canary.fqn(0), ""),
    ];
    for (model, metadata, target, rule) in cases {
        let fields = format!("x-tfy-metadata: {metadata}\r\n");
        let told = live.ask_with(Face::Chat, model, &Ask::default(), &fields);
        let what = format!("{model} {metadata} {}", told.said.body);
        failures.check(&what, told.field("x-sluice-target"), &target);
        failures.check(&what, told.applied()["load_balancing"]["rule_id"].as_str().unwrap_or_default(), rule);
    }
    let mut connection = Connection::open(live.gateway.address);
    connection.send(post(PATH, &chat("nobody", false), "").as_bytes());
    failures.check("an unknown name", connection.response().status, 404);
    failures.none();
}
