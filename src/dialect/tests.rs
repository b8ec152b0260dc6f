use serde_json::Value;

use super::*;
use crate::meter::{Geo, Tier, load_tokenizers};
use crate::sse::Scanner;

fn read(wire: Wire, family: Family, text: &str) -> (Reading, Vec<Mark>) {
    let (mut reading, mut marks) = (Reading::new(family), Vec::new());
    let mut scanner = Scanner::new(1 << 20);
    scanner.feed(text.as_bytes(), |event| marks.push(wire.read_event(&event, &mut reading))).unwrap();
    scanner.finish(|event| marks.push(wire.read_event(&event, &mut reading)));
    (reading, marks)
}

fn chat(deltas: &[&str]) -> String {
    let event = |delta: &&str| {
        format!("data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n")
    };
    deltas.iter().map(event).collect::<String>() + "data: [DONE]\n\n"
}

#[test]
fn a_chat_stream_is_told_by_its_marks() {
    let text = concat!(
        ": OPENROUTER PROCESSING\n\n",
        r#"data: {"id":"","model":"","choices":[],"prompt_filter_results":[]}"#,
        "\n\n",
        r#"data: {"id":"c1","model":"gpt","choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
        "\n\n",
        r#"data: {"id":"c1","model":"gpt","choices":[{"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}"#,
        "\n\n",
        r#"data: {"id":"c1","model":"gpt","choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#,
        "\n\n",
        r#"data: {"id":"c1","model":"gpt","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":7}}}"#,
        "\n\n",
        "data: [DONE]\n\n",
    );
    let (reading, marks) = read(Wire::Chat, Family::Unknown, text);
    use Mark::*;
    assert_eq!(marks, [Other, Other, Other, Content, Other, UsageOnly, End]);
    assert_eq!(reading.usage.output, 8, "the total betrays reasoning outside of the completion");
    assert_eq!(reading.usage.reasoning, 7);
    assert_eq!(reading.response_id.as_deref(), Some("c1"));
    assert_eq!(reading.response_model.as_deref(), Some("gpt"));
    assert_eq!(reading.finish_reason.as_deref(), Some("stop"));
    assert!(reading.terminated && reading.error.is_none() && !reading.odd_usage);
}

#[test]
fn running_usage_is_replaced_not_added() {
    let usage = |n: u64| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":{n},\"total_tokens\":{}}}}}\n\n",
            n + 9
        )
    };
    let (reading, _) = read(Wire::Chat, Family::Unknown, &[usage(1), usage(2), usage(3)].concat());
    assert_eq!((reading.usage.input, reading.usage.output), (9, 3));
}

#[test]
fn all_that_a_model_writes_is_content() {
    load_tokenizers();
    for delta in [
        r#"{"content":"hello world"}"#,
        r#"{"reasoning_content":"hello world","content":null}"#,
        r#"{"reasoning":"hello world","reasoning_content":"hello world","reasoning_details":[{"text":"hello world"}]}"#,
        r#"{"content":"","reasoning_details":[{"type":"reasoning.text","text":"hello world"}]}"#,
        r#"{"refusal":"hello world"}"#,
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hello"}]},{"type":"text","text":" world"}]}"#,
        r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"hello","arguments":" world"}}]}"#,
        r#"{"function_call":{"name":"hello","arguments":" world"}}"#,
        r#"{"content":"\u0068ello\u0020world"}"#,
    ] {
        let (mut reading, marks) = read(Wire::Chat, Family::O200k, &chat(&[delta]));
        assert_eq!(marks, [Mark::Content, Mark::End], "{delta}");
        assert_eq!(
            reading.settle(5),
            Usage { input: 5, output: 2, source: UsageSource::Counted, ..Usage::default() },
            "{delta}"
        );
    }
    for delta in
        [r#"{}"#, r#"{"content":null,"tool_calls":null}"#, r#"{"role":"assistant","content":"","refusal":null}"#]
    {
        assert_eq!(read(Wire::Chat, Family::O200k, &chat(&[delta])).1[0], Mark::Other, "{delta}");
    }
}

