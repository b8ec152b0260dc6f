//! Who carried a stream on, told to clients that read trailers.

use serde_json::{Value, json};

use super::common::http::{Connection, post};
use super::face::Ask;
use super::row::{ACROSS, Pair, SAME};
use super::{Stage, all, to};

const RESTART: &str = "on_stream_failure: restart";

/// Scenario: a stream is carried on by another target; its client says that it reads trailers, or does not.
/// Guarantees: the first is told behind the end who really answered, and why; the other's stream has nothing that it would
/// not have without. The head names the target that began.
#[test]
fn trailers_name_the_target_that_carried_on() {
    let mut stage = Stage::new();
    let mut cases = Vec::new();
    for Pair(face, first, second) in SAME.into_iter().chain(ACROSS) {
        for reads_trailers in [true, false] {
            let cut = stage.rule(RESTART, &[to(first, "tokens=30,gap=2,cut@20", ""), to(second, "tokens=30", "")]);
            let whole = stage.rule(RESTART, &[to(first, "tokens=30,gap=2", ""), to(second, "tokens=30", "")]);
            cases.extend([(face, reads_trailers, true, cut), (face, reads_trailers, false, whole)]);
        }
    }
    let live = stage.start("epoll", "");
    all(&cases, |(face, reads_trailers, is_cut, rule), failures| {
        let ask = Ask { stream: true, ..Ask::default() };
        let te = if *reads_trailers { "te: gzip, Trailers\r\n" } else { "" };
        let fields = format!("{te}connection: close\r\n");
        let mut connection = Connection::open(live.gateway.address);
        let body = face.body(&rule.model, &ask).to_string();
        connection.send(post(&face.path(&rule.model, true), &body, &fields).as_bytes());
        let (bytes, _) = connection.until_end();
        let text = String::from_utf8_lossy(&bytes);
        let what = format!("{face:?} trailers={reads_trailers} cut={is_cut}");
        let (head, rest) = text.split_once("\r\n\r\n").unwrap_or_default();
        failures.holds(&what, head.contains(&format!("x-sluice-target: {}\r\n", rule.fqn(0))));
        let (_, end) = rest.rsplit_once("\r\n0\r\n").unwrap_or_default();
        if !(*reads_trailers && *is_cut) {
            return failures.check(&what, end, "\r\n");
        }
        let field = |name: &str| end.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        failures.check(&what, (field("x-sluice-target"), field("x-sluice-attempts")), (Some(&*rule.fqn(1)), Some("2")));
        let applied: Value =
            serde_json::from_str(field("x-tfy-applied-configurations").unwrap_or_default()).unwrap_or_default();
        let moved = json!([rule.fqn(0), rule.fqn(1), "truncated"]);
        let fallback = &applied["fallback"];
        failures.check(&what, json!([fallback["from"], fallback["target"], fallback["reason"]]), moved);
        failures.holds(&what, end.ends_with("\r\n\r\n"));
    });
}
