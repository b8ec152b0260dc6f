//! Accounts of every kind: what they come to, and what is wrong with them.

use super::*;
use crate::config::AwsKeys;

const PEM: &str = include_str!("../../provider/fixtures/test-only-rsa.pem");
const VARIABLES: [(&str, &str); 2] = [("K", "open-sesame"), ("T", "token")];

fn account(kind: &str, rest: &str) -> Account {
    let text = format!("type: provider-account/{kind}\nname: a\n{rest}\n");
    accepted(&text, &VARIABLES).accounts.remove(0)
}

fn faults(kind: &str, rest: &str) -> Vec<String> {
    refused(&format!("type: provider-account/{kind}\nname: a\n{rest}\n"), &VARIABLES)
}

fn key_file() -> String {
    let file = serde_json::json!({"type": "service_account", "client_email": "robot@p", "private_key": PEM});
    serde_json::to_string_pretty(&file).expect("JSON")
}

const KEY: &str = "auth_data: {type: api-key, api_key: \"${env:K}\"}";
const CHAIN: &str = "auth_data: {type: default-chain}";

#[test]
fn each_kind_knows_its_place_and_its_paths() {
    let v1 = |version: Option<&str>| Paths::AzureV1 { api_version: version.map(str::to_owned) };
    let dated = Paths::AzureDeployments { api_version: "2024-10-21".to_owned() };
    let vertex = |location: &str| Paths::Vertex { project: "p-1".to_owned(), location: location.to_owned() };
    let azure = "azure_endpoint: https://r.openai.azure.com/";
    for (kind, rest, api, authority, paths, region) in [
        ("azure-openai", format!("{azure}\n{KEY}"), Api::OpenAi, "r.openai.azure.com", v1(None), None),
        (
            "azure-openai",
            format!("{azure}\napi_version: 2024-10-21\n{KEY}"),
            Api::OpenAi,
            "r.openai.azure.com",
            dated,
            None,
        ),
        (
            "azure-openai",
            format!("{azure}\napi_version: preview\n{KEY}"),
            Api::OpenAi,
            "r.openai.azure.com",
            v1(Some("preview")),
            None,
        ),
        (
            "azure-foundry",
            "base_url: http://127.0.0.1:9/openai/v1".to_owned(),
            Api::OpenAi,
            "127.0.0.1:9",
            v1(None),
            None,
        ),
        ("google-gemini", KEY.to_owned(), Api::Gemini, "generativelanguage.googleapis.com", Paths::Gemini, None),
        (
            "google-vertex",
            format!("project: p-1\nlocation: europe-west4\n{CHAIN}"),
            Api::Gemini,
            "europe-west4-aiplatform.googleapis.com",
            vertex("europe-west4"),
            Some("europe-west4"),
        ),
        (
            "google-vertex",
            format!("project: p-1\nregion: global\n{CHAIN}"),
            Api::Gemini,
            "aiplatform.googleapis.com",
            vertex("global"),
            Some("global"),
        ),
        (
            "google-vertex",
            format!("project: p-1\nlocation: eu\n{CHAIN}"),
            Api::Gemini,
            "aiplatform.eu.rep.googleapis.com",
            vertex("eu"),
            Some("eu"),
        ),
        (
            "aws-bedrock",
            format!("region: us-east-1\n{CHAIN}"),
            Api::Bedrock,
            "bedrock-runtime.us-east-1.amazonaws.com",
            Paths::Bedrock,
            Some("us-east-1"),
        ),
        (
            "aws-bedrock",
            format!("region: cn-north-1\n{CHAIN}"),
            Api::Bedrock,
            "bedrock-runtime.cn-north-1.amazonaws.com.cn",
            Paths::Bedrock,
            Some("cn-north-1"),
        ),
        (
            "aws-bedrock",
            format!("region: eu-west-1\nbase_url: http://127.0.0.1:9\n{KEY}"),
            Api::Bedrock,
            "127.0.0.1:9",
            Paths::Bedrock,
            Some("eu-west-1"),
        ),
        ("cohere", KEY.to_owned(), Api::Cohere, "api.cohere.com", Paths::Cohere, None),
    ] {
        let account = account(kind, &rest);
        assert_eq!(
            (account.api, account.upstream.authority.as_str(), &account.paths),
            (api, authority, &paths),
            "{rest}"
        );
        assert_eq!((account.region.as_deref(), account.upstream.path_prefix.as_str()), (region, ""), "{rest}");
        assert!(account.pass_any_model && account.on_unsupported == OnUnsupported::Refuse, "{rest}");
    }
}

