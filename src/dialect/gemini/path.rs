//! The path of a Gemini call: it, and not the body, says which model is asked and whether the answer streams.

use std::borrow::Cow;

/// Splits a client's path: the model's name, percent-decoded, and whether a stream is asked for. `None` when it is no
/// call of generateContent. A query is not looked at.
///
/// Google's SDKs put `models/` before a name unless it begins with that. A client made for Vertex writes `account/model`
/// as `publishers/account/models/model`, with or without a project and location before it; that is turned back.
pub fn parse_path(path: &[u8]) -> Option<(Cow<'_, str>, bool)> {
    let path = path.split(|&byte| byte == b'?').next()?;
    let rest = [&b"/v1beta/"[..], b"/v1/", b"/v1beta1/"].into_iter().find_map(|version| path.strip_prefix(version))?;
    match decode(rest)? {
        Cow::Borrowed(rest) => split(rest),
        Cow::Owned(rest) => split(&rest).map(|(model, streams)| (Cow::Owned(model.into_owned()), streams)),
    }
}

fn split(rest: &str) -> Option<(Cow<'_, str>, bool)> {
    let (target, streams) = match rest.strip_suffix(":streamGenerateContent") {
        Some(target) => (target, true),
        None => (rest.strip_suffix(":generateContent")?, false),
    };
    let model = model_of(target)?;
    (!model.is_empty() && !model.chars().any(char::is_control)).then_some((model, streams))
}

fn model_of(target: &str) -> Option<Cow<'_, str>> {
    let mut rest = match target.strip_prefix("projects/") {
        Some(rest) => rest.split_once("/locations/")?.1.split_once('/')?.1,
        None => target,
    };
    let begins_well = rest.starts_with("models/") || rest.starts_with("publishers/");
    while let Some(name) = rest.strip_prefix("models/") {
        rest = name;
    }
    let model = match rest.strip_prefix("publishers/").and_then(|rest| rest.split_once("/models/")) {
        Some((_, "")) => return None,
        Some(("google", model)) => Cow::Borrowed(model),
        Some((account, model)) => Cow::Owned(format!("{account}/{model}")),
        None => Cow::Borrowed(rest),
    };
    begins_well.then_some(model)
}

/// RFC 3986 2.1. `None` when an escape is broken or the text is not UTF-8.
fn decode(raw: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'%', raw).is_none() {
        return std::str::from_utf8(raw).ok().map(Cow::Borrowed);
    }
    let hex = |byte: Option<&u8>| byte.and_then(|&byte| (byte as char).to_digit(16));
    let (mut text, mut at) = (Vec::with_capacity(raw.len()), 0);
    while let Some(&byte) = raw.get(at) {
        if byte == b'%' {
            text.push((hex(raw.get(at + 1))? << 4 | hex(raw.get(at + 2))?) as u8);
            at += 3;
        } else {
            text.push(byte);
            at += 1;
        }
    }
    String::from_utf8(text).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_the_model_and_whether_it_streams() {
        for (path, expected) in [
            ("/v1beta/models/gemini-2.5-flash:generateContent", Some(("gemini-2.5-flash", false))),
            ("/v1/models/gemini-2.5-flash:streamGenerateContent", Some(("gemini-2.5-flash", true))),
            ("/v1beta/models/m:streamGenerateContent?alt=sse", Some(("m", true))),
            ("/v1beta/models/openai-main/gpt-4o:generateContent", Some(("openai-main/gpt-4o", false))),
            ("/v1beta/models/openai-main%2Fgpt-4o%3AgenerateContent", Some(("openai-main/gpt-4o", false))),
            ("/v1beta/models/openai-main%2fgpt-4o:generateContent", Some(("openai-main/gpt-4o", false))),
            ("/v1/models/b/anthropic.claude-v1:0:generateContent", Some(("b/anthropic.claude-v1:0", false))),
            ("/v1beta/models/models/x:generateContent", Some(("x", false))),
            ("/v1beta/models/models%2Fx:generateContent", Some(("x", false))),
            ("/v1beta/models/publishers/google/models/x:generateContent", Some(("x", false))),
            ("/v1beta1/publishers/google/models/x:generateContent", Some(("x", false))),
            ("/v1beta1/publishers/acme/models/v/x:generateContent", Some(("acme/v/x", false))),
            ("/v1/projects/p/locations/l/publishers/google/models/x:streamGenerateContent", Some(("x", true))),
            ("/v1beta/models/g%C3%A9mini:generateContent", Some(("gémini", false))),
            ("/v1beta/models/:generateContent", None),
            ("/v1beta/models/x:countTokens", None),
            ("/v1beta/models/x", None),
            ("/v1beta/models/x%:generateContent", None),
            ("/v1beta/models/x%FF:generateContent", None),
            ("/v1beta/models/x%0Ay:generateContent", None),
            ("/v1beta/x:generateContent", None),
            ("/v1beta/publishers/google/models/:generateContent", None),
            ("/v1beta/projects/p:generateContent", None),
            ("/v2/models/x:generateContent", None),
            ("/v1/chat/completions", None),
            ("", None),
        ] {
            let found = parse_path(path.as_bytes());
            let found = found.as_ref().map(|(model, streams)| (model.as_ref(), *streams));
            assert_eq!(found, expected, "{path}");
        }
    }
}
