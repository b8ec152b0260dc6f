use proptest::prelude::*;

use super::*;

type Seen = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Feeds the slices; checks what must hold of every scan, and returns (name, data, raw) of each event.
fn scan<'a>(slices: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut scanner = Scanner::new(1 << 20);
    let (mut seen, mut all) = (Vec::new(), Vec::new());
    for slice in slices {
        let (mut last, mut any) = (0, false);
        let held = scanner.pending().len();
        let before: usize = seen.iter().map(|(_, _, raw): &Seen| raw.len()).sum();
        all.extend_from_slice(slice);
        scanner
            .feed(slice, |event| {
                assert_eq!(event.carried, !any && held > 0);
                assert!(event.end > last || (event.carried && event.end == 0));
                (last, any) = (event.end, true);
                seen.push((event.name.to_vec(), event.data.to_vec(), event.raw.to_vec()));
                let total: usize = seen.iter().map(|(_, _, raw)| raw.len()).sum();
                assert_eq!(total - before, event.end + held, "end stands right behind the event");
            })
            .unwrap();
        let pending = if any { slice.len() - last } else { held + slice.len() };
        assert_eq!(scanner.pending(), &all[all.len() - pending..]);
    }
    scanner.finish(|event| seen.push((event.name.to_vec(), event.data.to_vec(), event.raw.to_vec())));
    let raw: Vec<u8> = seen.iter().flat_map(|(_, _, raw)| raw.clone()).collect();
    assert_eq!(raw, all, "every byte belongs to one event");
    seen
}

fn data_of(text: &str) -> Vec<String> {
    scan([text.as_bytes()]).into_iter().map(|(_, data, _)| String::from_utf8(data).unwrap()).collect()
}

#[test]
fn fields_are_read_as_the_standard_says() {
    assert_eq!(data_of("data: a\n\ndata:b\n\ndata:  c\n\n"), ["a", "b", " c"]);
    assert_eq!(data_of("data: a\ndata: b\n\ndata\ndata\n\ndata:\n\n"), ["a\nb", "\n", ""]);
    assert_eq!(data_of("data: a\r\n\r\ndata: b\r\rdata: c\n\r\n"), ["a", "b", "c"]);
    assert_eq!(data_of(": comment\n\n\ndata: a\n\ndatabase: b\nid: 3\nretry: 5\n\n"), ["", "", "a", ""]);
    assert_eq!(data_of("\u{feff}data: a\n\n\u{feff}data: b\n\n"), ["a", ""]);
    assert_eq!(data_of("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
    assert_eq!(data_of("data: a\r\n\r\ndata: [DONE]\r"), ["a", "[DONE]"]);
    let named = scan([&b"event: x\nevent: error\ndata: {}\n\nevent\ndata: y\n\n"[..]]);
    assert_eq!(named[0].0, b"error");
    assert_eq!(named[1].0, b"");
}

#[test]
fn an_event_without_end_is_refused_in_any_split() {
    let text = format!("data: a\n\ndata: {}\n\n", "x".repeat(100));
    for step in [1, 7, 1000] {
        let mut scanner = Scanner::new(64);
        let mut events = 0;
        let refused = text.as_bytes().chunks(step).any(|slice| scanner.feed(slice, |_| events += 1).is_err());
        assert!(refused && events == 1, "{step}");
    }
}

#[test]
fn one_line_data_is_a_slice_of_the_input() {
    let text = b"data: hello\n\ndata: world\n\n";
    let mut scanner = Scanner::new(100);
    let range = text.as_ptr_range();
    scanner
        .feed(text, |event| assert!(range.contains(&event.data.as_ptr()) && range.contains(&event.raw.as_ptr())))
        .unwrap();
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("data: "),
        Just("data:"),
        Just("event: error"),
        Just("event:x"),
        Just(": note"),
        Just("data"),
        Just("{\"a\":1}"),
        Just("é漢🦀"),
        Just("\n"),
        Just("\n"),
        Just("\n\n"),
        Just("\r\n"),
        Just("\r\n\r\n"),
        Just("\r"),
        Just("\u{feff}"),
        Just("id: 1"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(text in stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let whole = scan([&text[..]]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort();
        prop_assert_eq!(&scan(at.windows(2).map(|pair| &text[pair[0]..pair[1]])), &whole);
        prop_assert_eq!(&scan(text.chunks(1)), &whole);
    }
}