#[test]
fn each_kind_is_called_with_its_own_credentials() {
    let keys = |session_token: Option<&str>| {
        Credential::AwsKeys(AwsKeys {
            access_key_id: "AKIA1".to_owned(),
            secret_access_key: Secret::new("open-sesame".to_owned()),
            session_token: session_token.map(|token| Secret::new(token.to_owned())),
        })
    };
    let key = || Credential::Key(Secret::new("open-sesame".to_owned()));
    let access = "type: access-key, access_key_id: AKIA1, secret_access_key: \"${env:K}\"";
    for (kind, auth, credential) in [
        ("azure-openai", "type: api-key, api_key: \"${env:K}\"", key()),
        ("google-gemini", "type: api-key, api_key: \"${env:K}\"", key()),
        ("cohere", "type: api-key, api_key: \"${env:K}\"", key()),
        ("aws-bedrock", "type: api-key, api_key: \"${env:K}\"", key()),
        ("aws-bedrock", "type: default-chain", Credential::Fetched(CredentialSource::AwsDefaultChain)),
        ("aws-bedrock", access, keys(None)),
        ("aws-bedrock", &format!("{access}, session_token: \"${{env:T}}\""), keys(Some("token"))),
        ("google-vertex", "type: default-chain", Credential::Fetched(CredentialSource::GoogleDefaultChain)),
        ("google-vertex", "type: bearer-auth, bearer_token: \"${env:K}\"", Credential::None),
        ("azure-openai", "type: bearer-auth, bearer_token: \"${env:K}\"", Credential::None),
    ] {
        let place = match kind {
            "aws-bedrock" => "region: us-east-1",
            "google-vertex" => "project: p\nlocation: global",
            _ => "base_url: http://127.0.0.1:9",
        };
        let account = account(kind, &format!("{place}\nauth_data: {{{auth}}}"));
        assert_eq!(account.credential, credential, "{kind} {auth}");
        let header = account.headers.iter().find(|(name, _)| name == "authorization");
        let bearer = auth.contains("bearer-auth").then_some("Bearer open-sesame");
        assert_eq!(header.map(|(_, value)| value.expose()), bearer, "{kind} {auth}");
    }
}

#[test]
fn a_service_account_is_a_key_file_or_the_same_as_a_secret() {
    let folder = Folder::new();
    let path = folder.write("key.json", key_file());
    let text = "type: provider-account/google-vertex\nname: a\nproject: p\nlocation: global\nauth_data: {type: service-account, KEY}\n";
    let path_text = path.to_string_lossy().into_owned();
    for (key, variables) in [
        ("key_file: key.json", vec![]),
        ("credentials_json: \"${file:key.json}\"", vec![]),
        ("credentials_json: \"${env:GOOGLE_KEY}\"", vec![("GOOGLE_KEY", key_file())]),
    ] {
        let config = folder.write("sluice.yaml", text.replace("KEY", key));
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let snapshot = load(&[config], &Env::of(&variables)).expect(key);
        let Credential::Fetched(CredentialSource::GoogleServiceAccount { client_email, .. }) =
            &snapshot.accounts[0].credential
        else {
            panic!("a service account")
        };
        assert_eq!(client_email, "robot@p");
        let watched = watched_files(&snapshot).iter().any(|file| file.to_string_lossy() == path_text);
        assert_eq!(watched, key.contains("key.json"), "a new key is picked up: {key}");
    }
}

#[test]
fn models_may_have_the_short_name_of_their_kind() {
    for (kind, rest, types) in [
        ("aws-bedrock", format!("region: us-east-1\n{CHAIN}"), ["bedrock", "aws-bedrock"]),
        ("google-gemini", KEY.to_owned(), ["gemini", "google-gemini"]),
        ("google-vertex", format!("project: p\nlocation: global\n{CHAIN}"), ["vertex", "google-vertex"]),
    ] {
        for model in types {
            let rest = format!("{rest}\nintegrations: [{{name: m, type: integration/model/{model}, model_id: x.y-1}}]");
            assert_eq!(&*account(kind, &rest).models["m"].model_id, "x.y-1");
        }
    }
}

