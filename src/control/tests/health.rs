//! What one shard finds of a target holds for the others, and is shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::json;

use super::*;
use crate::control::Signal;
use crate::policy::route::health::{Scope, Verdict};
use crate::policy::route::slow::SlowFor;
use crate::telemetry::ErrorClass;

/// Far in the future: 2100.
const UNTIL_MS: u64 = 4_102_444_800_000;

const ACCOUNT: &str = "---\ntype: provider-account/mock\nname: mock\nbase_url: http://127.0.0.1:9\n";
const REGION: &str = "mock/127.0.0.1:9";

/// One account, and a rule that names these targets.
fn config(targets: &[&str]) -> String {
    let candidates: String = targets.iter().map(|target| format!("{{target: {target}}}, ")).collect();
    format!(
        "{ACCOUNT}---\ntype: gateway-load-balancing-config\nname: routing\nrules:\n  - {{id: chat, \
         type: priority-based-routing, when: {{models: [chat]}}, load_balance_targets: [{candidates}]}}\n"
    )
}

fn world(shards: usize) -> World {
    World::begin(shards, &config(&["mock/fast", "mock/slow"]))
}

fn start(shard: &mut FakeShard) {
    shard.say(Up::Started { driver: Driver::IoUring, why: None });
}

fn target(fqn: &str) -> Scope {
    Scope::Target(fqn.into())
}

fn down(why: ErrorClass) -> Verdict {
    Verdict::unhealthy(UNTIL_MS - 1000, UNTIL_MS, why)
}

fn say(shard: &mut FakeShard, scope: Scope, verdict: Verdict) {
    shard.say(Up::Verdict(Box::new((scope, verdict))));
}

fn hear(shard: &mut FakeShard) -> (Scope, Verdict) {
    match shard.hear() {
        Down::Verdict(verdict) => *verdict,
        _ => panic!("a verdict is next"),
    }
}

#[test]
fn a_verdict_reaches_every_other_shard_and_is_shown() {
    let mut world = world(2);
    world.shards.iter_mut().for_each(start);
    world.until("/readyz", |status, _| status == 200);
    let shown = world.json("/api/v1/targets");
    let of = |page: &Value, key: &str| page["targets"][1][key].clone();
    assert_eq!((of(&shown, "target"), of(&shown, "verdict")), ("mock/slow".into(), "healthy".into()));

    say(&mut world.shards[0], target("mock/slow"), down(ErrorClass::RateLimited));
    say(&mut world.shards[0], target("mock/unknown"), down(ErrorClass::RateLimited));
    assert_eq!(hear(&mut world.shards[1]), (target("mock/slow"), down(ErrorClass::RateLimited)));
    say(&mut world.shards[1], Scope::Region(REGION.into()), down(ErrorClass::Connect));
    let heard = hear(&mut world.shards[0]);
    assert_eq!(heard.0, Scope::Region(REGION.into()), "and not what it said itself");

    let shown = world.json("/api/v1/targets");
    assert_eq!((of(&shown, "verdict"), of(&shown, "why")), ("unhealthy".into(), "rate_limited".into()));
    assert_eq!((of(&shown, "until"), of(&shown, "by")), ("2100-01-01T00:00:00.000Z".into(), "shard 0".into()));
    assert_eq!(shown["targets"][1]["rules"], serde_json::json!(["chat"]));
    assert_eq!((&shown["regions"][0]["region"], &shown["regions"][0]["why"]), (&REGION.into(), &"connect".into()));
    let page = world.scrape(&[0, 0]);
    for line in [
        r#"sluice_target_healthy{target_model="mock/fast"} 1"#,
        r#"sluice_target_healthy{target_model="mock/slow"} 0"#,
        r#"sluice_region_healthy{region="mock/127.0.0.1:9"} 0"#,
        r#"sluice_target_verdicts_total{target_model="mock/slow",to="unhealthy",reason="rate_limited"} 1"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in {page}");
    }
    assert_eq!(world.end(), 0);
}

