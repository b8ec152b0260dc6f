//! Frames: no panic, the same for any split; what is refused whole is refused in parts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice::dialect::Frames;

fn events(bytes: &[u8], slice_len: usize) -> (Vec<(Vec<u8>, Vec<u8>)>, bool) {
    let (mut frames, mut events) = (Frames::default(), Vec::new());
    for slice in bytes.chunks(slice_len.max(1)) {
        if frames.feed(slice, |event| events.push((event.name.to_vec(), event.data.to_vec()))).is_err() {
            return (events, false);
        }
    }
    (events, true)
}

fuzz_target!(|input: &[u8]| {
    let Some((&split, bytes)) = input.split_first() else { return };
    let whole = events(bytes, usize::MAX);
    assert_eq!(events(bytes, usize::from(split)), whole);
    assert_eq!(events(bytes, 1), whole);
});