#[test]
fn what_an_account_speaks_is_its_kinds_or_said_by_the_account() {
    let local = |kind: &str, rest: &str| account(kind, &format!("base_url: http://h\n{rest}"));
    for (kind, speaks) in [
        ("openai", true),
        ("azure-openai", true),
        ("openrouter", true),
        ("xai", true),
        ("groq", true),
        ("ollama", true),
        ("self-hosted-model", true),
        ("mistral-ai", false),
        ("deepseek", false),
        ("together-ai", false),
        ("perplexity-ai", false),
        ("cerebras", false),
        ("deepinfra", false),
        ("sambanova", false),
    ] {
        assert_eq!(local(kind, "").speaks_responses, speaks, "{kind}");
        assert_eq!(local(kind, &format!("responses_api: {}", !speaks)).speaks_responses, !speaks, "{kind}");
    }
    assert_eq!(local("openai", "on_unsupported: drop").on_unsupported, OnUnsupported::Drop);
}

#[test]
fn faults_of_provider_accounts_say_what_was_expected() {
    let bedrock = |auth: &str| format!("region: us-east-1\nauth_data: {{{auth}}}");
    let vertex = |auth: &str| format!("project: p\nlocation: global\nauth_data: {{{auth}}}");
    let golden: Vec<(&str, String, &str)> = vec![
        ("azure-openai", KEY.to_owned(), "test.yaml:1: a provider account of this type lacks its key `azure_endpoint`"),
        (
            "azure-openai",
            "azure_endpoint: https://h".to_owned(),
            "test.yaml:1: a provider account without a `base_url` lacks its key `auth_data`",
        ),
        (
            "azure-openai",
            format!("azure_endpoint: https://h\nbase_url: https://h\n{KEY}"),
            "test.yaml:4: `azure_endpoint` and `base_url` are the same; expected one of them",
        ),
        (
            "azure-openai",
            format!("azure_endpoint: https://h\napi_version: \"a&b\"\n{KEY}"),
            "test.yaml:4: `api_version`: expected a version such as `2024-10-21` or `preview`",
        ),
        (
            "google-gemini",
            String::new(),
            "test.yaml:1: a provider account without a `base_url` lacks its key `auth_data`",
        ),
        ("aws-bedrock", CHAIN.to_owned(), "test.yaml:1: a provider account of this type lacks its key `region`"),
        (
            "aws-bedrock",
            format!("region: US East\n{CHAIN}"),
            "test.yaml:3: `region`: expected a region such as `us-east-1`",
        ),
        (
            "aws-bedrock",
            "region: us-east-1".to_owned(),
            "test.yaml:1: a provider account without a `base_url` lacks its key `auth_data`",
        ),
        (
            "aws-bedrock",
            bedrock("type: basic-auth"),
            "test.yaml:4: `type`: expected `default-chain`, `access-key` or `api-key`",
        ),
        (
            "aws-bedrock",
            bedrock("type: access-key, access_key_id: AKIA1"),
            "test.yaml:4: auth_data lacks its key `secret_access_key`",
        ),
        (
            "aws-bedrock",
            bedrock("type: access-key, access_key_id: AKIA1, secret_access_key: swordfish"),
            "test.yaml:4: `secret_access_key`: a secret is never written inline; expected `${env:NAME}` or `${file:/path}`",
        ),
        (
            "aws-bedrock",
            bedrock("type: access-key, access_key_id: sword/fish, secret_access_key: \"${env:K}\""),
            "test.yaml:4: `access_key_id`: expected letters and digits, such as `AKIAIOSFODNN7EXAMPLE`, or a reference",
        ),
        (
            "aws-bedrock",
            bedrock("type: default-chain, role: x"),
            "test.yaml:4: unknown key `role` in auth_data; expected `type`",
        ),
        (
            "aws-bedrock",
            format!("region: us-east-1\n{CHAIN}\nheaders: {{X-Amz-Date: \"0\"}}"),
            "test.yaml:5: `headers`: `x-amz-date` is written by Sluice itself and may not be set here",
        ),
        (
            "aws-bedrock",
            format!("region: us-east-1\n{CHAIN}\nask_usage: true"),
            "test.yaml:5: unknown key `ask_usage` in a provider account; expected `type`, `name`, `base_url`, `auth_data`, `headers`, `integrations`, `tls_settings`, `on_unsupported`, `discount_percent`, `health_check` or `region`",
        ),
        (
            "google-vertex",
            format!("location: global\n{CHAIN}"),
            "test.yaml:1: a provider account of this type lacks its key `project`",
        ),
        (
            "google-vertex",
            format!("project: ..\nlocation: global\n{CHAIN}"),
            "test.yaml:3: `project`: expected a project's id or number",
        ),
        (
            "google-vertex",
            format!("project: p\n{CHAIN}"),
            "test.yaml:1: a provider account of this type lacks its key `location`",
        ),
        (
            "google-vertex",
            format!("project: p\nlocation: us\nregion: us\n{CHAIN}"),
            "test.yaml:5: `location` and `region` are the same; expected one of them",
        ),
        (
            "google-vertex",
            vertex("type: api-key, api_key: \"${env:K}\""),
            "test.yaml:5: `type`: expected `service-account`, `default-chain` or `bearer-auth`",
        ),
        (
            "google-vertex",
            vertex("type: service-account"),
            "test.yaml:5: a service account has either `key_file` or `credentials_json`",
        ),
        (
            "google-vertex",
            vertex("type: service-account, key_file: k.json"),
            "test.yaml:5: `key_file`: cannot read the secret in /nowhere/k.json: No such file or directory (os error 2)",
        ),
        (
            "google-vertex",
            vertex("type: service-account, credentials_json: \"${env:K}\""),
            "test.yaml:5: `credentials_json`: not JSON; expected the key file of a service account",
        ),
        (
            "google-vertex",
            format!("{}\nintegrations: [{{name: c, model_id: anthropic/claude-x}}]", vertex("type: default-chain")),
            "test.yaml:6: `model_id`: only Google's own models are served on Vertex",
        ),
        (
            "google-gemini",
            format!("{KEY}\nintegrations: [{{name: g, type: integration/model/vertex}}]"),
            "test.yaml:4: `type`: expected `integration/model/gemini` or `integration/model/google-gemini`, as the account's own type is",
        ),
        (
            "google-gemini",
            format!("{KEY}\nheaders: {{X-Goog-Api-Key: \"${{env:K}}\"}}"),
            "test.yaml:4: `headers`: `x-goog-api-key` is written by Sluice itself and may not be set here",
        ),
        (
            "azure-openai",
            "base_url: http://h\nheaders: {api-key: \"${env:K}\"}".to_owned(),
            "test.yaml:4: `headers`: `api-key` is written by Sluice itself and may not be set here",
        ),
        (
            "openai",
            format!("{KEY}\non_unsupported: ignore"),
            "test.yaml:4: `on_unsupported`: expected `refuse` or `drop`",
        ),
        (
            "openai",
            format!("{KEY}\nregion: us-east-1"),
            "test.yaml:4: unknown key `region` in a provider account; expected `type`, `name`, `base_url`, `auth_data`, `headers`, `integrations`, `tls_settings`, `on_unsupported`, `discount_percent`, `health_check`, `ask_usage` or `responses_api`",
        ),
    ];
    for (kind, rest, expected) in golden {
        assert_eq!(faults(kind, &rest), [expected], "{kind}\n{rest}");
    }
}

