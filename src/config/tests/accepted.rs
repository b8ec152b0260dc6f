//! What a good configuration comes to.

use super::*;

#[test]
fn the_embedded_configuration_serves_the_mock_on_loopback() {
    let snapshot = embedded(&Env::of(&[])).expect("loads");
    assert_eq!(snapshot.process.listen, ["127.0.0.1:8080".parse().expect("address")]);
    assert_eq!(snapshot.process.admin, "127.0.0.1:8081".parse().expect("address"));
    assert_eq!(snapshot.process.auth, Auth::None);
    let [mock] = snapshot.accounts.as_slice() else { panic!("one account") };
    assert_eq!((mock.name.as_str(), mock.upstream.host.as_str(), mock.upstream.port), ("mock", "mock", 0));
    // Listed under some names, answers to all.
    assert!(mock.pass_any_model && !mock.models.is_empty());
}

#[test]
fn the_embedded_configuration_has_an_account_for_every_key_that_is_set() {
    let variables = [("OPENAI_API_KEY", "sk-1"), ("ANTHROPIC_API_KEY", "sk-2"), ("GROQ_API_KEY", "")];
    let snapshot = embedded(&Env::of(&variables)).expect("loads");
    let names: Vec<&str> = snapshot.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["mock", "openai", "anthropic"]);
    assert!(snapshot.accounts.iter().all(|account| account.pass_any_model));
}

#[test]
fn every_kind_with_a_usual_key_loads_with_nothing_but_that_key() {
    for kind in &KINDS {
        for variable in kind.key_variables {
            let snapshot = embedded(&Env::of(&[(variable, "k")])).expect(variable);
            let account = snapshot.accounts.last().expect("added");
            assert_eq!(account.kind, kind.suffix);
            assert!(account.upstream.tls.is_some(), "{variable}");
            assert_eq!(account.key().map(Secret::expose), Some("k"), "{variable}");
        }
    }
}

const DESIGN: &str = r#"
type: sluice
name: main
listen: 127.0.0.1:8080
admin: 127.0.0.1:8081
shards: auto
auth: required
storage: {dir: /var/lib/sluice, retention_days: 30, max_bytes: 10GiB}
telemetry:
  otlp: {endpoint: "http://127.0.0.1:4318", protocol: http/protobuf, headers: {}, compression: gzip}
  metadata_labels: [customer_id]
limits: {request_body_max: 32MiB, upstream_connect_ms: 3000, upstream_first_byte_ms: 60000, stream_idle_ms: 30000}
---
type: provider-account/openai
name: openai-main
base_url: https://api.openai.com/v1
auth_data: {type: api-key, api_key: "${env:OPENAI_API_KEY}"}
integrations:
  - {name: gpt-4o-mini, type: integration/model/openai, model_id: gpt-4o-mini, cost: {metric: public_cost}}
