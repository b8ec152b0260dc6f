//! From a request to its plan: which face is called, how the model behaves, what is answered.

use super::{
    Ctx, anthropic,
    ask::Ask,
    bedrock, cohere,
    face::{self, Called, Face},
    faults::{self, Dialect},
    gemini, openai, others, otlp,
    plan::{End, Plan},
    request::{Framing, Head, Refused},
    responses,
    scenario::{Class, Fault, Prefill, Scenario},
    seen, stats,
};
use crate::dist::Dist;

/// A whole request, where it lies. Spans of `head` count from the start of `bytes`.
pub struct View<'a> {
    pub head: &'a Head,
    pub bytes: &'a [u8],
    pub body: &'a [u8],
}

impl View<'_> {
    pub fn target(&self) -> &[u8] {
        self.bytes.get(self.head.target.clone()).unwrap_or_default()
    }

    pub fn scenario(&self) -> &[u8] {
        self.head.scenario.clone().and_then(|span| self.bytes.get(span)).unwrap_or_default()
    }

    fn method(&self) -> &[u8] {
        self.bytes.get(self.head.method.clone()).unwrap_or_default()
    }
}

/// A plan, and whether the same request may be answered by it again.
pub struct Answer {
    pub plan: Plan,
    pub reusable: bool,
}

impl Answer {
    fn once(plan: Plan) -> Answer {
        Answer { plan, reusable: false }
    }
}

pub fn answer(view: &View, ctx: &Ctx) -> Answer {
    let calm = Scenario::default();
    let target = String::from_utf8_lossy(view.target()).into_owned();
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let called = face::find(&target);
    let dialect = match &called {
        Some(called) => called.face.dialect(),
        None if view.head.anthropic => Dialect::Anthropic,
        None => Dialect::OpenAi,
    };
    let error =
        |status, words: &str| Answer::once(faults::answer(dialect, status, Class::ByStatus, Some(words), &calm));

    if view.head.echo {
        return Answer::once(echo(view, &calm));
    }
    if let Some(refusal) = unknown_caller(view, ctx, dialect) {
        return Answer::once(refusal);
    }
    match (view.method(), called) {
        (b"POST", Some(called)) => post(view, ctx, called, dialect),
        (b"GET", None) => get(view, ctx, &target, dialect),
        (b"POST", None) if is_otlp(path) => Answer::once(sink(view, ctx, path, &calm)),
        (_, Some(_)) => error(405, "Only POST is allowed here."),
        _ => error(404, "Unknown path."),
    }
}

/// The refusal of a request without the key, where one is required. Bedrock's callers may sign instead: of a signature only
/// the form is checked, and that always.
fn unknown_caller(view: &View, ctx: &Ctx, dialect: Dialect) -> Option<Plan> {
    let calm = Scenario::default();
    let given = view.head.key.clone().and_then(|span| view.bytes.get(span));
    let signature = given.and_then(|given| std::str::from_utf8(given).ok()).filter(|given| given.starts_with("AWS4-"));
    if let (Dialect::Bedrock, Some(signature)) = (dialect, signature) {
        let words = Some("The request signature does not conform to AWS standards.");
        return (!bedrock::is_sigv4(signature)).then(|| faults::answer(dialect, 403, Class::ByStatus, words, &calm));
    }
    let key = ctx.require_key.as_ref()?;
    if given == Some(key.as_bytes()) {
        return None;
    }
    Some(match dialect {
        Dialect::Gemini | Dialect::GeminiArray => faults::gemini_bad_key(dialect, &calm),
        _ => faults::answer(dialect, 401, Class::ByStatus, None, &calm),
    })
}

fn echo(view: &View, scenario: &Scenario) -> Plan {
    let head = view.bytes.get(..view.head.len).unwrap_or_default();
    let body = others::echo(head, view.body, view.head.framing == Framing::Chunked);
    Plan::unary(200, "application/json", &[], body.as_bytes(), scenario)
}

fn is_otlp(path: &str) -> bool {
    ["/v1/traces", "/v1/metrics", "/v1/logs"].contains(&path)
}

/// An empty body is a whole `Export*ServiceResponse`.
fn sink(view: &View, ctx: &Ctx, path: &str, scenario: &Scenario) -> Plan {
    stats::add(&ctx.stats.otlp_requests, 1);
    stats::add(&ctx.stats.otlp_bytes, view.body.len() as u64);
    if path == "/v1/traces" {
        stats::add(&ctx.stats.otlp_server_spans, otlp::server_spans(view.body));
    }
    let json = view.body.first() == Some(&b'{');
    let (content_type, body) =
        if json { ("application/json", &b"{}"[..]) } else { ("application/x-protobuf", &b""[..]) };
    Plan::unary(200, content_type, &[], body, scenario)
}

fn get(view: &View, ctx: &Ctx, target: &str, dialect: Dialect) -> Answer {
    let calm = Scenario::default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let json = |body: String| Answer::once(Plan::unary(200, "application/json", &[], body.as_bytes(), &calm));
    if path == "/mock/stats" {
        return json(ctx.stats.to_json());
    }
    if path == "/mock/seen" {
        let model = query.split('&').find_map(|pair| pair.strip_prefix("model=")).map(face::decode);
        return json(ctx.seen.to_json(model.as_deref()));
    }
    if path == "/" || path == "/health" {
        return Answer::once(Plan::unary(200, "text/plain", &[], b"sluice mock: a simulated provider\n", &calm));
    }
    if path.ends_with("/models") {
        return Answer { plan: others::models(view.head.anthropic, &calm), reusable: !view.head.anthropic };
    }
    if let Some((_, id)) = path.rsplit_once("/models/") {
        return json(others::model(id).to_string());
    }
    Answer::once(faults::answer(dialect, 404, Class::ByStatus, Some("Unknown path."), &calm))
}