/// Nobody asks a target after its cool-down: what was said of it is shown as long ago, and as what it is now.
#[test]
fn a_failed_target_that_nobody_asks_is_shown_as_half_open() {
    let mut world = world(1);
    world.shards.iter_mut().for_each(start);
    world.until("/readyz", |status, _| status == 200);
    let past = Verdict::unhealthy(1_700_000_000_000, 1_700_000_004_500, ErrorClass::Server);
    say(&mut world.shards[0], target("mock/slow"), past);
    say(&mut world.shards[0], Scope::Region(REGION.into()), past);
    let shown = world.json("/api/v1/targets");
    for state in [&shown["targets"][1], &shown["regions"][0]] {
        assert_eq!((&state["verdict"], &state["why"]), (&"half_open".into(), &"server_error".into()));
        assert_eq!(state["until"], "2023-11-14T22:13:24.500Z");
    }
    say(&mut world.shards[0], target("mock/fast"), down(ErrorClass::Server));
    let page = world.scrape(&[0]);
    for line in [
        r#"sluice_target_healthy{target_model="mock/slow"} 0"#,
        r#"sluice_target_half_open{target_model="mock/slow"} 1"#,
        r#"sluice_target_cooldown_end_seconds{target_model="mock/slow"} 1700000004.5"#,
        r#"sluice_target_healthy{target_model="mock/fast"} 0"#,
        r#"sluice_target_half_open{target_model="mock/fast"} 0"#,
        r#"sluice_target_cooldown_end_seconds{target_model="mock/fast"} 4102444800.0"#,
        r#"sluice_region_half_open{region="mock/127.0.0.1:9"} 1"#,
        r#"sluice_region_cooldown_end_seconds{region="mock/127.0.0.1:9"} 1700000004.5"#,
    ] {
        assert!(page.lines().any(|found| found == line), "{line} is not in {page}");
    }
    say(&mut world.shards[0], target("mock/slow"), Verdict::Healthy);
    let page = world.scrape(&[0]);
    assert!(page.lines().any(|found| found == r#"sluice_target_half_open{target_model="mock/slow"} 0"#), "{page}");
    assert!(!page.contains(r#"sluice_target_cooldown_end_seconds{target_model="mock/slow"}"#), "{page}");
    assert_eq!(world.end(), 0);
}

fn slow_for(world: &mut World, target: usize) -> Value {
    world.json("/api/v1/targets")["targets"][target]["slow_for"].clone()
}

/// One target misses its SLA on one shard, then on two, then on none; its rule is renamed meanwhile.
#[test]
fn a_target_that_is_too_slow_for_a_rule_is_shown_as_long_as_a_shard_says_so() {
    let rule = |id: &str| {
        let cutoff = "{target: mock/slow, sla_cutoff: {time_to_first_token_ms: 100}}";
        config(&["mock/fast", "mock/slow"]).replace("{target: mock/slow}", cutoff).replace("id: chat", id)
    };
    let mut world = World::begin(2, &rule("id: chat"));
    world.shards.iter_mut().for_each(start);
    world.until("/readyz", |status, _| status == 200);
    let named = crate::control::testing::routing(&["mock/slow"]).targets.remove(0).target;
    let slow = |rule: &str| -> Up { Up::Slow([SlowFor { target: named.clone(), rule: rule.into() }].into()) };
    let gauge = |value: u8| format!("sluice_target_slow{{target_model=\"mock/slow\",ruleId=\"chat\"}} {value}");
    let page = world.scrape(&[0, 0]);
    assert!(page.lines().any(|line| line == gauge(0)), "{page}");
    assert!(!page.contains("sluice_target_slow{target_model=\"mock/fast\""), "the rule lets it be slow: {page}");
    assert_eq!((slow_for(&mut world, 0), slow_for(&mut world, 1)), (json!([]), json!([])));

    world.shards[0].say(slow("chat"));
    world.shards[1].say(slow("chat"));
    world.shards[0].say(Up::Slow([].into()));
    assert_eq!((slow_for(&mut world, 0), slow_for(&mut world, 1)), (json!([]), json!(["chat"])));
    assert_eq!(world.json("/api/v1/targets")["targets"][1]["verdict"], "healthy");
    let page = world.scrape(&[0, 0]);
    assert!(page.lines().any(|line| line == gauge(1)), "{page}");
    assert!(page.contains("sluice_target_healthy{target_model=\"mock/slow\"} 1"), "{page}");

    world.rewrite(&rule("id: other"));
    world.event(Event::Signal(Signal::Hangup));
    for shard in &mut world.shards {
        assert!(matches!(shard.hear(), Down::Snapshot(_)), "what one finds too slow is nothing to tell another");
    }
    assert_eq!(slow_for(&mut world, 1), json!([]), "the rule is gone, though no shard has said so yet");
    world.shards[1].say(slow("other"));
    assert_eq!(slow_for(&mut world, 1), json!(["other"]));
    world.shards[1].say(Up::Slow([].into()));
    assert_eq!(slow_for(&mut world, 1), json!([]));
    assert_eq!(world.end(), 0);
}

#[test]
fn a_shard_that_starts_later_learns_what_is_known() {
    let mut world = world(3);
    world.shards[..2].iter_mut().for_each(start);
    world.until("/readyz", |_, body| body.matches("\"serving\"").count() == 2);
    let [first, second, third] = &mut world.shards[..] else { panic!("three") };
    say(first, target("mock/slow"), down(ErrorClass::Server));
    say(first, target("mock/fast"), down(ErrorClass::Server));
    assert_eq!((hear(second).0, hear(second).0), (target("mock/slow"), target("mock/fast")));
    say(second, target("mock/fast"), Verdict::Healthy);
    assert_eq!(hear(first), (target("mock/fast"), Verdict::Healthy));
    start(third);
    assert_eq!(hear(third), (target("mock/slow"), down(ErrorClass::Server)), "what is healthy needs no word");
    world.until("/readyz", |status, _| status == 200);
    assert_eq!(world.end(), 0);
}

#[test]
fn a_reload_forgets_what_no_rule_names_any_more_and_tells_the_rest_again() {
    let mut world = world(2);
    world.shards.iter_mut().for_each(start);
    world.until("/readyz", |status, _| status == 200);
    for fqn in ["mock/fast", "mock/slow"] {
        say(&mut world.shards[0], target(fqn), down(ErrorClass::Server));
        hear(&mut world.shards[1]);
    }
    world.rewrite(&config(&["mock/fast", "mock/other"]));
    world.event(Event::Signal(Signal::Hangup));
    for shard in &mut world.shards {
        assert!(matches!(shard.hear(), Down::Snapshot(_)), "and no verdict before it");
    }
    assert_eq!(hear(&mut world.shards[1]), (target("mock/fast"), down(ErrorClass::Server)), "the other one said it");
    let shown = world.json("/api/v1/targets");
    let of = |index: usize| (shown["targets"][index]["target"].clone(), shown["targets"][index]["verdict"].clone());
    assert_eq!(of(0), ("mock/fast".into(), "unhealthy".into()));
    assert_eq!(of(1), ("mock/other".into(), "healthy".into()));
    // A shard that still serves by the old one finds something: it concerns nobody. The next thing told is the drain.
    say(&mut world.shards[0], target("mock/slow"), down(ErrorClass::Server));
    world.json("/api/v1/targets");
    for shard in &mut world.shards {
        assert!(shard.0.down.pop().is_err());
    }
    assert_eq!(world.end(), 0);
}

/// Answers every request with the status of the moment.
fn provider(status: &Arc<AtomicU16>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let (address, status) = (listener.local_addr().expect("is bound"), status.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut bytes = [0; 1024];
                match stream.read(&mut bytes) {
                    Ok(read @ 1..) => head.extend_from_slice(&bytes[..read]),
                    _ => break,
                }
            }
            let status = status.load(Ordering::SeqCst);
            let _ = write!(stream, "HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

#[test]
fn every_shard_is_told_what_a_probe_finds() {
    let status = Arc::new(AtomicU16::new(503));
    let address = provider(&status);
    let check = format!("base_url: http://{address}\nhealth_check: {{path: /v1/models, interval_ms: 100}}");
    let mut world = World::begin(2, &config(&["mock/fast"]).replace("base_url: http://127.0.0.1:9", &check));
    world.shards.iter_mut().for_each(start);
    let region = Scope::Region(format!("mock/{address}").into());
    for shard in &mut world.shards {
        let (scope, verdict) = hear(shard);
        assert_eq!(scope, region);
        assert!(matches!(verdict, Verdict::Unhealthy { why: ErrorClass::Server, .. }));
    }
    let shown = world.json("/api/v1/targets");
    assert_eq!((&shown["regions"][0]["by"], &shown["regions"][0]["why"]), (&"probe".into(), &"server_error".into()));
    assert_eq!(shown["targets"][0]["probe"]["error"], "answered 503");
    status.store(200, Ordering::SeqCst);
    for shard in &mut world.shards {
        // It was said again meanwhile, as long as it was so.
        while hear(shard) != (region.clone(), Verdict::Healthy) {}
    }
    assert_eq!(world.end(), 0);
}