#[test]
fn the_effective_configuration_of_every_kind_reads_back_and_shows_no_secret() {
    let access = "{type: access-key, access_key_id: AKIA1, secret_access_key: \"${env:K}\"";
    let json = key_file();
    let variables = [("K", "open-sesame"), ("J", json.as_str())];
    for (kind, rest) in [
        ("azure-openai", format!("azure_endpoint: https://h\napi_version: 2024-10-21\n{KEY}")),
        ("azure-foundry", format!("base_url: http://h:1/x/openai\n{KEY}\nresponses_api: false\non_unsupported: drop")),
        ("google-gemini", format!("base_url: https://h/v1beta\n{KEY}")),
        (
            "google-vertex",
            "project: p\nlocation: us\nauth_data: {type: service-account, credentials_json: \"${env:J}\"}".to_owned(),
        ),
        (
            "google-vertex",
            "project: p\nregion: eu\nauth_data: {type: bearer-auth, bearer_token: \"${env:K}\"}".to_owned(),
        ),
        (
            "aws-bedrock",
            format!("region: us-east-1\n{CHAIN}\nintegrations: [{{name: m, type: integration/model/bedrock}}]"),
        ),
        ("aws-bedrock", format!("region: us-east-1\nauth_data: {access}}}")),
        ("aws-bedrock", format!("region: us-east-1\nauth_data: {access}, session_token: \"${{env:K}}\"}}")),
        ("cohere", format!("{KEY}\nbase_url: http://h/v2")),
        ("databricks", format!("{KEY}\nbase_url: https://h/serving-endpoints")),
    ] {
        let text = format!("type: provider-account/{kind}\nname: a\n{rest}\n");
        let first = print_effective(&accepted(&text, &variables));
        assert!(!["open-sesame", "AKIA1", "BEGIN", "robot"].iter().any(|hidden| first.contains(hidden)), "{first}");
        let again =
            first.replace("credentials_json: \"***\"", "credentials_json: \"${env:J}\"").replace("***", "${env:K}");
        assert_eq!(print_effective(&accepted(&again, &variables)), first);
    }
}

