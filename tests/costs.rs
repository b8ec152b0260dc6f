//! What a request cost: on its answer, in its row and in the sums, by hand-computed cases through the whole binary.

mod common;

use common::http::{self, chat};
use common::upstream::{Upstream, json};
use common::{DRIVERS, Gateway, config};

const CHAT: &str = "/v1/chat/completions";

/// An answer with this usage.
fn answer(usage: &str) -> Vec<u8> {
    json(&format!(
        "{{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"message\":{{\"content\":\"hi\"}},\"finish_reason\":\"stop\"}}],\"usage\":{usage}}}"
    ))
}

fn account(kind: &str, name: &str, upstream: &Upstream, more: &str) -> String {
    format!("---\ntype: provider-account/{kind}\nname: {name}\nbase_url: http://{}/v1\n{more}", upstream.address)
}

/// Scenario: answers of models with list prices, a discount, a price of one's own, none that is known, and none asked for.
/// Guarantees: `x-sluice-cost-usd`, the row's `cost_usd` and the sum in /metrics are the same exact number; an unknown
/// price is null and counted, never 0; a provider that says another cost than the table is noticed.
#[test]
fn a_request_costs_what_its_tokens_do() {
    // Of gpt-4o-mini: 0.15, cached 0.075, output 0.60 USD per million tokens.
    let usage = "{\"prompt_tokens\":1000,\"completion_tokens\":100,\"total_tokens\":1100,\"prompt_tokens_details\":{\"cached_tokens\":400}}";
    // 600 x 0.15 + 400 x 0.075 + 100 x 0.60 = 180 millionths of a dollar.
    for driver in DRIVERS {
        let plain = Upstream::always(answer(usage));
        let reporting =
            Upstream::always(answer(&usage.replace("{\"prompt_tokens\":", "{\"cost\":0.002,\"prompt_tokens\":")));
        let own = "integrations:\n  - {name: own, type: integration/model/openai, model_id: x, cost: {metric: per_1000_tokens, value: {input: 0.5, output: 2}}}\n  - {name: unasked, type: integration/model/openai, model_id: gpt-4o-mini}\n";
        let accounts = [
            account("openai", "list", &plain, ""),
            account("openai", "cheap", &plain, "discount_percent: 25\n"),
            account("openai", "private", &plain, own),
            account("openrouter", "router", &reporting, ""),
        ];
        let gateway = Gateway::start(driver, &config(&accounts.concat()));
        let cases = [
            ("list/gpt-4o-mini", Some("0.000180000000")),
            ("list/gpt-4o-mini-2024-07-18", Some("0.000180000000")),
            ("cheap/gpt-4o-mini", Some("0.000135000000")),
            // 1000 x 0.5 + 100 x 2, each per thousand.
            ("private/own", Some("0.700000000000")),
            ("private/unasked", None),
            ("list/nobody-knows", None),
            // The table's own price stands; the provider's is in the count of drifts.
            ("router/openai/gpt-4o-mini", Some("0.000180000000")),
            // Only the provider knows.
            ("router/nobody-knows", Some("0.002000000000")),
        ];
        for (model, cost) in cases {
            let response = http::once(gateway.address, CHAT, &chat(model, false));
            assert_eq!(response.field("x-sluice-cost-usd"), cost, "{model}");
        }
        let rows = gateway.rows("", cases.len());
        for (model, cost) in cases {
            let row = rows.iter().find(|row| row["model_requested"] == model).expect(model);
            assert_eq!(row["cost_usd"].as_f64(), cost.map(|cost| cost.parse().expect("a number")), "{model}: {row}");
        }
        let labels = |model: &str| format!("{{model_name=\"{model}\",tenant_name=\"default\",username=\"anonymous\"}}");
        let sum = gateway.metric(&format!("llm_gateway_request_cost{}", labels("cheap/gpt-4o-mini")));
        assert!((sum - 0.000135).abs() < 1e-12, "{sum}");
        assert_eq!(gateway.metric("sluice_cost_drifts_total"), 1.0);
        assert_eq!(gateway.metric("sluice_price_unknown_total"), 2.0);
    }
}
