//! Secrets in what a rule puts into requests.

use super::face::Face;
use super::row::{ACROSS, Pair, SAME};
use super::{Stage, all, to};

/// Scenario: a rule sets members of the body and a header from the environment; the target is spoken to in the caller's
/// dialect, or in another one.
/// Guarantees: the provider gets what the references stand for; nothing that the gateway shows or logs has it.
#[test]
fn references_in_a_rule_are_what_the_provider_gets() {
    let mut stage = Stage::new();
    let mut cases = Vec::new();
    for Pair(face, kind, _) in SAME.into_iter().chain(ACROSS) {
        let set = match face {
            Face::Gemini => "systemInstruction: {parts: [{text: \"you are ${env:WHO}\"}]}",
            Face::Messages => "system: \"you are ${env:WHO}\"",
            Face::Responses => "instructions: \"you are ${env:WHO}\"",
            _ => "messages: [{role: system, content: \"you are ${env:WHO}\"}, {role: user, content: hello}]",
        };
        let keys = format!("override_params: {{{set}}}, headers_override: {{set: {{x-tenant: \"of ${{env:WHO}}\"}}}}");
        cases.push((face, stage.rule("", &[to(kind, "tokens=3,echo-system", keys)])));
    }
    let live = stage.start_as("io_uring", "", |config| config, &[("WHO", "swordfish")]);
    all(&cases, |(face, rule), failures| {
        let told = live.ask(*face, &rule.model, false);
        let call = live.seen(&rule.targets[0]).calls.pop().unwrap_or_default();
        let what = format!("{face:?} {} {}", told.said.body, call);
        failures.check(&what, told.said.status, 200);
        failures.holds(&what, call.to_string().contains("you are swordfish") && !call.to_string().contains("${env"));
        failures.holds(&what, !live.row(&told).to_string().contains("swordfish"));
    });
    for path in ["/metrics", "/api/v1/targets", "/api/v1/requests"] {
        let shown = live.gateway.admin(path);
        assert!(shown.status == 200 && !shown.text().contains("swordfish"), "{path}");
    }
}