#[test]
fn a_health_check_asks_for_the_kinds_own_list_of_models() {
    let azure = "azure_endpoint: https://r.openai.azure.com/";
    for (kind, rest, path) in [
        ("openai", KEY.to_owned(), "/v1/models"),
        ("openai", "base_url: http://h/proxy/v1".to_owned(), "/proxy/v1/models"),
        ("openai", "base_url: http://h/v1/openai".to_owned(), "/v1/openai/models"),
        ("groq", KEY.to_owned(), "/openai/v1/models"),
        ("anthropic", KEY.to_owned(), "/v1/models"),
        ("mock", String::new(), "/v1/models"),
        ("cohere", KEY.to_owned(), "/v1/models"),
        ("google-gemini", KEY.to_owned(), "/v1beta/models"),
        ("azure-openai", format!("{azure}\n{KEY}"), "/openai/v1/models"),
        ("azure-openai", format!("{azure}\napi_version: 2024-10-21\n{KEY}"), "/openai/models?api-version=2024-10-21"),
        ("google-vertex", format!("project: p\nlocation: us\n{CHAIN}"), "/v1/projects/p/locations/us"),
        ("aws-bedrock", format!("region: us-east-1\n{CHAIN}"), "/"),
    ] {
        assert_eq!(account(kind, &rest).health_check, None, "{kind}");
        let check = account(kind, &format!("{rest}\nhealth_check: {{}}")).health_check;
        let expected = HealthCheck { path: path.to_owned(), interval_ms: 10_000, timeout_ms: 2_000 };
        assert_eq!(check, Some(expected), "{kind} {rest}");
    }
    let text = "health_check: {path: \"/up?deep=1\", interval_ms: 500}";
    let expected = HealthCheck { path: "/up?deep=1".to_owned(), interval_ms: 500, timeout_ms: 500 };
    assert_eq!(account("mock", text).health_check, Some(expected));
}

#[test]
fn faults_of_a_health_check_are_told() {
    for (rest, expected) in [
        ("{path: up}", "`path`: expected a path such as `/v1/models`: visible ASCII that begins with `/`"),
        ("{interval_ms: 10}", "`interval_ms`: expected a whole number from 100 to 3600000"),
        ("{interval_ms: 500, timeout_ms: 501}", "`timeout_ms`: expected a whole number from 10 to 500"),
        ("{every_ms: 5}", "unknown key `every_ms` in health_check; expected `path`, `interval_ms` or `timeout_ms`"),
        ("true", "`health_check`: expected a mapping, found a single value"),
    ] {
        assert_eq!(faults("mock", &format!("health_check: {rest}")), [format!("test.yaml:3: {expected}")]);
    }
}