---
type: provider-account/anthropic
name: claude
auth_data: {type: api-key, api_key: "${env:ANTHROPIC_API_KEY}"}
---
type: provider-account/aws-bedrock             # every account kind takes base_url, for proxies and tests
name: bedrock
region: us-east-1
auth_data: {type: default-chain}               # or {type: access-key, access_key_id, secret_access_key, session_token}, {type: api-key, api_key}
---
type: virtual-account
name: support-bot
teams: [support]
metadata: {environment: prod}
tokens: [{id: k1, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]
permissions: [{resource_fqn: "openai-main/*"}, {resource_fqn: "claude/*"}]
"#;
const DESIGN_VARIABLES: [(&str, &str); 2] = [("OPENAI_API_KEY", "sk-open"), ("ANTHROPIC_API_KEY", "sk-claude")];

#[test]
fn the_example_of_the_design_loads() {
    let snapshot = accepted(DESIGN, &DESIGN_VARIABLES);
    assert_eq!(snapshot.process.storage.max_bytes, 10 << 30);
    let traces = snapshot.process.telemetry.traces.as_ref().expect("pushed");
    assert_eq!(traces.url, "http://127.0.0.1:4318/v1/traces");
    assert!(traces.gzip);
    let [openai, claude, bedrock] = snapshot.accounts.as_slice() else { panic!("three accounts") };
    assert!(!openai.pass_any_model && claude.pass_any_model);
    let target = &openai.models["gpt-4o-mini"];
    assert_eq!((&*target.fqn, &*target.provider), ("openai-main/gpt-4o-mini", "openai"));
    assert_eq!((&*target.host, target.port), ("api.openai.com", 443));
    assert_eq!((openai.upstream.path_prefix.as_str(), openai.upstream.strip_v1), ("", false));
    assert_eq!((claude.api, claude.ask_usage), (Api::Anthropic, false));
    assert_eq!(bedrock.upstream.authority, "bedrock-runtime.us-east-1.amazonaws.com");
    // One configuration of the client side for every account with the same roots.
    let tls = |account: &Account| account.upstream.tls.clone().expect("https");
    assert!(std::sync::Arc::ptr_eq(&tls(openai), &tls(claude)));
    // The hash is that of "abc" (FIPS 180-2, B.1).
    let [bot] = snapshot.virtual_accounts.as_slice() else { panic!("one virtual account") };
    assert_eq!(&*bot.principal.subject, "virtualaccount:support-bot");
    assert_eq!((&*bot.keys[0].key_id, bot.metadata[0].1.as_str()), ("k1", "prod"));
}

#[test]
fn a_token_given_as_a_value_is_kept_as_its_hash() {
    let by_hash = accepted(DESIGN, &DESIGN_VARIABLES);
    let by_value = "type: virtual-account\nname: a\ntokens: [{id: k, value: \"${env:T}\"}]";
    let by_value = accepted(by_value, &[("T", "abc")]);
    let hash = by_value.tokens.keys().next().expect("one");
    assert_eq!(by_hash.tokens.get(hash), Some(&(0, 0)));
}

#[test]
fn without_a_sluice_document_all_is_by_default_and_callers_need_a_key() {
    let snapshot = accepted("type: provider-account/mock\nname: m\n", &[]);
    assert_eq!(snapshot.process.auth, Auth::Required);
    assert_eq!(snapshot.limits, Limits::default());
    assert_eq!(snapshot.process.storage.dir, None);
    assert!(snapshot.process.telemetry.traces.is_none() && snapshot.process.telemetry.metrics.is_none());
}

#[test]
fn credentials_are_sent_as_their_type_says() {
    let text = r#"
type: provider-account/self-hosted-model
name: basic
base_url: http://localhost:8000/v1/
auth_data: {type: basic-auth, username: Aladdin, password: "${env:P}"}
---
type: provider-account/anthropic
name: bearer
auth_data: {type: bearer-auth, bearer_token: "${env:P}"}
headers: {X-Team: "team ${env:P}", anthropic-beta: plain}
"#;
    let snapshot = accepted(text, &[("P", "open sesame")]);
    let [basic, bearer] = snapshot.accounts.as_slice() else { panic!("two accounts") };
    let header = |account: &Account, name: &str| {
        account.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose().to_owned())
    };
    // RFC 7617 2.
    assert_eq!(header(basic, "authorization").as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    assert_eq!(header(bearer, "authorization").as_deref(), Some("Bearer open sesame"));
    assert_eq!(header(bearer, "x-team").as_deref(), Some("team open sesame"));
    assert!(basic.key().is_none() && bearer.key().is_none() && basic.upstream.tls.is_none());
    assert_eq!(basic.upstream.authority, "localhost:8000");
}

#[test]
fn limits_may_be_written_short_or_with_the_fields_whole_name() {
    let text = "type: sluice\nname: a\nlimits: {head_max: 16KiB, request_line_bytes_max: 9000, drain_ms: 0}";
    let limits = accepted(text, &[]).limits;
    let expected = Limits { head_bytes_max: 16384, request_line_bytes_max: 9000, drain_ms: 0, ..Limits::default() };
    assert_eq!(limits, expected);
}

#[test]
fn shards_share_no_reference_count() {
    let snapshot = accepted(DESIGN, &DESIGN_VARIABLES);
    let copy = snapshot.for_shard();
    let target = |of: &Snapshot| of.accounts[0].models["gpt-4o-mini"].clone();
    assert_eq!(target(&snapshot), target(&copy));
    assert!(!std::sync::Arc::ptr_eq(&target(&snapshot), &target(&copy)));
    let (ours, theirs) = (&snapshot.virtual_accounts[0], &copy.virtual_accounts[0]);
    assert_eq!(ours.principal, theirs.principal);
    assert!(!std::sync::Arc::ptr_eq(&ours.principal, &theirs.principal));
    assert!(!std::sync::Arc::ptr_eq(&ours.keys[0], &theirs.keys[0]));
}

#[test]
fn the_effective_configuration_shows_defaults_and_no_secret() {
    let variables = [("OPENAI_API_KEY", "sk-open"), ("ANTHROPIC_API_KEY", "sk-claude"), ("H", "Bearer hush")];
    let text = DESIGN.replace("headers: {}", "headers: {authorization: \"${env:H}\"}");
    let shown = print_effective(&accepted(&text, &variables));
    for secret in ["sk-open", "sk-claude", "hush", "ba7816bf"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    for line in ["auth: required", "  head_max: 32KiB", "  request_body_max: 32MiB", "  max_bytes: 10GiB"] {
        assert!(shown.lines().any(|known| known == line), "{line}\n{shown}");
    }
    assert!(shown.contains("auth_data: {type: api-key, api_key: \"***\"}"), "{shown}");
    assert!(shown.contains("base_url: \"https://api.anthropic.com/v1\""), "{shown}");
}

#[test]
fn the_effective_configuration_reads_back_but_for_its_secrets() {
    let text = DESIGN.replace("[{id: k1, sha256: \"ba", "[{id: \"1\", sha256: \"ba");
    let first = print_effective(&accepted(&text, &DESIGN_VARIABLES));
    let with_secrets = first
        .replace("api_key: \"***\"", "api_key: \"${env:OPENAI_API_KEY}\"")
        .replace("sha256: \"***\"", &format!("sha256: \"{}\"", "0".repeat(64)));
    let second = print_effective(&accepted(&with_secrets, &DESIGN_VARIABLES));
    let settings = |text: &str| text.lines().filter(|line| !line.contains('#')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(settings(&first), settings(&second));
}
