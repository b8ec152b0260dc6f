//! The sixteen faults of the public Failover Bench, back to back against one configuration: two retries, a bound on silence,
//! one fallback, streams that are carried on. Times are scaled down.
//!
//! S01 429 with retry-after, once. S02 429 for good. S03 500 once. S04 503 for good. S05 reset before the head. S06 silence.
//! S07 a first token that is 20 s late. S08 cut after 40 of 60 words. S09 stall. S10 the tenth event is no JSON. S11 no
//! `[DONE]`. S12 the prompt is too long. S13 the filter refuses. S14 a cut where the fallback takes no prefill. S15 a target
//! that flaps. S16 accounting of a call that moved.

use super::common::DRIVERS;
use super::face::Face;
use super::stage::{Stage, price};
use super::{Failures, to};

/// Of the first target.
const KEYS: &str = "retry_config: {attempts: 2, delay: 20, on_status_codes: [\"429\", \"500\", \"502\", \"503\"]}, ttft_timeout_ms: 500, \
     fallback_status_codes: [\"401\", \"403\", \"404\", \"429\", \"500\", \"502\", \"503\", context_length]";
const LIMITS: &str = "limits: {upstream_first_byte_ms: 500, stream_idle_ms: 500}\n";

struct Scene {
    name: &'static str,
    first: &'static str,
    fallback: &'static str,
    requests: usize,
    /// The status where it is no whole answer.
    error: Option<u16>,
    /// Attempts on both together, per request, at most.
    attempts: u64,
}

const fn scene(name: &'static str, first: &'static str, attempts: u64) -> Scene {
    Scene { name, first, fallback: "", requests: 1, error: None, attempts }
}

const SCENES: [Scene; 16] = [
    scene("S01", "429,once,retry_after=2", 2),
    scene("S02", "429", 4),
    scene("S03", "500,once", 2),
    scene("S04", "503", 4),
    scene("S05", "reset,once", 2),
    scene("S06", "silence", 2),
    scene("S07", "late=20000,head=0", 2),
    scene("S08", "cut@40", 2),
    scene("S09", "stall@40", 2),
    scene("S10", "badtoken@10", 2),
    scene("S11", "noterm", 2),
    scene("S12", "context_length", 2),
    Scene { error: Some(400), ..scene("S13", "content_filter", 1) },
    Scene { fallback: ",no-prefill", ..scene("S14", "cut@40", 3) },
    Scene { requests: 40, ..scene("S15", "503,flap=300", 4) },
    scene("S16", "503,in=100", 4),
];

/// Scenario: the sixteen, by a client of chat completions and by one of messages, streamed; a fallback of the other dialect.
/// Guarantees: a whole answer, each word once, by no more attempts than it takes; the filter's refusal as a clean error; the
/// record is the fallback's where the fallback answered.
#[test]
fn all_sixteen_pass() {
    for (driver, (face, first, second)) in
        DRIVERS.into_iter().zip([(Face::Chat, "openai", "anthropic"), (Face::Messages, "anthropic", "openai")])
    {
        let mut stage = Stage::new();
        let rules: Vec<_> = SCENES
            .iter()
            .map(|scene| {
                // S15 is about many requests.
                let gap = if scene.requests > 1 { "gap=0" } else { "gap=2" };
                let targets = [
                    to(first, format!("tokens=60,{gap},{}", scene.first), KEYS),
                    to(second, format!("tokens=60,{gap},in=100{}", scene.fallback), ""),
                ];
                stage.rule("on_stream_failure: continue", &targets)
            })
            .collect();
        let plain = stage.rule("", &[to("openai", "tokens=60", "")]);
        let live = stage.start(driver, LIMITS);
        let whole = live.ask(Face::Chat, &plain.model, false).said.text;
        let (mut failures, mut passed) = (Failures::default(), 0);
        for (scene, rule) in SCENES.iter().zip(&rules) {
            let before = failures.0.len();
            for _ in 0..scene.requests {
                let told = live.ask(face, &rule.model, true);
                let what = format!(
                    "{driver} {face:?} {} {}: {} {}",
                    scene.name, scene.first, told.said.status, told.said.body
                );
                match scene.error {
                    None => {
                        failures.check(
                            &what,
                            (told.said.status, told.said.ended, told.said.error.as_deref()),
                            (200, true, None),
                        );
                        failures.check(&what, told.said.text.as_str(), &whole);
                    }
                    Some(status) => {
                        failures.check(&what, (told.said.status, told.said.error.is_some()), (status, true));
                    }
                }
                if scene.name == "S16" {
                    let row = live.row(&told);
                    failures.check(
                        &format!("{what} {row}"),
                        (row["model"].as_str(), row["usage"]["input_tokens"].as_u64()),
                        (Some(&*rule.fqn(1)), Some(100)),
                    );
                    let (input, output) = price(1);
                    let cost = (100.0 * input + 60.0 * output) / 1000.0;
                    failures.holds(
                        &format!("{what} {row}"),
                        row["cost_usd"].as_f64().is_some_and(|found| (found - cost).abs() < 1e-9),
                    );
                }
            }
            let attempts: u64 = rule.targets.iter().map(|target| live.requests(target)).sum();
            let most = scene.attempts * scene.requests as u64;
            failures.holds(&format!("{}: {attempts} attempts, at most {most}", scene.name), attempts <= most);
            passed += u32::from(failures.0.len() == before);
        }
        eprintln!("{driver} {face:?}: {passed} of {} pass", SCENES.len());
        failures.none();
    }
}
