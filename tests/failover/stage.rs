//! Rules with targets of their own, on one gateway before one simulated provider.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::common::http::{Connection, Response, post};
use super::common::{Gateway, config};
use super::face::{Ask, Face, Said};

/// What is configured so far.
pub struct Stage {
    mock: SocketAddr,
    accounts: String,
    rules: String,
    routes: usize,
    /// Ports that nobody listens on, kept from others.
    closed: Vec<Socket>,
}

/// One target of a rule.
#[derive(Clone, Debug)]
pub struct To {
    /// Of the account: `openai`, `anthropic`, `google-gemini`, `mistral-ai`.
    pub kind: &'static str,
    /// The provider's words, or [`REFUSES`].
    pub scenario: String,
    /// Further keys of the candidate: `weight: 30, retry_config: {attempts: 1}`.
    pub keys: String,
}

/// A target where nobody listens.
pub const REFUSES: &str = "refuses";

pub fn to(kind: &'static str, scenario: impl Into<String>, keys: impl Into<String>) -> To {
    To { kind, scenario: scenario.into(), keys: keys.into() }
}

/// A rule: what a client asks for, and its targets as the provider (`r0-0`) and the gateway (`r0-0/m`) call them.
#[derive(Clone, Debug)]
pub struct Route {
    pub model: String,
    pub targets: Vec<String>,
}

impl Route {
    pub fn fqn(&self, at: usize) -> String {
        format!("{}/m", self.targets[at])
    }
}

/// An answer, as the face reads it and as it came.
pub struct Told {
    pub said: Said,
    pub response: Response,
}

pub struct Live {
    pub gateway: Gateway,
    mock: SocketAddr,
    _closed: Vec<Socket>,
}

/// What a provider saw of one target.
#[derive(Debug, Default)]
pub struct Seen {
    pub requests: u64,
    pub faulty: u64,
    pub hung_up: u64,
    /// When they came, the last of them, by the provider's clock.
    pub times_ms: Vec<f64>,
    /// Those that met the fault.
    pub faulty_ms: Vec<f64>,
    pub calls: Vec<Value>,
}

/// Price of a token of the target at this place of its rule, in USD per thousand: input, output.
pub fn price(at: usize) -> (f64, f64) {
    ((at + 1) as f64, 10.0 * (at + 1) as f64)
}

impl Stage {
    pub fn new() -> Self {
        // Every account has an address of its own: an address is what providers fail by as a whole.
        let mock = loadtest::mock::spawn(SocketAddr::from(([0, 0, 0, 0], 0))).expect("the provider starts");
        Self { mock, accounts: String::new(), rules: String::new(), routes: 0, closed: Vec::new() }
    }

    /// Accounts for these targets, without a rule.
    pub fn targets(&mut self, targets: &[To]) -> Route {
        let model = format!("r{}", self.routes);
        let mut names = Vec::new();
        for (at, target) in targets.iter().enumerate() {
            // By the model's name it is known whether it goes on from a text.
            let family = match target.kind {
                "anthropic" => "claude-3-7-sonnet-",
                "google-gemini" => "gemini-2.0-flash-",
                "mistral-ai" => "mistral-large-",
                _ => "",
            };
            let name = format!("{family}{model}-{at}");
            self.account(&name, at, target);
            names.push(name);
        }
        self.routes += 1;
        Route { model, targets: names }
    }

