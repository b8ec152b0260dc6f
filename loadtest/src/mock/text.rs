//! The words that answers are made of. Each is one token for the usual tokenizers, so that text and reported usage agree.

const WORDS: &[&str] = &[
    "The", "gate", "opens", "and", "the", "water", "moves", "down", "to", "the", "mill", "where", "it", "turns", "the",
    "wheel", "while", "the", "keeper", "counts", "what", "has", "passed", "and", "writes", "it", "in", "a", "book",
    "so", "that", "every", "farm", "along", "the", "river", "gets", "its", "share", "and", "no", "one", "has", "to",
    "ask", "how", "much", "was", "left", "over", "when", "the", "summer", "came", "because", "the", "number", "was",
    "there", "for", "all", "to", "read", "then",
];

const THOUGHTS: &[&str] = &["First", "look", "at", "the", "level", "then", "at", "the", "sky", "and", "wait"];

/// Token number `index` of a stretch of thinking.
pub fn thought(index: u32) -> String {
    let word = THOUGHTS.get(index as usize % THOUGHTS.len()).copied().unwrap_or("wait");
    if index > 0 { format!(" {word}") } else { word.to_owned() }
}

/// Token number `index` of an answer, with its leading space; exactly `size` bytes when a size is given.
pub fn token(index: u32, size: Option<u32>) -> String {
    let word = |i: u32| WORDS.get(i as usize % WORDS.len()).copied().unwrap_or("the");
    let mut text = String::new();
    if index > 0 {
        text.push(' ');
    }
    text.push_str(word(index));
    if let Some(size) = size.map(|s| s as usize) {
        let mut more = index;
        while text.len() < size {
            more += 1;
            text.push(' ');
            text.push_str(word(more));
        }
        text.truncate(size);
    }
    text
}

/// `other`: from this one on they are other words, none of them the same.
pub fn tokens(count: u32, size: Option<u32>, other: Option<u32>) -> Vec<String> {
    let said = |index: u32| {
        let text = token(index, size);
        if other.is_some_and(|from| index >= from) { text.to_ascii_uppercase() } else { text }
    };
    (0..count).map(said).collect()
}

/// The rule by which prompts are counted: one per word.
pub fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_words_or_exactly_as_long_as_asked() {
        assert_eq!(tokens(4, None, None).concat(), "The gate opens and");
        assert_eq!(words(&tokens(200, None, None).concat()), 200);
        assert!(tokens(100, Some(5), None).iter().all(|t| t.len() == 5));
        assert!(tokens(100, Some(64), None).iter().all(|t| t.len() == 64));
    }

    #[test]
    fn other_words_differ_each_from_its_like() {
        assert_eq!(tokens(3, None, Some(1)).concat(), "The GATE OPENS");
        let (usual, other) = (tokens(200, None, None), tokens(200, None, Some(0)));
        assert!(usual.iter().zip(&other).all(|(one, other)| one != other && one.len() == other.len()));
    }
}
