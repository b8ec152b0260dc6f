//! The strict scan accepts what serde_json accepts, and its edits leave the rest of the body alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice::json::{Walk, apply_edits, edit_include_usage, edit_model, scan_request};

fuzz_target!(|body: &[u8]| {
    let mut walk = Walk::new(body);
    walk.skip();
    let _ = walk.at_end();
    let Ok(scan) = scan_request(body) else { return };
    let before: serde_json::Value = match serde_json::from_slice(body) {
        Ok(before) => before,
        // RFC 8259 8.2 allows half a surrogate pair, and providers may take it; serde_json does not.
        Err(error) if error.to_string().contains("surrogate") || error.to_string().contains("hex escape") => return,
        Err(error) => panic!("what the scan accepts is JSON: {error}"),
    };
    let mut edits = vec![edit_model(&scan, "new \"model\"")];
    // A body without a model is refused, so nobody puts two members into an empty object.
    if !scan.is_empty_object {
        edits.extend(edit_include_usage(&scan, body));
    }
    let mut out = Vec::new();
    apply_edits(body, &mut edits, &mut out);
    let after: serde_json::Value = serde_json::from_slice(&out).expect("an edited body is JSON");
    assert_eq!(after["model"], "new \"model\"");
    for (key, value) in before.as_object().expect("an object") {
        if key != "model" && key != "stream_options" {
            assert_eq!(after.get(key), Some(value));
        }
    }
});
