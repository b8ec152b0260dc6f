//! Any split of the bytes gives the same events, and their raw bytes are the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice::sse::Scanner;

fn events(bytes: &[u8], slice_len: usize) -> (Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>) {
    let (mut events, mut raw) = (Vec::new(), Vec::new());
    let mut scanner = Scanner::new(1 << 20);
    for slice in bytes.chunks(slice_len.max(1)) {
        scanner
            .feed(slice, |event| {
                raw.extend_from_slice(event.raw);
                events.push((event.name.to_vec(), event.data.to_vec()));
            })
            .unwrap();
    }
    scanner.finish(|event| {
        raw.extend_from_slice(event.raw);
        events.push((event.name.to_vec(), event.data.to_vec()));
    });
    (events, raw)
}

fuzz_target!(|input: &[u8]| {
    let Some((&split, bytes)) = input.split_first() else { return };
    let (whole, raw) = events(bytes, usize::MAX);
    assert_eq!(raw, bytes);
    assert_eq!(events(bytes, usize::from(split)).0, whole);
    assert_eq!(events(bytes, 1).0, whole);
});