#[test]
fn a_surrogate_pair_cut_between_two_events_is_one_character() {
    let (reading, _) =
        read(Wire::Chat, Family::O200k, &chat(&[r#"{"content":"a\ud83e"}"#, r#"{"content":"\udd80b"}"#]));
    assert_eq!(reading.delivered.bytes(), "a🦀b".len() as u64);
}

#[test]
fn a_changing_head_of_the_chunk_is_read_anew() {
    let text = concat!(
        r#"data: {"id":"a","created":1,"choices":[{"delta":{"content":"x"}}]}"#,
        "\n\n",
        r#"data: {"id":"a","created":2,"choices":[{"delta":{"content":"y"}}]}"#,
        "\n\n",
        r#"data: {"id":"a","created":2,"error":{"code":429,"message":"m"},"choices":[{"delta":{"content":""}}]}"#,
        "\n\n",
        r#"data: {"id":"a","created":2,"error":{"code":429,"message":"m"},"choices":[{"delta":{"content":""}}]}"#,
        "\n\n",
        r#"data: {"id":"a","created":2,"usage":{"prompt_tokens":1},"choices":[]}"#,
        "\n\n",
        r#"data: {"id":"a","created":2,"usage":{"prompt_tokens":2},"choices":[]}"#,
        "\n\n",
        r#"data: {"id":"a","created":2,"usage":{"prompt_tokens":2},"choices":[]}"#,
        "\n\n",
    );
    let (reading, marks) = read(Wire::Chat, Family::Unknown, text);
    use Mark::*;
    assert_eq!(marks, [Content, Content, Error, Error, UsageOnly, UsageOnly, UsageOnly]);
    assert_eq!(reading.error, Some(ErrorClass::RateLimited));
    assert_eq!(reading.usage.input, 2);
    assert!(!reading.terminated);
}

#[test]
fn errors_in_a_stream_are_seen_in_every_dialect() {
    for (wire, text, class) in [
        (
            Wire::Chat,
            "event: error\ndata: {\"error\":{\"message\":\"m\",\"code\":\"rate_limit_exceeded\"}}\n\n",
            ErrorClass::RateLimited,
        ),
        (Wire::Chat, "data: {\"error\":{\"message\":\"m\"}}\n\n", ErrorClass::StreamError),
        (Wire::Chat, "data: {\"choices\":[{\"error\":\"gone\",\"delta\":{}}]}\n\n", ErrorClass::StreamError),
        (
            Wire::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
            ErrorClass::Overloaded,
        ),
        (
            Wire::Messages,
            "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n",
            ErrorClass::Overloaded,
        ),
        (
            Wire::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}\n\n",
            ErrorClass::RateLimited,
        ),
        (Wire::Responses, "data: {\"type\":\"error\",\"error\":{\"code\":\"x\"}}\n\n", ErrorClass::StreamError),
    ] {
        let (reading, marks) = read(wire, Family::Unknown, text);
        assert_eq!((marks.as_slice(), reading.error), (&[Mark::Error][..], Some(class)), "{text}");
        assert!(!reading.terminated);
    }
}

#[test]
fn a_response_that_fails_or_stops_early_ends_with_its_usage() {
    for (event, finish, error) in [
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error"},"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}"#,
            "failed",
            Some(ErrorClass::StreamError),
        ),
        (
            r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"},"status":"incomplete","error":null,"usage":{"input_tokens":3,"output_tokens":4}}}"#,
            "max_output_tokens",
            None,
        ),
    ] {
        let whole = format!("data: {event}\n\n");
        let (reading, marks) = read(Wire::Responses, Family::Unknown, &whole);
        assert_eq!(marks, [Mark::End]);
        assert_eq!((reading.usage.input, reading.usage.output), (3, 4));
        assert_eq!((reading.finish_reason.as_deref(), reading.error, reading.terminated), (Some(finish), error, true));
        for end in 0..whole.len() - 3 {
            assert!(!read(Wire::Responses, Family::Unknown, &whole[..end]).0.terminated, "cut at {end}");
        }
    }
}

#[test]
fn a_messages_stream_cut_before_its_end_counts_what_was_delivered() {
    load_tokenizers();
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\",\"usage\":{\"input_tokens\":100,\"cache_read_input_tokens\":50,\"output_tokens\":1}}}\n\n";
    let delta = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello world and more\"}}\n\n";
    let end = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}";
    let (mut cut, _) = read(Wire::Messages, Family::Unknown, &[start, delta].concat());
    let usage = cut.settle(7);
    assert_eq!((usage.input, usage.cache_read, usage.source), (150, 50, UsageSource::Estimated));
    assert!(usage.output >= 4 && !cut.terminated);
    let (mut whole, marks) = read(Wire::Messages, Family::Unknown, &[start, delta, end].concat());
    assert_eq!(marks, [Mark::Other, Mark::Content, Mark::Other, Mark::End]);
    assert_eq!(
        whole.settle(7),
        Usage { input: 150, cache_read: 50, output: 9, source: UsageSource::Reported, ..Usage::default() }
    );
    assert!(whole.terminated && whole.finish_reason.as_deref() == Some("end_turn"));
}

