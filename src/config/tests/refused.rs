//! The exact words of what is refused, with their lines.

use proptest::prelude::*;

use super::*;

const MOCK: &str = "type: provider-account/mock\nname: m\n";

#[test]
fn faults_say_where_what_and_what_was_expected() {
    let sluice = |rest: &str| format!("type: sluice\nname: a\n{rest}\n");
    let openai = |rest: &str| format!("type: provider-account/openai\nname: a\n{rest}\n");
    let virtual_account = |rest: &str| format!("{MOCK}---\ntype: virtual-account\nname: a\n{rest}\n");
    let golden: Vec<(String, &str)> = vec![
        (
            sluice("listne: 127.0.0.1:8080"),
            "test.yaml:3: unknown key `listne` in a `type: sluice` document; expected `type`, `name`, `listen`, `tls`, \
             `admin`, `admin_token`, `shards`, `auth`, `storage`, `telemetry`, `prices`, `limits` or `log`; did you mean `listen`?",
        ),
        (
            sluice("listen: localhost:8080"),
            "test.yaml:3: `listen`: expected an address and port, such as `127.0.0.1:8080` or `[::1]:8080`",
        ),
        (
            sluice("listen: {a: b}"),
            "test.yaml:3: `listen`: expected an address and port, such as `127.0.0.1:8080` or \
             `[::1]:8080`, found a mapping",
        ),
        (sluice("listen: [127.0.0.1:1,\n  127.0.0.1:1]"), "test.yaml:4: `listen`: the same address is given twice"),
        (sluice("admin: 127.0.0.1:8080"), "test.yaml:3: `admin`: expected another address than those of `listen`"),
        (
            sluice("auth: none\nlisten: 0.0.0.0:8080"),
            "test.yaml:3: `auth: none` is accepted only when every `listen` address is a loopback address",
        ),
        (
            sluice("admin: 0.0.0.0:8081"),
            "test.yaml:3: `admin_token` is required when `admin` is not a loopback address",
        ),
        (
            sluice("admin_token: swordfish"),
            "test.yaml:3: `admin_token`: a secret is never written inline; expected `${env:NAME}` or `${file:/path}`",
        ),
        (sluice("admin_token: ${env:MISSING}"), "test.yaml:3: `admin_token`: environment variable MISSING is not set"),
        (
            sluice("admin_token: ${file:secret}"),
            "test.yaml:3: `admin_token`: cannot read the secret in /nowhere/secret: No such file or directory (os error 2)",
        ),
        (sluice("shards: many"), "test.yaml:3: `shards`: expected `auto` or a number from 1 to 1024"),
        (sluice("tls: {cert: a.pem}"), "test.yaml:3: tls lacks its key `key`"),
        (sluice("limits:\n  head_ms: soon"), "test.yaml:4: `head_ms`: expected a whole number from 1 to 86400000"),
        (
            sluice("limits:\n  request_body_max: 2GiB"),
            "test.yaml:4: `request_body_max`: expected a size from 1KiB to 1GiB, such as `65536`, `64KiB`, `32MiB` or `10GiB`",
        ),
        (
            sluice("limits: {head_bytes_max: 8192,\n  head_max: 8192}"),
            "test.yaml:4: `head_max` is given twice, under two names",
        ),
        (sluice("auth: required\nauth: none"), "test.yaml:4: key `auth` is given twice, first on line 3"),
        (sluice("log: *x"), "test.yaml:3: not YAML: while parsing node, found unknown anchor"),
        (
            sluice("log: &x {access: true}"),
            "test.yaml:3: anchors (`&name`) are not served: write the value out where it is needed",
        ),
        (sluice("log: {access: !!bool true}"), "test.yaml:3: tags (`!name`) are not served: write the plain value"),
        (sluice("log: {access: yes}"), "test.yaml:3: `access`: expected `true` or `false`"),
        (
            sluice("---\ntype: sluice\nname: b"),
            "test.yaml:4: a second `type: sluice` document; expected one for the whole configuration",
        ),
        ("name: a\n".to_owned(), "test.yaml:1: a document lacks its key `type`; expected, for example, `type: sluice`"),
        ("- a\n".to_owned(), "test.yaml:1: `a document`: expected a mapping, found a list"),
        ("type: sluice\n".to_owned(), "test.yaml:1: a `type: sluice` document lacks its key `name`"),
        (
            openai("auth_data: {type: api-key, api_key: sk-swordfish}"),
            "test.yaml:3: `api_key`: a secret is never written inline; expected `${env:NAME}` or `${file:/path}`",
        ),
        (openai(""), "test.yaml:1: a provider account without a `base_url` lacks its key `auth_data`"),
        (
            openai("base_url: https://swordfish:x@host/"),
            "test.yaml:3: `base_url`: expected `http://HOST[:PORT][/PATH]` or `https://...`, without user, query or fragment",
        ),
        (
            openai("base_url: http://h\nauth_data: {type: magic}"),
            "test.yaml:4: `type`: expected `api-key`, `bearer-auth` or `basic-auth`",
        ),
        (
            openai("base_url: http://h\nheaders:\n  Authorization: swordfish"),
            "test.yaml:5: `headers`: `authorization` is written by Sluice itself and may not be set here",
        ),
        (
            openai("base_url: http://h\nheaders:\n  X-Api-Key: swordfish"),
            "test.yaml:5: `x-api-key`: a secret is never written inline; expected `${env:NAME}` or `${file:/path}` in its place",
        ),
        (
            openai("base_url: http://h\nheaders: {a: \"b\\r\\nc: swordfish\"}"),
            "test.yaml:4: `a`: expected a header value: visible ASCII and inner spaces",
        ),
        (
            openai("base_url: http://h\nintegrations:\n  - {name: m, cost: {metric: per_1000_tokens}}"),
            "test.yaml:5: a `cost` of this metric lacks its key `value`",
        ),
        (
            openai("base_url: http://h\nintegrations:\n  - {name: m}\n  - {name: m}"),
            "test.yaml:6: an integration named `m` is already in this account",
        ),
        (
            openai("base_url: http://h\nintegrations: [{name: m, type: integration/model/anthropic}]"),
            "test.yaml:4: `type`: expected `integration/model/openai`, as the account's own type is",
        ),
        (
            openai("base_url: http://h\ntls_settings: {ca: x}"),
            "test.yaml:4: `tls_settings` needs a `base_url` that begins with `https://`",
        ),
        (
            format!("{MOCK}---\n{MOCK}"),
            "test.yaml:5: a provider account named `m` is already there; expected a name of its own",
        ),
        (
            "type: provider-account/mock\nname: a/b".to_owned(),
            "test.yaml:2: `name`: expected letters, digits, `.`, `_` and `-`, at most 128 of them",
        ),
        (
            virtual_account("permissions: [{resource_fqn: \"n/*\"}]"),
            "test.yaml:6: `resource_fqn`: no provider account is named `n`; did you mean `m`?",
        ),
        (
            virtual_account("permissions: [{resource_fqn: m}]"),
            "test.yaml:6: `resource_fqn`: expected `ACCOUNT/MODEL`, `ACCOUNT/*`, `*` or the name of a virtual model",
        ),
        (
            virtual_account("tokens: [{id: k, sha256: abc}]"),
            "test.yaml:6: `sha256`: expected the 64 hex digits of the token's SHA-256",
        ),
        (
            virtual_account("tokens: [{id: k, value: swordfish}]"),
            "test.yaml:6: `value`: a secret is never written inline; expected `${env:NAME}` or `${file:/path}`",
        ),
        (virtual_account("tokens: [{id: k}]"), "test.yaml:6: a token has either `sha256` or `value`"),
    ];
    for (text, expected) in golden {
        assert_eq!(refused(&text, &[]), [expected], "{text}");
    }
}