    fn account(&mut self, name: &str, at: usize, target: &To) {
        let number = self.routes * 64 + at + 1;
        let [_, _, high, low] = u32::try_from(number).expect("few accounts").to_be_bytes();
        let mut address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 77, high, low)), self.mock.port());
        if target.scenario == REFUSES {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            address.set_port(0);
            socket.bind(&address.into()).expect("bound");
            address = socket.local_addr().expect("an address").as_socket().expect("of the internet");
            self.closed.push(socket);
        }
        let path = if matches!(target.kind, "openai" | "mistral-ai") { "/v1" } else { "" };
        let (kind, scenario, (input, output)) = (target.kind, &target.scenario, price(at));
        let _ = write!(
            self.accounts,
            "---\ntype: provider-account/{kind}\nname: {name}\nbase_url: http://{address}{path}\nintegrations:\n  \
             - {{name: m, model_id: \"{name}:{scenario}\", cost: {{metric: per_1000_tokens, value: {{input: {input}, output: {output}}}}}}}\n"
        );
    }

    /// A rule for these targets in this order. `more`: further keys of the rule, each on a line of its own.
    pub fn rule(&mut self, more: &str, targets: &[To]) -> Route {
        let first = |(at, one): (usize, &To)| To { keys: format!("priority: {at}, {}", one.keys), ..one.clone() };
        let targets: Vec<To> = targets.iter().enumerate().map(first).collect();
        self.rule_of("priority-based-routing", more, &targets)
    }

    pub fn rule_of(&mut self, routing_type: &str, more: &str, targets: &[To]) -> Route {
        let route = self.targets(targets);
        self.rule_for(&format!("models: [{}]", route.model), routing_type, more, targets, &route);
        route
    }

    /// The same with a `when` of one's own.
    pub fn rule_for(&mut self, when: &str, routing_type: &str, more: &str, targets: &[To], route: &Route) {
        let id = self.rules.matches("- id: ").count();
        let _ = write!(self.rules, "  - id: rule-{id}\n    type: {routing_type}\n    when: {{{when}}}\n");
        for line in more.lines() {
            let _ = writeln!(self.rules, "    {line}");
        }
        self.rules.push_str("    load_balance_targets:\n");
        for (name, target) in route.targets.iter().zip(targets) {
            let keys = target.keys.trim_end_matches([',', ' ']);
            let _ = writeln!(self.rules, "      - {{target: {name}/m, {keys}}}");
        }
    }

    /// `more`: keys of the first document, and documents after it.
    pub fn start(self, driver: &str, more: &str) -> Live {
        self.start_as(driver, more, |config| config, &[])
    }

    pub fn start_as(
        self,
        driver: &str,
        more: &str,
        change: impl Fn(String) -> String,
        environment: &[(&str, &str)],
    ) -> Live {
        let rules = match self.rules.as_str() {
            "" => String::new(),
            rules => format!("---\ntype: gateway-load-balancing-config\nname: rules\nrules:\n{rules}"),
        };
        let (first, documents) = more.split_once("---\n").unwrap_or((more, ""));
        let documents = if documents.is_empty() { String::new() } else { format!("---\n{documents}") };
        let config = change(config(&format!("{first}{}{rules}{documents}", self.accounts)));
        let gateway = Gateway::start_with(driver, &config, environment);
        Live { gateway, mock: self.mock, _closed: self.closed }
    }
}

impl Live {
    pub fn ask(&self, face: Face, model: &str, stream: bool) -> Told {
        self.ask_with(face, model, &Ask { stream, ..Ask::default() }, "")
    }

    /// `fields`: further lines of the head, each with its CRLF.
    pub fn ask_with(&self, face: Face, model: &str, ask: &Ask, fields: &str) -> Told {
        let body = face.body(model, ask).to_string();
        let mut connection = Connection::open(self.gateway.address);
        connection.send(post(&face.path(model, ask.stream), &body, fields).as_bytes());
        let response = connection.response();
        Told { said: face.read(&response, ask.stream), response }
    }

    /// What the provider saw of this target until now.
    pub fn seen(&self, target: &str) -> Seen {
        let mut connection = Connection::open(self.mock);
        connection.send(format!("GET /mock/seen?model={target} HTTP/1.1\r\nhost: mock\r\n\r\n").as_bytes());
        let found = connection.response().json();
        let mut seen = Seen::default();
        for one in found["targets"].as_array().expect("targets") {
            let number = |key: &str| one[key].as_u64().expect("a number");
            seen.requests += number("requests");
            seen.faulty += number("faulty");
            seen.hung_up += number("hung_up");
            for (key, times) in [("times_ms", &mut seen.times_ms), ("faulty_ms", &mut seen.faulty_ms)] {
                let found = one[key].as_array().expect("times");
                times.extend(found.iter().map(|time| time.as_f64().expect("a time")));
            }
            seen.calls.extend(one["calls"].as_array().expect("calls").iter().cloned());
        }
        seen
    }

    pub fn requests(&self, target: &str) -> u64 {
        self.seen(target).requests
    }

    /// The sum of the samples of a metric whose lines have all of these parts.
    pub fn metric(&self, name: &str, parts: &[&str]) -> f64 {
        let body = self.gateway.admin("/metrics").text();
        let lines =
            body.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let lines = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    pub fn row(&self, told: &Told) -> Value {
        self.gateway.row(&told.said.request_id)
    }
}

impl Told {
    pub fn field(&self, name: &str) -> &str {
        self.response.field(name).unwrap_or_default()
    }

    /// `x-tfy-applied-configurations`.
    pub fn applied(&self) -> Value {
        serde_json::from_str(self.field("x-tfy-applied-configurations")).unwrap_or_default()
    }
}