#[test]
fn numbers_that_are_none_are_left_out_and_flagged() {
    for usage in [
        r#"{"prompt_tokens":"12","completion_tokens":3}"#,
        r#"{"prompt_tokens":-12,"completion_tokens":3}"#,
        r#"{"prompt_tokens":12e99,"completion_tokens":3}"#,
        r#"{"prompt_tokens":999999999999999,"completion_tokens":3}"#,
    ] {
        let mut reading = Reading::new(Family::Unknown);
        Wire::Chat.read_body(format!("{{\"usage\":{usage}}}").as_bytes(), &mut reading);
        assert_eq!((reading.usage.input, reading.usage.output, reading.odd_usage), (0, 3, true), "{usage}");
    }
    let mut reading = Reading::new(Family::Unknown);
    Wire::Chat.read_body(br#"{"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":9}}}"#, &mut reading);
    assert_eq!((reading.usage.input, reading.usage.cache_read), (5, 5), "the subset is clamped, never the total");
}

#[test]
fn our_errors_are_json_in_the_callers_dialect() {
    let message = "no model \"x\"\nhere";
    let mut out = Vec::new();
    error_body(Face::ChatCompletions, 404, "model_not_found", message, "req_1", &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(body["error"]["message"], message);
    assert_eq!(body["error"]["code"], "model_not_found");
    assert_eq!(body["error"]["type"], "invalid_request_error");
    assert_eq!(body["error"]["request_id"], "req_1");
    out.clear();
    error_body(Face::Messages, 429, "limit", message, "req_1", &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(body["type"], "error");
    assert_eq!(body["error"]["type"], "rate_limit_error");
    assert_eq!(body["request_id"], "req_1");
    out.clear();
    error_body(Face::Gemini, 429, "limit", message, "req_1", &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&body["error"]["code"], &body["error"]["status"]), (&429.into(), &"RESOURCE_EXHAUSTED".into()));
    assert_eq!(body["error"]["details"][0]["reason"], "limit");
    assert_eq!(body["error"]["details"][0]["metadata"]["request_id"], "req_1");
    for (face, marks) in [
        (Face::ChatCompletions, &[Mark::Error][..]),
        (Face::Gemini, &[Mark::Error]),
        (Face::Completions, &[Mark::Error]),
        (Face::Messages, &[Mark::Error]),
        (Face::Responses, &[Mark::Error, Mark::End]),
    ] {
        let mut out = Vec::new();
        error_event(face, "upstream_truncated", message, "req_1", &mut out);
        let (reading, seen) = read(Wire::of(face), Family::Unknown, std::str::from_utf8(&out).unwrap());
        assert_eq!(seen, marks);
        assert!(reading.error.is_some());
    }
}

#[test]
fn a_response_that_is_under_way_has_not_finished() {
    let begun = |status: &str| {
        format!(
            "data: {{\"type\":\"response.{status}\",\"response\":{{\"id\":\"r\",\"status\":\"{status}\"}}}}\n\n\
             data: {{\"type\":\"response.output_text.delta\",\"delta\":\"The\"}}\n\n"
        )
    };
    for status in ["in_progress", "queued"] {
        let (reading, _) = read(Wire::Responses, Family::Unknown, &begun(status));
        assert_eq!((reading.finish_reason, reading.terminated), (None, false));
    }
}

#[test]
fn service_tiers_are_those_of_the_answer() {
    for (wire, body, modifiers) in [
        (Wire::Chat, r#"{"service_tier":"flex","usage":{"prompt_tokens":1}}"#, (Tier::Flex, false, Geo::Global)),
        (
            Wire::Chat,
            r#"{"usage":{"prompt_tokens":1},"service_tier":"priority"}"#,
            (Tier::Priority, false, Geo::Global),
        ),
        (
            Wire::Chat,
            r#"{"usage":{"prompt_tokens":1},"service_tier":"on_demand"}"#,
            (Tier::Standard, false, Geo::Global),
        ),
        (
            Wire::Chat,
            r#"{"usage":{"prompt_tokens":1},"service_tier":"scale"}"#,
            (Tier::Provisioned, false, Geo::Global),
        ),
        (Wire::Chat, r#"{"usage":{"prompt_tokens":1},"service_tier":null}"#, (Tier::Standard, false, Geo::Global)),
        (Wire::Responses, r#"{"service_tier":"flex","usage":{"input_tokens":1}}"#, (Tier::Flex, false, Geo::Global)),
        (
            Wire::Messages,
            r#"{"usage":{"input_tokens":1,"service_tier":"batch","inference_geo":"us","speed":"fast"}}"#,
            (Tier::Batch, true, Geo::Us),
        ),
        (
            Wire::Messages,
            r#"{"usage":{"input_tokens":1,"service_tier":"standard","inference_geo":"not_available","speed":"standard"}}"#,
            (Tier::Standard, false, Geo::Global),
        ),
    ] {
        let mut reading = Reading::new(Family::Unknown);
        wire.read_body(body.as_bytes(), &mut reading);
        let found = reading.settle(0).modifiers;
        assert_eq!((found.tier, found.fast, found.geo), modifiers, "{body}");
        assert!(!reading.odd_usage);
    }
}

#[test]
fn the_tier_of_a_stream_is_read_once_and_kept() {
    let chunk = |rest: &str| {
        format!("data: {{\"id\":\"c\",\"model\":\"m\",\"service_tier\":\"priority\",\"choices\":[{rest}\n\n")
    };
    let content = chunk(r#"{"delta":{"content":"a"}}]}"#);
    let usage = chunk(r#"],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#);
    let (mut reading, _) = read(Wire::Chat, Family::Unknown, &[content.as_str(), &content, &usage].concat());
    let settled = reading.settle(0);
    assert_eq!((settled.modifiers.tier, settled.output), (Tier::Priority, 2));
    // Without any usage the tier is still known.
    let (mut reading, _) = read(Wire::Chat, Family::Unknown, &content);
    assert_eq!(reading.settle(9).modifiers.tier, Tier::Priority);
}

#[test]
fn what_a_provider_says_it_cost_is_taken_exactly() {
    for (usage, pico, odd) in [
        (r#""cost":0.0076509169000000005"#, Some(7_650_916_900), false),
        (r#""cost":1.13e-05,"is_byok":false,"cost_details":{"upstream_inference_cost":null}"#, Some(11_300_000), false),
        // The caller's own key: OpenRouter's fee, and what the provider behind it bills.
        (
            r#""cost":0.001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.025265}"#,
            Some(26_265_000_000),
            false,
        ),
        (r#""cost":{"input_tokens_cost":0.1,"request_cost":0.005,"total_cost":0.105}"#, Some(105_000_000_000), false),
        (r#""cost_in_usd_ticks":1330500"#, Some(133_050_000), false),
        (r#""estimated_cost":3.3e-06"#, Some(3_300_000), false),
        (r#""cost":0"#, Some(0), false),
        (r#""cost":null"#, None, false),
        (r#""cost":-1"#, None, true),
        (r#""cost":"cheap""#, None, true),
        (r#""cost":[1]"#, None, true),
    ] {
        let mut reading = Reading::new(Family::Unknown);
        Wire::Chat.read_body(format!("{{\"usage\":{{\"prompt_tokens\":1,{usage}}}}}").as_bytes(), &mut reading);
        assert_eq!((reading.usage.provider_cost_pico_usd, reading.odd_usage), (pico, odd), "{usage}");
    }
}

#[test]
fn searches_and_pictures_are_counted() {
    let mut reading = Reading::new(Family::Unknown);
    let body = br#"{"usage":{"input_tokens":5,"output_tokens":2,"server_tool_use":{"web_search_requests":3}}}"#;
    Wire::Messages.read_body(body, &mut reading);
    assert_eq!(reading.usage.web_searches, 3);
    let mut reading = Reading::new(Family::Unknown);
    let body = br#"{"usage":{"input_tokens":50,"output_tokens":900,"input_tokens_details":{"image_tokens":40},"output_tokens_details":{"image_tokens":900}}}"#;
    Wire::Responses.read_body(body, &mut reading);
    assert_eq!((reading.usage.image_input, reading.usage.image_output), (40, 900));
}
