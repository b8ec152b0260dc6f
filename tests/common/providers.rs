//! An account of every kind of provider, all of them the simulated one, which speaks each one's API and wants each one's
//! kind of key.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;

use super::{Gateway, config};

const KEY: &str = "sk-upstream";

/// The accounts, each with the type of its document and what its kind needs beside an address and a key.
pub const ACCOUNTS: [(&str, &str, &str); 9] = [
    // Speaks chat completions and nothing else, as most that imitate OpenAI do.
    ("chat", "openai", "responses_api: false"),
    ("responses", "openai", ""),
    ("claude", "anthropic", ""),
    ("gemini", "google-gemini", ""),
    ("vertex", "google-vertex", "project: p1\nlocation: europe-west4"),
    ("bedrock", "aws-bedrock", "region: us-east-1"),
    ("cohere", "cohere", ""),
    ("azure", "azure-openai", "api_version: 2024-10-21\nresponses_api: false"),
    ("mistral", "mistral-ai", ""),
];

/// Accounts that drop what they cannot carry.
pub const DROPPING: [&str; 2] = ["dropping-claude", "dropping-gemini"];

/// The models that every account has: how the simulated provider behaves when one is called.
pub const MODELS: &[(&str, &str)] = &[
    ("text", "tokens=5,in=100,cached=40"),
    ("long", "tokens=60"),
    ("word", "tokens=1"),
    ("system", "tokens=1,echo-system"),
    ("asked", "tokens=1,echo-ask"),
    ("call", "calls=1,in=100"),
    ("calls", "calls=2"),
    ("talk-call", "calls=2,tokens=3,interleave"),
    ("think", "reasoning=4,tokens=3"),
    ("think-call", "reasoning=4,calls=1"),
    ("slow", "tokens=20000,gap=5"),
    ("drip", "tokens=5,in=100,cached=40,drip"),
    ("drip-calls", "calls=2,drip"),
    ("cut", "tokens=9,gap=2,cut@4"),
    ("rst", "tokens=9,gap=2,rst@4"),
    ("end", "tokens=9,gap=2,end@4"),
    ("noterm", "tokens=9,gap=2,noterm"),
    ("errevent", "tokens=9,gap=2,errevent@4"),
    ("badevent", "tokens=9,gap=2,badevent@4"),
    ("e400", "400"),
    ("e401", "401"),
    ("e429", "429,retry_after=7"),
    ("e500", "500"),
    ("e503", "503"),
    ("context", "context_length"),
    ("quota", "insufficient_quota"),
    ("filter", "content_filter"),
    ("stall", "tokens=9,stall@4"),
    ("silent", "tokens=4,nousage"),
];

fn provider() -> SocketAddr {
    static PROVIDER: OnceLock<SocketAddr> = OnceLock::new();
    *PROVIDER.get_or_init(|| {
        loadtest::mock::spawn_requiring(SocketAddr::from(([127, 0, 0, 1], 0)), KEY).expect("the provider starts")
    })
}

/// The accounts' documents.
pub fn accounts() -> String {
    let address = provider();
    let mut text = String::new();
    let mut account = |name: &str, kind: &str, more: &str| {
        let auth = match kind {
            "aws-bedrock" => "{type: access-key, access_key_id: AKID, secret_access_key: \"${env:UPSTREAM_KEY}\"}",
            "google-vertex" => "{type: bearer-auth, bearer_token: \"${env:UPSTREAM_KEY}\"}",
            _ => "{type: api-key, api_key: \"${env:UPSTREAM_KEY}\"}",
        };
        let path = if matches!(kind, "openai" | "mistral-ai") { "/v1" } else { "" };
        let types = if name == "responses" { ", model_types: [responses]" } else { "" };
        let _ = write!(
            text,
            "---\ntype: provider-account/{kind}\nname: {name}\nbase_url: http://{address}{path}\nauth_data: {auth}\n{more}\nintegrations:\n"
        );
        for (model, options) in MODELS {
            // Each is overloaded with a status of its own, and Mistral has its own way with much.
            let options = if kind == "anthropic" { options.replace("503", "529") } else { (*options).to_owned() };
            let flavour = if kind == "mistral-ai" { ",mistral" } else { "" };
            let _ = writeln!(text, "  - {{name: {model}, model_id: \"mock:{options}{flavour}\"{types}}}");
        }
        if kind == "aws-bedrock" {
            // Their makers have dialects of their own there, told by the name.
            let _ = writeln!(text, "  - {{name: titan, model_id: \"amazon.titan-embed-text-v2:0\"}}");
            let _ = writeln!(text, "  - {{name: cohere-embed, model_id: cohere.embed-english-v3}}");
        }
    };
    for (name, kind, more) in ACCOUNTS {
        account(name, kind, more);
    }
    account(DROPPING[0], "anthropic", "on_unsupported: drop");
    account(DROPPING[1], "google-gemini", "on_unsupported: drop");
    text
}

/// A gateway with all of them; `more` are further keys of its first document.
pub fn gateway(driver: &str, more: &str) -> Gateway {
    Gateway::start_with(driver, &config(&format!("{more}{}", accounts())), &[("UPSTREAM_KEY", KEY)])
}

/// What [`accounts`] needs in the environment.
pub const ENVIRONMENT: (&str, &str) = ("UPSTREAM_KEY", KEY);
