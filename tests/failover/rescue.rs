//! Streams that break off after the client got some of them, and are carried on by another target.

use super::bill::{Sink, agree};
use super::broken::FAULTS;
use super::common::DRIVERS;
use super::common::http::{Connection, chat, post};
use super::face::Face;
use super::row::{ACROSS, Case, Pair, SAME, run};
use super::{Client, Failures, Row, Stage, all, on_both, to};

const LIMITS: &str = "limits: {stream_idle_ms: 700}\n";
const RESTART: &str = "on_stream_failure: restart";
const CONTINUE: &str = "on_stream_failure: continue";

fn pairs() -> Vec<Pair> {
    [&SAME[..], &ACROSS[..]].concat()
}

fn rescued(rule: &'static str) -> Vec<Row> {
    FAULTS.iter().map(|words| Row::two(words, "", Client::Whole, [1, 1]).rule(rule)).collect()
}

/// Whether a provider of this kind goes on from what the assistant said.
fn takes_prefill(kind: &str) -> bool {
    matches!(kind, "anthropic" | "google-gemini" | "mistral-ai")
}

/// Scenario: streams break off in every way; the rule wants them said again.
/// Guarantees: the client gets the whole text byte for byte, each word once, and a proper end; the other target is asked
/// once, with the client's own conversation.
#[test]
fn a_restart_says_each_word_once() {
    run("io_uring", LIMITS, &rescued(RESTART), &pairs(), &[true]);
}

/// Scenario: streams break off in every way; the rule wants them gone on with.
/// Guarantees: the client gets the whole text byte for byte, each word once, and a proper end.
#[test]
fn a_continuation_says_each_word_once() {
    run("epoll", LIMITS, &rescued(CONTINUE), &pairs(), &[true]);
}

/// Scenario: a stream is cut; what comes next is of a kind that goes on from the assistant's words, or is not.
/// Guarantees: the first is shown what was delivered as the assistant's last turn, and answers with the rest alone; the
/// other gets the conversation as it was.
#[test]
fn a_continuation_is_asked_for_by_prefill() {
    let mut stage = Stage::new();
    let plain = stage.rule("", &[to("openai", "tokens=60", "")]);
    let row = Row::two("cut@40", "", Client::Whole, [1, 1]).rule(CONTINUE);
    let mut mistral = row.clone();
    mistral.others = vec!["mistral".to_owned()];
    let mut cases: Vec<Case> = pairs().into_iter().map(|pair| Case::new(&mut stage, &row, pair, true)).collect();
    cases.push(Case::new(&mut stage, &mistral, Pair(Face::Chat, "openai", "mistral-ai"), true));
    let live = stage.start("io_uring", LIMITS);
    let whole = live.ask(Face::Chat, &plain.model, false).said.text;
    all(&cases, |case, failures| {
        case.run(&live, &whole, failures);
        let Pair(_, _, second) = case.pair;
        let (call, what) = (case.last_call(&live, 1), format!("{:?}", case.pair));
        let (role, said) = match (second, takes_prefill(second)) {
            ("google-gemini", _) => ("model", 20),
            (_, true) => ("assistant", 20),
            _ => ("user", 60),
        };
        let found = (call["last_role"].as_str().unwrap_or_default().to_owned(), call["tokens"].as_u64());
        // The simulated provider may tell roles in its own words.
        let same = found.0 == role || (role == "model" && found.0 == "assistant");
        failures.holds(&format!("{what} {found:?} instead of {role} {said}"), same && found.1 == Some(said));
    });
}

/// Scenario: the other target refuses prefill, ignores it, or repeats it before it goes on.
/// Guarantees: the refusal never reaches the client, which gets the whole text, each word once.
#[test]
fn a_continuation_that_is_refused_becomes_a_restart() {
    let cut = |others: &[&str], calls: &[u64]| {
        Row::two("cut@40", "", Client::Whole, [1, 1]).rule(CONTINUE).others(others, calls)
    };
    let prefilled: Vec<Pair> = pairs().into_iter().filter(|pair| takes_prefill(pair.2)).collect();
    run("io_uring", LIMITS, &[cut(&["no-prefill"], &[1, 2])], &prefilled, &[true]);
    run(
        "io_uring",
        LIMITS,
        &[cut(&["ignore-prefill"], &[1, 1]), cut(&["repeat-prefill"], &[1, 1])],
        &prefilled,
        &[true],
    );
}

