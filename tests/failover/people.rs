//! Names that stand for several targets, and who may use them.

use super::common::http::{Connection, post};
use super::face::{Ask, Face};
use super::stage::{Stage, to};
use super::{ACROSS_FACES, Failures};

/// A virtual model `team/smart`, in short `smart`, before these two targets.
fn virtual_model(targets: [&str; 2]) -> String {
    format!(
        "---\ntype: provider-account/virtual-model\nname: team\nintegrations:\n  - name: smart\n    type: integration/model/virtual\n    \
         slug: smart\n    routing_config:\n      type: priority-based-routing\n      load_balance_targets:\n        \
         - {{target: {}, priority: 0, retry_config: {{attempts: 0}}}}\n        - {{target: {}, priority: 1}}\n",
        targets[0], targets[1]
    )
}

/// Scenario: a virtual model is asked for by its name and by its slug, by every face; its first target fails.
/// Guarantees: the second one answers; the record names the virtual model as what was asked for and as what decided.
#[test]
fn a_virtual_model_has_a_name_and_a_slug() {
    let mut stage = Stage::new();
    let route = stage.targets(&[to("openai", "500", ""), to("anthropic", "tokens=5", "")]);
    let (first, second) = (route.fqn(0), route.fqn(1));
    let live = stage.start("io_uring", &virtual_model([&first, &second]));
    let mut failures = Failures::default();
    for (face, name) in ACROSS_FACES.into_iter().flat_map(|face| [(face, "team/smart"), (face, "smart")]) {
        let told = live.ask(face, name, true);
        let what = format!("{face:?} {name} {}", told.said.body);
        failures.check(&what, (told.said.ended, told.field("x-sluice-target")), (true, &*second));
        failures.check(&what, told.applied()["load_balancing"]["rule_id"].as_str(), Some("team/smart"));
        failures.check(&what, live.row(&told)["model_requested"].as_str(), Some(name));
    }
    let mut connection = Connection::open(live.gateway.address);
    connection.send(b"GET /v1/models HTTP/1.1\r\nhost: gateway\r\n\r\n");
    let models = connection.response().json();
    let listed =
        models["data"].as_array().expect("models").iter().any(|one| one["id"] == "team/smart" || one["id"] == "smart");
    failures.holds(&format!("the virtual model is not in {models}"), listed);
    failures.none();
}

/// Scenario: callers: one may use the virtual model, one only its second target, one neither, one a rule's name, one the
/// slug.
/// Guarantees: the first gets whatever is behind it; the second only what is theirs; the third a 403 and no attempt; a slug
/// is as good as the name, and the list of models shows what it is for.
#[test]
fn a_virtual_model_is_for_those_who_may() {
    let mut stage = Stage::new();
    let route =
        stage.targets(&[to("openai", "tokens=1", ""), to("openai", "tokens=1", ""), to("openai", "tokens=1", "")]);
    let [first, second, third] = [0, 1, 2].map(|at| route.fqn(at));
    let ruled = stage.rule("", &[to("openai", "tokens=1", "")]);
    let person = |name: &str, may: &str| {
        format!(
            "---\ntype: virtual-account\nname: {name}\nteams: [{name}-team]\ntokens: [{{id: k, value: \"${{env:KEY_{name}}}\"}}]\n\
             permissions: [{{resource_fqn: \"{may}\"}}]\n"
        )
    };
    let people = [
        person("a", "team/smart"),
        person("b", &second),
        person("c", &third),
        person("d", &ruled.model),
        person("e", "smart"),
    ]
    .concat();
    let more = format!("{}{people}", virtual_model([&first, &second]));
    let keys = [
        ("KEY_a", "sk-aaaaaaaaaaaa"),
        ("KEY_b", "sk-bbbbbbbbbbbb"),
        ("KEY_c", "sk-cccccccccccc"),
        ("KEY_d", "sk-dddddddddddd"),
        ("KEY_e", "sk-eeeeeeeeeeee"),
    ];
    let live = stage.start_as("io_uring", &more, |config| config.replace("auth: none", "auth: required"), &keys);
    let asks = |key: usize, model: &str| {
        let told =
            live.ask_with(Face::Chat, model, &Ask::default(), &format!("authorization: Bearer {}\r\n", keys[key].1));
        (told.said.status, told.field("x-sluice-target").to_owned())
    };
    let mut failures = Failures::default();
    let none = String::new();
    failures.check("a", asks(0, "team/smart"), (200, first.clone()));
    failures.check("a by slug", asks(0, "smart"), (200, first.clone()));
    failures.check("a directly", asks(0, &first), (403, none.clone()));
    failures.check("b", asks(1, "team/smart"), (200, second.clone()));
    failures.check("c", asks(2, "team/smart"), (403, none.clone()));
    failures.check("c by slug", asks(2, "smart"), (403, none.clone()));
    failures.check("c elsewhere", asks(2, &ruled.model), (403, none.clone()));
    failures.check("d", asks(3, &ruled.model), (200, ruled.fqn(0)));
    failures.check("d elsewhere", asks(3, "smart"), (403, none));
    let mut connection = Connection::open(live.gateway.address);
    connection.send(
        format!("GET /v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n\r\n", keys[4].1).as_bytes(),
    );
    let models = connection.response().json();
    let listed: Vec<&str> =
        models["data"].as_array().expect("models").iter().filter_map(|one| one["id"].as_str()).collect();
    failures.check("listed for e", listed, vec!["team/smart"]);
    failures.check("e", asks(4, "smart"), (200, first.clone()));
    failures.check("e by name", asks(4, "team/smart"), (200, first.clone()));
    failures.check("seen by the first", live.requests(&route.targets[0]), 4);
    failures.none();
}

/// Scenario: rules for a caller, for a team, and for everybody.
/// Guarantees: each caller meets the first that is for them.
#[test]
fn rules_are_for_subjects() {
    let mut stage = Stage::new();
    let one = || [to("openai", "tokens=1", "")];
    let routes = [(); 3].map(|()| stage.targets(&one()));
    let subjects = ["virtualaccount:a", "team:gold", "\"*\""];
    for (subject, route) in subjects.iter().zip(&routes) {
        stage.rule_for(&format!("models: [chat], subjects: [{subject}]"), "priority-based-routing", "", &one(), route);
    }
    let person = |name: &str, team: &str| {
        format!(
            "---\ntype: virtual-account\nname: {name}\nteams: [{team}]\ntokens: [{{id: k, value: \"${{env:KEY_{name}}}\"}}]\n\
             permissions: [{{resource_fqn: \"*\"}}]\n"
        )
    };
    let people = [person("a", "gold"), person("b", "gold"), person("c", "tin")].concat();
    let keys = [("KEY_a", "sk-aaaaaaaaaaaa"), ("KEY_b", "sk-bbbbbbbbbbbb"), ("KEY_c", "sk-cccccccccccc")];
    let live = stage.start_as("epoll", &people, |config| config.replace("auth: none", "auth: required"), &keys);
    for ((_, key), route) in keys.iter().zip(&routes) {
        let mut connection = Connection::open(live.gateway.address);
        let body = Face::Chat.body("chat", &Ask::default()).to_string();
        connection.send(post("/v1/chat/completions", &body, &format!("authorization: Bearer {key}\r\n")).as_bytes());
        let response = connection.response();
        assert_eq!(
            (response.status, response.field("x-sluice-target")),
            (200, Some(&*route.fqn(0))),
            "{key} {}",
            response.text()
        );
    }
}
