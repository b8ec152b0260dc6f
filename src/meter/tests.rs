use proptest::prelude::*;

use super::*;

#[test]
fn families_are_known_by_name() {
    for (model, expected) in [
        ("gpt-4o-mini", Family::O200k),
        ("gpt-4.1", Family::O200k),
        ("gpt-5.2-pro", Family::O200k),
        ("openai/gpt-oss-120b", Family::O200k),
        ("ft:gpt-4o-2024-08-06:org::id", Family::O200k),
        ("o1", Family::O200k),
        ("o3-mini", Family::O200k),
        ("gpt-4", Family::Cl100k),
        ("gpt-4-turbo-2024-04-09", Family::Cl100k),
        ("gpt-3.5-turbo", Family::Cl100k),
        ("text-embedding-3-small", Family::Cl100k),
        ("claude-sonnet-5", Family::Unknown),
        ("o1x", Family::Unknown),
        ("llama-3", Family::Unknown),
        ("", Family::Unknown),
    ] {
        assert_eq!(family(model), expected, "{model}");
    }
}

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just(" the"),
        Just(" token"),
        Just("ization"),
        Just("'s"),
        Just(" don't"),
        Just("\n"),
        Just("\n\n"),
        Just("\r\n"),
        Just("  "),
        Just(" "),
        Just("\t"),
        Just("   x"),
        Just("12345"),
        Just(" 7"),
        Just("{\"a\":"),
        Just("//"),
        Just("\n/"),
        Just("你好世界"),
        Just("，"),
        Just("。"),
        Just("です。"),
        Just("Привет"),
        Just("다 "),
        Just("🦀"),
        Just("é"),
        Just("\u{a0}"),
        Just("\u{3000}"),
        Just("ABCdef"),
        Just("...\n"),
        Just("- item"),
        Just("%%"),
    ];
    proptest::collection::vec(word, 0..3000).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn counting_in_pieces_is_exact(text in words(), step in 1..200usize) {
        load_tokenizers();
        let mut pieces = Delivered::new(Family::O200k);
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(step) {
            let mut raw = Vec::new();
            crate::json::escape_into(&piece.iter().collect::<String>(), &mut raw);
            pieces.push_json(&raw);
        }
        prop_assert_eq!(pieces.bytes(), text.len() as u64);
        let whole = bpe_openai::o200k_base().count(text.as_str()) as u64;
        let source = if text.is_empty() { UsageSource::None } else { UsageSource::Counted };
        prop_assert_eq!(pieces.tokens(Family::O200k), (whole, source));
        prop_assert_eq!(pieces.tokens(Family::O200k), (whole, source), "asking changes nothing");
    }
}

#[test]
fn text_without_a_public_tokenizer_is_estimated_and_not_kept() {
    let mut delivered = Delivered::new(Family::Unknown);
    for _ in 0..100_000 {
        delivered.push_json(b"four ");
    }
    assert!(!delivered.needs_tokenizer(Family::Unknown));
    let (tokens, source) = delivered.tokens(Family::Unknown);
    assert_eq!((tokens, source), (125_000, UsageSource::Estimated));
    assert_eq!(estimate_tokens(b"four four "), 3);
}

#[test]
fn without_a_family_text_is_kept_within_bounds() {
    load_tokenizers();
    let mut delivered = Delivered::default();
    delivered.push_json(b"hello world");
    assert_eq!(delivered.tokens(Family::O200k), (2, UsageSource::Counted));
    for _ in 0..100 {
        delivered.push_json(&[b'a'; 4000]);
    }
    assert_eq!(delivered.tokens(Family::O200k).1, UsageSource::Estimated);
}