#[test]
fn a_reference_that_lacks_its_quotes_is_told_so() {
    let text = "type: provider-account/openai\nname: a\nauth_data: {type: api-key, api_key: ${env:A}}\n";
    let faults = refused(text, &[("A", "x")]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with("test.yaml:3: not YAML: "), "{faults:?}");
    assert!(faults[0].ends_with("; within `{}` a reference needs quotes: \"${env:NAME}\""), "{faults:?}");
}

#[test]
fn a_mapping_without_end_is_not_searched_without_end() {
    let keys: String = (0..200_000).map(|i| format!("k{i}: 1\n")).collect();
    assert_eq!(refused(&keys, &[]), ["test.yaml:4097: more than 4096 keys in one mapping"]);
}

#[test]
fn types_that_are_not_served_say_so_and_list_those_that_are() {
    let types = [
        "gateway-rate-limiting-config",
        "gateway-budget-config",
        "gateway-guardrails-config",
        "provider-account/aws-sagemaker",
        "provider-account/palm",
        "nonsense",
    ];
    for kind in types {
        let faults = refused(&format!("name: x\ntype: {kind}\nrules: []"), &[]);
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        let start = format!(
            "test.yaml:2: type `{kind}` is not served by this version; expected `sluice`, `virtual-account`, \
             `gateway-load-balancing-config`, `gateway-fallback-config`, `provider-account/virtual-model`, \
             `provider-account/openai`, `provider-account/anthropic`, "
        );
        assert!(fault.starts_with(&start), "{fault}");
    }
    let faults = refused("type: provider-account/opnai\nname: x", &[]);
    assert!(faults[0].ends_with("; did you mean `provider-account/openai`?"), "{faults:?}");
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_their_lines() {
    let text = "type: sluice\nname: a\nlisten: nowhere\nshards: 0\ncolour: red\n---\n\
                type: provider-account/openai\nname: \"b c\"\nbase_url: ftp://x\n---\n\
                type: provider-account/openai\nname: d\nauth_data: {type: api-key, api_key: \"${env:NO}\"}\n---\n\
                type: mystery\n---\ntype: virtual-account\nname: v\nteams: team\n---\nnot: [closed\n";
    let faults = refused(text, &[("ENABLE_OTEL_TRACING", "maybe")]);
    let places: Vec<&str> = faults.iter().map(|fault| fault.split(": ").next().expect("a place")).collect();
    let lines = [3, 4, 5, 8, 9, 13, 15, 19].map(|line| format!("test.yaml:{line}"));
    assert_eq!(places[..lines.len()], lines, "{faults:#?}");
    assert!(faults[lines.len()].contains("not YAML"), "{faults:#?}");
    assert_eq!(faults.last().map(String::as_str), Some("environment: ENABLE_OTEL_TRACING: expected `true` or `false`"));
}

#[test]
fn a_permission_is_not_blamed_for_an_account_that_could_not_be_read() {
    let text = "type: provider-account/nonsense\nname: x\n---\n\
                type: virtual-account\nname: v\npermissions: [{resource_fqn: \"x/*\"}]";
    assert_eq!(refused(text, &[]).len(), 1);
}

#[test]
fn one_token_opens_one_account() {
    let account =
        |name: &str| format!("type: virtual-account\nname: {name}\ntokens: [{{id: k, value: \"${{env:T}}\"}}]\n");
    let faults = refused(&format!("{}---\n{}", account("a"), account("b")), &[("T", "swordfish")]);
    assert_eq!(faults, ["test.yaml:7: token `k` is the same as another one; expected a token of its own"]);
}

#[test]
fn no_fault_holds_a_secret() {
    // A secret in every place where a user might put one by mistake.
    let places = [
        "type: sluice\nname: swordfish!\nlisten: swordfish\nadmin: swordfish\nadmin_token: swordfish\nshards: swordfish\n\
         auth: swordfish\nstorage: swordfish\ntelemetry: {otlp: {endpoint: swordfish, protocol: swordfish, headers: swordfish}}\n\
         limits: {head_ms: swordfish}\nlog: {format: swordfish, access: swordfish}",
        "type: provider-account/openai\nname: \"sword fish swordfish\"\nbase_url: swordfish\nauth_data: {type: swordfish, api_key: swordfish}\n\
         headers: {x-token: swordfish, x-key: \"Bearer swordfish\"}\nask_usage: swordfish\n\
         integrations: [{name: \"a swordfish\", type: swordfish, model_types: [swordfish], cost: {metric: swordfish}}, swordfish]",
        "type: provider-account/openai\nname: a\nauth_data: swordfish",
        "type: provider-account/openai\nname: a\nauth_data: {type: api-key, api_key: \"${env:swordfish-1}\"}",
        "type: provider-account/openai\nname: a\nauth_data: {type: api-key, api_key: \"${env:LINES}\"}",
        "type: provider-account/openai\nname: a\nauth_data: {type: api-key, api_key: \"${env:UMLAUT}\"}",
        "type: provider-account/azure-openai\nname: a\nazure_endpoint: swordfish\napi_version: \"sword fish\"\nauth_data: {type: api-key, api_key: swordfish}",
        "type: provider-account/aws-bedrock\nname: a\nregion: \"swordfish!\"\non_unsupported: swordfish\n\
         auth_data: {type: access-key, access_key_id: \"swordfish!\", secret_access_key: swordfish, session_token: swordfish}",
        "type: provider-account/google-vertex\nname: a\nproject: \"sword fish swordfish\"\nlocation: \"swordfish!\"\n\
         auth_data: {type: service-account, credentials_json: swordfish}",
        "type: provider-account/google-vertex\nname: a\nproject: p\nlocation: global\n\
         auth_data: {type: service-account, credentials_json: \"${env:LINES}\"}",
        "type: provider-account/openai\nname: a\nbase_url: http://h\n---\ntype: gateway-load-balancing-config\nname: lb\nrules:\n\
         - {id: sword fish, type: swordfish, when: {subjects: [swordfish], models: [sword fish], metadata: swordfish},\n\
         on_stream_failure: swordfish, hedge: {after: swordfish}, sticky_routing: swordfish, load_balance_targets: [swordfish,\n\
         {target: swordfish, weight: swordfish, timeout_ms: swordfish, retry_config: {attempts: 1, on_status_codes: [swordfish]},\n\
         headers_override: {set: {x-key: swordfish}, remove: [sword fish]}, override_params: swordfish}]}\nmodel_configs: [{model: swordfish}]",
        "type: gateway-fallback-config\nname: f\nrules: [{id: sword fish, when: {response_status_codes: [swordfish]},\n\
         fallback_models: [swordfish, {target: swordfish}]}]",
        "type: provider-account/virtual-model\nname: sword fish\nintegrations: [swordfish, {name: sword fish, slug: sword fish,\n\
         type: swordfish, model_types: [swordfish], routing_config: swordfish}]",
        "type: virtual-account\nname: a\ntokens: [swordfish, {id: k, sha256: swordfish}, {id: l, value: swordfish}]\n\
         permissions: [swordfish, {resource_fqn: swordfish}]\nmetadata: swordfish\nteams: [\"sword fish\"]",
    ];
    for text in places {
        let faults = refused(text, &[("LINES", "swordfish\nswordfish"), ("UMLAUT", "schwördfish swordfish")]);
        assert!(!faults.is_empty(), "{text}");
        assert!(!faults.iter().any(|fault| fault.contains("swordfish")), "{faults:#?}");
    }
}

#[test]
fn deep_nesting_and_long_words_are_refused_shortly() {
    let faults = refused(&format!("type: {}", "[".repeat(40)), &[]);
    assert_eq!(faults, ["test.yaml:1: nested deeper than 32 levels"]);
    for deep in ["[", "{a: ", "- ", "? "] {
        assert_eq!(refused(&deep.repeat(100_000), &[]).len(), 1, "{deep}");
    }
    let faults = refused(&format!("type: sluice\nname: a\n{}: b", "k".repeat(500)), &[]);
    assert!(faults[0].len() < 400, "{faults:?}");
}

/// Bytes that a YAML parser finds interesting, and words of ours.
fn yamlish() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "type",
        "name",
        ": ",
        ":\n",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "---\n",
        "...\n",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\"",
        "'",
        "|",
        "|2-\n",
        ">\n",
        "#",
        "&a ",
        "*a",
        "!!str ",
        "!",
        "%YAML 1.2\n",
        "? ",
        "~",
        "null",
        "\t",
        "\\",
        "\u{feff}",
        "\u{85}",
        "\0",
        "é",
        "sluice",
        "provider-account/openai",
        "virtual-account",
        "${env:A}",
        "${",
        "listen",
        "integrations",
        "tokens",
        "limits",
        "99999999999999999999",
        "<<",
        "@",
        "`",
    ]);
    let any = prop_oneof![8 => pieces.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(any, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in yamlish()) {
        let _ = load_text(&text, &[("A", "x")]);
    }

    #[test]
    fn no_value_anywhere_makes_the_loader_panic(
        key in prop::sample::select(vec![
            "listen", "tls", "admin", "admin_token", "shards", "auth", "storage", "telemetry", "limits", "log", "base_url",
            "auth_data", "headers", "integrations", "tls_settings", "tokens", "permissions", "metadata", "teams", "name",
            "region", "project", "location", "azure_endpoint", "api_version", "on_unsupported", "responses_api",
            "rules", "model_configs", "health_check",
        ]),
        kind in prop::sample::select(vec![
            "sluice", "provider-account/openai", "provider-account/azure-openai", "provider-account/aws-bedrock",
            "provider-account/google-vertex", "virtual-account", "gateway-load-balancing-config",
            "gateway-fallback-config", "provider-account/virtual-model",
        ]),
        value in yamlish(),
    ) {
        let _ = load_text(&format!("type: {kind}\nname: a\n{key}: {value}\n"), &[("A", "x")]);
    }

    #[test]
    fn no_value_in_a_rule_makes_the_loader_panic(
        key in prop::sample::select(vec![
            "type", "when", "sticky_routing", "hedge", "on_stream_failure", "ttft_p95_ms", "load_balance_targets",
        ]),
        of_target in prop::sample::select(vec![
            "weight", "sla_cutoff", "retry_config", "fallback_status_codes", "override_params", "headers_override",
            "metadata_match", "timeout_ms",
        ]),
        (value, inner) in (yamlish(), yamlish()),
    ) {
        let text = format!(
            "{MOCK}---\ntype: gateway-load-balancing-config\nname: a\nrules:\n  - id: r\n    type: weight-based-routing\n    \
             {key}: {value}\n    load_balance_targets:\n      - target: m/x\n        {of_target}: {inner}\n"
        );
        let _ = load_text(&text, &[("A", "x")]);
    }
}
