//! Recorded streams, followed up to a cut and run again: what was recorded has whatever providers really send. Skipped
//! where the recordings are not at hand.

use std::path::PathBuf;

use super::*;

fn recordings() -> Vec<(String, Face, Vec<Sent>)> {
    let wires = std::env::var_os("SLUICE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("wire");
    let Ok(index) = std::fs::read_to_string(wires.join("INDEX.tsv")) else {
        eprintln!("no recordings in {}: skipped", wires.display());
        return Vec::new();
    };
    let mut found = Vec::new();
    for line in index.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let face = match fields[2] {
            "chat" => Face::ChatCompletions,
            "completions" => Face::Completions,
            "responses" => Face::Responses,
            "messages" => Face::Messages,
            "generate" => Face::Gemini,
            _ => continue,
        };
        if fields[4] != "200" || !fields[0].ends_with(".sse") {
            continue;
        }
        let Ok(bytes) = std::fs::read(wires.join(fields[0])) else { continue };
        let mut sent = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut scanner = Scanner::new(1 << 22);
        scanner.feed(&bytes, |event| sent.push((text(event.name), text(event.data)))).unwrap();
        scanner.finish(|event| sent.push((text(event.name), text(event.data))));
        found.push((fields[0].to_owned(), face, sent));
    }
    found
}

/// What SDKs show: texts, thoughts, calls; how it ended.
fn shown(face: Face, bytes: &[u8]) -> Essence {
    let mut shown = essence(&read(face, bytes));
    shown.finish = shown.finish.filter(|finish| *finish != Finish::StopSequence);
    shown
}

#[test]
fn recorded_streams_cut_anywhere_and_run_again_read_as_they_were() {
    let (mut rescued, mut streams, mut never, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for (file, face, sent) in recordings() {
        let wire = Wire::of(face);
        let bytes: Vec<u8> = sent.iter().flat_map(framed).collect();
        let mut reading = crate::dialect::Reading::new(crate::meter::Family::Unknown);
        for sent in &sent {
            wire.read_event(&event(sent), &mut reading);
        }
        if !reading.terminated || reading.error.is_some() {
            continue;
        }
        let Ok(expected) = std::panic::catch_unwind(|| shown(face, &bytes)) else { continue };
        streams += 1;
        let before = rescued;
        let step = (sent.len() / 40).max(1);
        for cut in (0..sent.len()).step_by(step) {
            let (mut translation, mut out) = first_run(face, wire, &sent[..cut]);
            if !translation.rescuable() {
                continue;
            }
            next_run(&mut translation, wire, &sent, Resume::Restart, &mut out);
            if translation.diverged() {
                wrong.push(format!("{file} cut {cut}: diverged"));
                break;
            }
            let mut got = shown(face, &out);
            // Snowflake does not say how an answer ended.
            got.finish = got.finish.filter(|_| expected.finish.is_some());
            if got != expected {
                wrong.push(format!("{file} cut {cut}\n  {got:?}\n  {expected:?}"));
                break;
            }
            rescued += 1;
        }
        if rescued == before + 1 || rescued == before {
            never.push(file);
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{rescued} cuts of {streams} streams; hardly any of {never:#?}");
}
