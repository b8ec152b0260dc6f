//! The names under which a model may stand in a table.
//!
//! First the name as it is; then what is left of it without its place (`us.` of Bedrock's inference profiles, the path
//! of a Vertex or ARN name); then shorter and shorter beginnings that end at a `-`, `@` or `:`, as long as what is cut
//! off is a date, a version or a word that changes no price. So `gpt-4o-mini-2024-07-18` is `gpt-4o-mini`, but
//! `gpt-4o` is no `gpt-4`, `claude-opus-4-5` no `claude-opus-4`, and `gpt-5-pro` no `gpt-5`: a model that is not listed
//! has no price, which can be seen, where a guess might be wrong tenfold.

const WORDS: [&str; 6] = ["latest", "preview", "default", "exp", "beta", "stable"];
/// Bedrock's geographies.
const PLACES: [&str; 8] = ["us", "eu", "apac", "au", "jp", "ca", "us-gov", "global"];

/// From the likeliest to the least.
pub fn candidates<'m>(provider: &str, model: &'m str) -> Vec<&'m str> {
    let mut whole = vec![model];
    if matches!(provider, "aws-bedrock" | "google-vertex" | "google-gemini") {
        let last = model.rsplit('/').next().unwrap_or(model);
        whole.push(last);
        if let Some((place, rest)) = last.split_once('.')
            && PLACES.contains(&place)
        {
            whole.push(rest);
        }
    }
    whole.dedup();
    let mut all = whole.clone();
    for name in whole {
        // A fine-tuned model: `ft:gpt-4o-mini-2024-07-18:organisation::id`.
        if name.starts_with("ft:") {
            all.extend(name.match_indices(':').nth(1).and_then(|(at, _)| name.get(..at)));
            continue;
        }
        let ends = name.char_indices().rev().filter(|(_, c)| matches!(c, '-' | '@' | ':')).map(|(at, _)| at);
        let cut = ends.filter_map(|at| Some((name.get(..at)?, name.get(at + 1..)?)));
        all.extend(cut.filter(|(before, rest)| stands_for(before, rest)).map(|(before, _)| before));
    }
    all
}

fn stands_for(before: &str, rest: &str) -> bool {
    let mut first = true;
    let sound = rest.split(['-', '@', ':']).all(|part| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        let version = part.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
        // One or two digits at once are another model; after a date's year, or a version, they are part of it.
        let number = digits && (part.len() > 2 || !first) && !part.is_empty();
        first = false;
        number || (version && part.len() > 1) || WORDS.contains(&part)
    });
    sound && !before.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dates_versions_and_idle_words_are_cut_off() {
        for (provider, model, expected) in [
            ("openai", "gpt-4o", vec!["gpt-4o"]),
            ("openai", "gpt-4o-mini-2024-07-18", vec!["gpt-4o-mini-2024-07-18", "gpt-4o-mini"]),
            ("openai", "gpt-5-pro", vec!["gpt-5-pro"]),
            ("openai", "gpt-4-32k", vec!["gpt-4-32k"]),
            ("anthropic", "claude-opus-4-5", vec!["claude-opus-4-5"]),
            ("anthropic", "claude-opus-4-5-20251101", vec!["claude-opus-4-5-20251101", "claude-opus-4-5"]),
            ("anthropic", "claude-sonnet-5@default", vec!["claude-sonnet-5@default", "claude-sonnet-5"]),
            (
                "openai",
                "ft:gpt-4o-mini-2024-07-18:org::id",
                vec!["ft:gpt-4o-mini-2024-07-18:org::id", "ft:gpt-4o-mini-2024-07-18"],
            ),
            ("openrouter", "qwen/qwen3:free", vec!["qwen/qwen3:free"]),
            (
                "google-gemini",
                "models/gemini-3-pro-preview",
                vec!["models/gemini-3-pro-preview", "gemini-3-pro-preview", "models/gemini-3-pro", "gemini-3-pro"],
            ),
            ("mistral-ai", "-latest", vec!["-latest"]),
            ("openai", "", vec![""]),
        ] {
            assert_eq!(candidates(provider, model), expected, "{model}");
        }
        let arn =
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0";
        let found = candidates("aws-bedrock", arn);
        assert!(found.contains(&"us.anthropic.claude-haiku-4-5-20251001-v1:0"), "{found:?}");
        assert!(found.contains(&"anthropic.claude-haiku-4-5-20251001-v1:0"), "{found:?}");
    }
}