/// Scenario: said again, the text becomes another one before it has reached what the client has.
/// Guarantees: what the client has is not gone back on: it ends with an error event of its dialect.
#[test]
fn a_restart_that_diverges_is_an_error() {
    let diverges =
        |rule| Row::two("cut@40", "", Client::Broken, [1, 1]).rule(rule).others(&["other-words@20"], &[1, 1]);
    run("io_uring", LIMITS, &[diverges(RESTART)], &pairs(), &[true]);
    // No prefill there: it is a restart as well.
    run("io_uring", LIMITS, &[diverges(CONTINUE)], &[SAME[0], SAME[2], ACROSS[1]], &[true]);
}

/// Scenario: the one that carries on breaks off in its turn, or is no answer at all, and there is a third; or there is none.
/// Guarantees: the third carries on; without it the stream ends with an error event.
#[test]
fn a_rescue_can_be_rescued() {
    let cut = |rule, others: &[&str], calls: &[u64], client| {
        Row::two("cut@20", "", client, [1, 1]).rule(rule).others(others, calls)
    };
    for rule in [RESTART, CONTINUE] {
        // The last one: before it has said anything new.
        let words =
            if rule == RESTART { ["cut@30", "errevent@30", "cut@5"] } else { ["cut@10", "errevent@10", "cut@0"] };
        let mut rows: Vec<Row> = words.iter().map(|words| cut(rule, &[words, ""], &[1, 1, 1], Client::Whole)).collect();
        rows.push(cut(rule, &["429,retry_after=60", ""], &[1, 1, 1], Client::Whole));
        rows.push(cut(rule, &["reset", ""], &[1, 1, 1], Client::Whole));
        rows.push(cut(rule, &["429,retry_after=60"], &[1, 1], Client::Broken));
        // Where words are counted from their beginning in one and from the cut in the other.
        let restarts = [SAME[0], SAME[2], ACROSS[1]];
        let continues: Vec<Pair> = pairs().into_iter().filter(|pair| takes_prefill(pair.2)).collect();
        let pairs = if rule == RESTART { restarts.to_vec() } else { continues };
        run("io_uring", LIMITS, &rows, &pairs, &[true]);
    }
}

/// Scenario: the one that carries on says some of what is missing and fails, all in one piece, so that it has failed before
/// any of it was passed on; there is a third, or none.
/// Guarantees: what it said is not lost: the third goes on behind it and the text has no hole; without a third the client
/// has a beginning of the text, and an error event.
#[test]
fn what_a_failing_rescue_said_is_not_lost() {
    let cut = |rule, words: &str, more: &[&str], calls: &[u64], client| {
        let others: Vec<&str> = [words].iter().chain(more).copied().collect();
        Row::two("cut@20", "", client, [1, 1]).rule(rule).others(&others, calls)
    };
    let at_once = |words: [&'static str; 2], rule| {
        let third = words.map(|words| cut(rule, words, &[""], &[1, 1, 1], Client::Whole));
        let none = words.map(|words| cut(rule, words, &[], &[1, 1], Client::Broken));
        [third, none].concat()
    };
    let restarts = at_once(["errevent@30,batch=64", "badtoken@30,batch=64"], RESTART);
    run("io_uring", LIMITS, &restarts, &[SAME[0], SAME[1], SAME[2], ACROSS[1]], &[true]);
    let continues = at_once(["errevent@10,batch=64", "badtoken@10,batch=64"], CONTINUE);
    let prefilled: Vec<Pair> = pairs().into_iter().filter(|pair| takes_prefill(pair.2)).collect();
    run("epoll", LIMITS, &continues, &prefilled, &[true]);
}

