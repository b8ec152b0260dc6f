//! Files and folders, and the examples that come with the repository.

use std::path::Path;

use super::*;

const VARIABLES: [(&str, &str); 11] = [
    ("OPENAI_API_KEY", "a"),
    ("ANTHROPIC_API_KEY", "b"),
    ("GROQ_API_KEY", "c"),
    ("SLUICE_ADMIN_TOKEN", "d"),
    ("COLLECTOR_TOKEN", "e"),
    ("SUPPORT_BOT_TOKEN", "f"),
    ("APP_TOKEN", "g"),
    ("AZURE_OPENAI_API_KEY", "i"),
    ("GEMINI_API_KEY", "j"),
    ("COHERE_API_KEY", "k"),
    ("HOME", "h"),
];

fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn faults(paths: &[PathBuf]) -> Vec<String> {
    match load(paths, &Env::of(&VARIABLES)) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ConfigError::to_string).collect(),
    }
}

#[test]
fn every_example_loads() {
    let mut seen = 0;
    for entry in std::fs::read_dir(repository("")).expect("config/") {
        let path = entry.expect("entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            assert_eq!(faults(std::slice::from_ref(&path)), [""; 0], "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 3);
}

#[test]
fn the_example_shows_the_defaults_of_all_limits() {
    let snapshot =
        load(&[repository("example.yaml")], &Env::of(&VARIABLES)).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(snapshot.limits, Limits::default());
    let text = std::fs::read_to_string(repository("example.yaml")).expect("read");
    for (key, _) in limits::shown_limits(&Limits::default()) {
        assert!(text.contains(&format!("\n  {key}: ")), "{key}");
    }
}

#[test]
fn a_folder_is_its_yaml_files_by_name() {
    let folder = Folder::new();
    folder.write("b.yml", "type: provider-account/mock\nname: second\n");
    folder.write("a.yaml", "type: provider-account/mock\nname: first\n");
    folder.write("notes.txt", "not read");
    folder.write(".hidden.yaml", "not read");
    let secret = folder.write("token", "hush\n");
    let main = folder.write("c.yaml", "type: sluice\nname: a\nadmin_token: ${file:token}\n");
    // The file named twice is read once.
    let snapshot = load(&[folder.0.clone(), main], &Env::of(&[])).unwrap_or_else(|errors| panic!("{errors:?}"));
    let names: Vec<&str> = snapshot.accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(snapshot.process.admin_token.as_ref().map(Secret::expose), Some("hush"));
    let watched = watched_files(&snapshot);
    assert!(watched.contains(&folder.0) && watched.contains(&secret) && watched.contains(&folder.0.join("a.yaml")));
    assert!(!watched.contains(&folder.0.join("notes.txt")));
}

#[test]
fn files_that_cannot_be_read_are_told_with_all_the_rest() {
    let folder = Folder::new();
    let latin = folder.write("latin.yaml", b"type: sluice\nname: caf\xe9\n");
    let huge = folder.write("huge.yaml", vec![b'#'; 4 * 1024 * 1024 + 1]);
    let bad = folder.write("bad.yaml", "type: nothing\n");
    let missing = folder.0.join("missing.yaml");
    let empty = folder.0.join("empty");
    std::fs::create_dir(&empty).expect("made");
    let faults = faults(&[missing.clone(), latin.clone(), huge.clone(), empty.clone(), bad.clone()]);
    let expected = [
        format!("{}: cannot read the file: No such file or directory (os error 2)", missing.display()),
        format!("{}:2: not UTF-8 text", latin.display()),
        format!("{}: larger than 4MiB; expected a configuration", huge.display()),
        format!("{}: the folder holds no configuration; expected files named *.yaml or *.yml", empty.display()),
        format!("{}:1: type `nothing` is not served by this version", bad.display()),
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with(&expected), "{fault}\n{expected}");
    }
}

#[test]
fn certificates_are_loaded_and_watched() {
    let folder = Folder::new();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("generated");
    let cert = folder.write("cert.pem", pair.cert.pem());
    let key = folder.write("key.pem", pair.signing_key.serialize_pem());
    let text = "type: sluice\nname: a\ntls: {cert: cert.pem, key: key.pem}\n---\n\
                type: provider-account/self-hosted-model\nname: h\nbase_url: https://localhost:8443\n\
                tls_settings: {ca: cert.pem}\n";
    let main = folder.write("main.yaml", text);
    let snapshot = load(&[main], &Env::of(&[])).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert!(snapshot.process.tls.is_some());
    assert_eq!(snapshot.process.tls_files, [cert.clone(), key.clone()]);
    assert!(snapshot.accounts[0].upstream.tls.is_some());
    assert!(watched_files(&snapshot).contains(&cert) && watched_files(&snapshot).contains(&key));
    let shown = print_effective(&snapshot);
    assert!(shown.contains("base_url: \"https://localhost:8443/v1\""), "{shown}");
}

#[test]
fn a_bad_certificate_is_told_at_its_line_without_its_bytes() {
    let folder = Folder::new();
    folder.write("cert.pem", "-----BEGIN swordfish\n");
    folder.write("key.pem", "swordfish");
    let main = folder.write("main.yaml", "type: sluice\nname: a\ntls: {cert: cert.pem, key: key.pem}\n");
    let faults = faults(std::slice::from_ref(&main));
    let expected =
        format!("{}:3: `tls`: {}: no certificate read: not PEM", main.display(), folder.0.join("cert.pem").display());
    assert_eq!(faults, [expected]);
}

#[test]
fn the_routing_example_has_one_of_everything() {
    let loaded = load(&[repository("routing.yaml")], &Env::of(&VARIABLES));
    let snapshot = loaded.unwrap_or_else(|errors| panic!("{errors:?}"));
    let routing = &snapshot.routing;
    let mut types: Vec<&str> = routing.rules.iter().map(|rule| rule.routing_type.as_str()).collect();
    types.sort_unstable();
    let expected = [
        "cost-based-routing",
        "latency-based-routing",
        "least-busy-routing",
        "priority-based-routing",
        "slo-routing",
        "weight-based-routing",
    ];
    assert_eq!(types, expected);
    assert_eq!((routing.fallbacks.len(), routing.virtual_models.len()), (1, 1));
    assert!(routing.rules[0].sticky.is_some() && routing.rules[2].hedge.is_some());
    assert_eq!(routing.rules[2].on_stream_failure, OnStreamFailure::Continue);
    let answers = &routing.rules[2].candidates;
    assert!(answers[0].sla.is_some() && answers[1].change.params.len() == 1 && answers[1].metadata_match.len() == 1);
    // What it shows as defaults are those.
    let check = snapshot.accounts[0].health_check.as_ref().expect("asked");
    assert_eq!((check.path.as_str(), check.interval_ms, check.timeout_ms), ("/v1/models", 10_000, 2_000));
    assert_eq!((answers[0].retry.attempts, answers[0].retry.delay_ms), (2, 100));
}

#[test]
fn effective_routing_reads_back_as_the_same() {
    let first = load(&[repository("routing.yaml")], &Env::of(&VARIABLES)).unwrap_or_else(|errors| panic!("{errors:?}"));
    let first = print_effective(&first);
    let with_secrets = first.replace("api_key: \"***\"", "api_key: \"${env:OPENAI_API_KEY}\"");
    let again = load_text(&with_secrets, &VARIABLES).unwrap_or_else(|errors| panic!("{errors:#?}\n{first}"));
    // `***` is the value of headers there, and shown as such again.
    assert_eq!(print_effective(&again), first);
}