fn post(view: &View, ctx: &Ctx, called: Called, dialect: Dialect) -> Answer {
    let calm = Scenario::default();
    let bad = |words: &str| Answer::once(faults::answer(dialect, 400, Class::ByStatus, Some(words), &calm));
    let asked = if view.head.multipart {
        Ask::from_multipart(view.body)
    } else {
        Ask::from_json(dialect, called.model.as_deref(), view.body)
    };
    let ask = match asked {
        Ok(ask) => Ask { azure: called.azure, ..ask },
        Err(words) => return bad(&words),
    };
    if ask.model == "echo" {
        return Answer::once(echo(view, &calm));
    }
    let mut scenario = match scenario(&ask.model, view.scenario(), ctx) {
        Ok(scenario) => scenario,
        Err(words) => return bad(&words),
    };
    // Whatever changes from one request to the next.
    let reusable = scenario.when.always() && scenario.hints.reset_ms.is_none();
    let name = seen::name(&ask.model, view.scenario());
    if !scenario.when.always() && !ctx.outages.faulty(&scenario.when, &name) {
        scenario.heal();
    }
    if let Some(Fault::Late(ms)) = scenario.fault {
        scenario.ttft = Dist::Fixed(ms.into());
    }
    scenario.headers = scenario.hints.headers(dialect, matches!(scenario.fault, Some(Fault::Status(..))));
    let plan = match scenario.fault {
        Some(Fault::Status(status, class)) => match (called.face, class) {
            (Face::Generate(delivery), Class::ContentFilter) => gemini::blocked(&ask, &scenario, delivery),
            _ => faults::answer(dialect, status, class, None, &scenario),
        },
        Some(Fault::Reset) => Plan::mute(&scenario, End::Rst),
        Some(Fault::Silence) => Plan::mute(&scenario, End::Stall),
        Some(Fault::Close) => Plan::mute(&scenario, End::Fin),
        _ if scenario.prefill == Prefill::Refuse && ask.ends_with_assistant => faults::no_prefill(dialect, &scenario),
        _ => served(called.face, &ask, &scenario),
    };
    let has_scenario = ask.model.contains(':') || !view.scenario().is_empty();
    let named = has_scenario.then(|| name.into());
    Answer { plan: Plan { named, ..plan }, reusable }
}

fn served(face: Face, ask: &Ask, scenario: &Scenario) -> Plan {
    match face {
        Face::Chat => openai::chat(ask, scenario),
        Face::Completions => openai::completions(ask, scenario),
        Face::Embeddings => others::embeddings(ask, scenario),
        Face::Responses => responses::answer(ask, scenario),
        Face::Moderations => others::moderations(ask, scenario),
        Face::Rerank => others::rerank(ask, scenario),
        Face::Images => others::images(ask, scenario),
        Face::Speech => others::speech(ask, scenario),
        Face::Transcription => others::transcription(ask, scenario),
        Face::Messages => anthropic::messages(ask, scenario),
        Face::CountTokens => anthropic::count_tokens(ask, scenario),
        Face::Generate(delivery) => gemini::generate(ask, scenario, delivery),
        Face::GeminiCount => gemini::count_tokens(ask, scenario),
        Face::GeminiEmbed { batch } => gemini::embed(ask, scenario, batch),
        Face::VertexPredict => gemini::predict(ask, scenario),
        Face::Converse => bedrock::converse(ask, scenario),
        Face::ConverseStream => bedrock::converse_stream(ask, scenario),
        Face::Invoke => bedrock::invoke(ask, scenario),
        Face::CohereChat => cohere::chat(ask, scenario),
        Face::CohereEmbed => cohere::embed(ask, scenario),
        Face::CohereRerank => cohere::rerank(ask, scenario),
    }
}

/// The nature of the model, over it what the command line set, over that the options in its name, over all the header.
fn scenario(model: &str, header: &[u8], ctx: &Ctx) -> Result<Scenario, String> {
    let (name, options) = model.split_once(':').unwrap_or((model, ""));
    let mut scenario = Scenario::default();
    scenario.apply(super::nature(name))?;
    scenario.apply(&ctx.options)?;
    // Many real names have a colon; it starts options in ours only, and elsewhere only where they make sense as options.
    let mut with_options = scenario.clone();
    match with_options.apply(options) {
        Ok(()) => scenario = with_options,
        Err(words) if name.starts_with("mock") => return Err(words),
        Err(_) => {}
    }
    scenario.apply(std::str::from_utf8(header).unwrap_or("not UTF-8"))?;
    Ok(scenario)
}

/// The answer to a head that cannot be served; the connection ends with it.
pub fn refusal(refused: &Refused) -> Plan {
    let calm = Scenario::default();
    let plan = faults::answer(Dialect::OpenAi, refused.0, Class::ByStatus, Some(refused.1), &calm);
    Plan { end: End::Fin, ..plan }
}