/// Scenario: the words before the failure come in pieces of every size: all of them with it, some, a byte at a time; and so
/// do those of whoever carries on.
/// Guarantees: the whole text, each word once, whether any of it had reached the client by then or not.
#[test]
fn a_rescue_does_not_depend_on_how_words_come() {
    let once = "retry_config: {attempts: 0}";
    let faults = ["errevent@40", "badtoken@10", "cut@40", "end@40"];
    let pieces = ["batch=64", "batch=16", "batch=7", "gap=0,batch=3", "drip"];
    for (driver, rule) in DRIVERS.into_iter().zip([CONTINUE, RESTART]) {
        let row = |fault: &str, pieces: &str| {
            Row::two(&format!("{fault},{pieces}"), once, Client::Whole, [1, 1]).rule(rule).others(&[pieces], &[1, 1])
        };
        let rows: Vec<Row> = faults.iter().flat_map(|fault| pieces.map(|pieces| row(fault, pieces))).collect();
        run(driver, LIMITS, &rows, &[SAME[0], SAME[1], SAME[2], ACROSS[0], ACROSS[4]], &[true]);
    }
}

/// Scenario: a stream has broken off and the client leaves while another target is asked to carry it on.
/// Guarantees: that provider sees its connection closed; the row is the cancelled request's, with both attempts ended by what
/// ended them; what the first one used is billed, once.
#[test]
fn a_client_that_leaves_ends_the_rescue() {
    on_both(|driver| {
        let (mut stage, sink) = (Stage::new(), Sink::start());
        let cases = [RESTART, CONTINUE].map(|rule| {
            let targets = [to("openai", "tokens=60,gap=2,in=100,cut@20", ""), to("anthropic", "late=20000", "")];
            (rule, stage.rule(rule, &targets))
        });
        let live = stage.start_as(driver, &sink.config(), |config| config, &Sink::ENVIRONMENT);
        let mut failures = Failures::default();
        let mut rows = Vec::new();
        for (rule, route) in &cases {
            let mut connection = Connection::open(live.gateway.address);
            connection.send(post("/v1/chat/completions", &chat(&route.model, true), "").as_bytes());
            live.gateway.until("the second is asked", |_| live.requests(&route.targets[1]) == 1);
            drop(connection);
            live.gateway.until("the second is left", |_| live.seen(&route.targets[1]).hung_up == 1);
            let row = live.gateway.rows(&format!("model={}", route.fqn(1)), 1).remove(0);
            let what = format!("{driver} {rule} {row}");
            failures.check(&what, row["outcome"].as_str(), Some("cancelled"));
            let [first, second] = [&row["attempts"][0], &row["attempts"][1]];
            failures.check(
                &what,
                (first["error"].as_str(), second["error"].as_str()),
                (Some("truncated"), Some("client_gone")),
            );
            failures.holds(&what, first["cost_usd"].as_f64().is_some_and(|usd| usd > 0.0));
            failures.check(&what, second["usage"]["output_tokens"].as_u64(), Some(0));
            failures.holds(&what, second["end_ms"].as_f64() > second["start_ms"].as_f64());
            rows.push(row);
        }
        agree(&live, &sink, &rows, &mut failures);
        failures.none();
    });
}

/// Scenario: all is said but for the terminator.
/// Guarantees: the answer is whole at the client, without a word twice; where the reason to end was told, nobody else is asked.
#[test]
fn a_missing_terminator_is_mended() {
    for rule in [RESTART, CONTINUE] {
        let told = Row::two("noterm", "", Client::Whole, [1, 0]).rule(rule);
        run("io_uring", LIMITS, &[told], &[SAME[0], SAME[1], ACROSS[1]], &[true]);
        let mut untold = Row::two("noterm", "", Client::Whole, [1, 1]).rule(rule);
        untold.calls[1] = 0..=1;
        run("io_uring", LIMITS, &[untold], &[SAME[2], ACROSS[3]], &[true]);
    }
}
