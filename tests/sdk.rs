//! The `openai`, `anthropic` and `google-genai` Python packages, unchanged, against the gateway: its simulated provider, and
//! a provider of every kind. What they check is in tests/sdk/*.py.

mod common;

use common::python::{run_sdk_tests, venv};
use common::{DRIVERS, Gateway, MOCK, config, providers};

/// A key for everything, one for a single model, and an account that has one model only.
const ACCOUNTS: &str = "---
type: provider-account/openai
name: house
base_url: http://127.0.0.1:9/v1
integrations: [{name: small}]
---
type: virtual-account
name: everything
tokens: [{id: k1, value: \"${env:KEY_EVERYTHING}\"}]
permissions: [{resource_fqn: \"*\"}]
---
type: virtual-account
name: one-model
tokens: [{id: k1, value: \"${env:KEY_ONE_MODEL}\"}]
permissions: [{resource_fqn: mock/gpt-4o-mini}]
";

fn run(pattern: &str) {
    let Some(venv) = venv() else { return };
    let keys = [("KEY_EVERYTHING", "sk-everything"), ("KEY_ONE_MODEL", "sk-one-model")];
    for driver in DRIVERS {
        let config = config(&format!("{MOCK}{ACCOUNTS}")).replace("auth: none", "auth: required");
        run_sdk_tests(venv, &Gateway::start_with(driver, &config, &keys), pattern);
    }
}

/// Scenario: the OpenAI SDK chats, streams, embeds, uploads, lists models, and meets every kind of failure.
/// Guarantees: it sees what it would see from OpenAI, a broken stream raises, and the record agrees with what it saw.
#[test]
fn the_openai_sdk_works_unchanged() {
    run("openai_*.py");
}

/// Scenario: the same with the Anthropic SDK.
/// Guarantees: it sees what it would see from Anthropic.
#[test]
fn the_anthropic_sdk_works_unchanged() {
    run("anthropic_*.py");
}

/// A provider of each kind, its API spoken by the simulated one.
fn run_everywhere(pattern: &str) {
    let Some(venv) = venv() else { return };
    let environment = [("KEY_EVERYTHING", "sk-everything"), ("KEY_ONE_MODEL", "sk-one-model"), providers::ENVIRONMENT];
    let config = config(&format!("{}{MOCK}{ACCOUNTS}", providers::accounts())).replace("auth: none", "auth: required");
    run_sdk_tests(venv, &Gateway::start_with("epoll", &config, &environment), pattern);
}

/// Scenario: a program written for OpenAI's SDK changes the name of its model: text, tools, structure, images, failures.
/// Guarantees: whichever provider answers, the SDK sees what it would see from OpenAI.
#[test]
fn the_openai_sdk_talks_to_every_provider() {
    run_everywhere("every_openai.py");
}

/// Scenario: the same with Anthropic's SDK.
/// Guarantees: it sees what it would see from Anthropic.
#[test]
fn the_anthropic_sdk_talks_to_every_provider() {
    run_everywhere("every_anthropic.py");
}

/// Scenario: the same with Google's SDK.
/// Guarantees: it sees what it would see from Google.
#[test]
fn the_google_sdk_talks_to_every_provider() {
    run_everywhere("every_google.py");
}
