//! What is read of a provider's events, in the forms that servers have.

use serde_json::json;

use super::*;

fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "r", "model": "m", "status": "in_progress"}})
}

fn added(at: u64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": at, "item": item})
}

fn done(at: u64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": at, "item": item})
}

fn delta(what: &str, at: u64, text: &str) -> Value {
    json!({"type": format!("response.{what}.delta"), "output_index": at, "item_id": "x", "delta": text})
}

fn ended(status: &str, more: Value) -> Value {
    let mut response = json!({"id": "r", "model": "m", "status": status, "output": []});
    response.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    json!({"type": format!("response.{status}"), "response": response})
}

fn read(events: &[Value]) -> Answer {
    read_stream(&stream_of(events))
}

#[test]
fn ends_are_read_by_status_and_reason() {
    let call = done(0, json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}));
    let refusal = delta("refusal", 0, "No.");
    for (middle, status, more, finish, said) in [
        (None, "completed", json!({}), Finish::Stop, "completed"),
        (Some(&call), "completed", json!({}), Finish::ToolCalls, "completed"),
        (Some(&refusal), "completed", json!({}), Finish::ContentFilter, "completed"),
        (
            None,
            "incomplete",
            json!({"incomplete_details": {"reason": "max_output_tokens"}}),
            Finish::Length,
            "max_output_tokens",
        ),
        (
            None,
            "incomplete",
            json!({"incomplete_details": {"reason": "content_filter"}}),
            Finish::ContentFilter,
            "content_filter",
        ),
        (None, "incomplete", json!({"incomplete_details": null}), Finish::Length, "incomplete"),
        (None, "failed", json!({"error": {"code": "server_error", "message": "boom"}}), Finish::Error, "failed"),
    ] {
        let mut events = vec![created()];
        events.extend(middle.cloned());
        events.push(ended(status, more.clone()));
        let answer = read(&events);
        assert_eq!(answer.choices[0].finish, Some(finish), "{status} {more}");
        assert_eq!(answer.choices[0].said, said);
        assert_eq!(answer.error.as_deref(), (status == "failed").then_some("boom"));
    }
}

#[test]
fn both_shapes_of_an_error_are_read_and_nothing_after_them() {
    for error in [
        json!({"type": "error", "code": "server_error", "message": "boom", "param": null}),
        json!({"type": "error", "error": {"type": "server_error", "message": "boom"}}),
    ] {
        let answer = read(&[created(), error, ended("failed", json!({})), delta("output_text", 0, "late")]);
        assert_eq!(answer.error.as_deref(), Some("boom"));
        assert!(answer.choices.is_empty(), "{answer:?}");
    }
}

#[test]
fn ids_may_change_and_calls_may_mix() {
    let call = |id: &str| json!({"type": "function_call", "id": id, "call_id": id, "name": "f", "arguments": ""});
    let answer = read(&[
        created(),
        added(4, call("a")),
        added(5, call("b")),
        delta("function_call_arguments", 5, "{\"b\":"),
        delta("function_call_arguments", 4, "{\"a\":"),
        delta("function_call_arguments", 5, "2}"),
        delta("function_call_arguments", 4, "1}"),
        delta("mcp_call_arguments", 4, "no"),
        delta("custom_tool_call_input", 4, "no"),
        ended("completed", json!({})),
    ]);
    let call = |id: &str, arguments: &str| {
        AnswerPart::Call(AnswerCall { id: id.into(), name: "f".into(), arguments: arguments.into(), signature: None })
    };
    assert_eq!(parts(&answer), [call("a", "{\"a\":1}"), call("b", "{\"b\":2}")]);
}

#[test]
fn what_was_not_streamed_is_read_once_from_where_it_stands_whole() {
    let message = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]});
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"});
    let thought = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"},
        {"type": "summary_text", "text": "so"}], "encrypted_content": "gAAA"});
    let text_done = json!({"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "Hi"});
    let all = json!({"output": [thought, message, call]});
    let whole = read_body(ended("completed", all.clone())["response"].to_string().as_bytes());
    assert_eq!(
        parts(&whole),
        [
            AnswerPart::Reasoning { text: "Hm\n\nso".into(), signature: Some("gAAA".into()) },
            AnswerPart::Text("Hi".into()),
            AnswerPart::Call(AnswerCall {
                id: "c".into(),
                name: "f".into(),
                arguments: "{\"a\":1}".into(),
                signature: None
            }),
        ]
    );
    let dones = [done(0, thought.clone()), done(1, message.clone()), done(2, call.clone())];
    let empty = json!({"type": "message", "role": "assistant", "content": []});
    for events in [
        vec![created(), ended("completed", all.clone())],
        [&[created()], &dones[..], &[ended("completed", all.clone())]].concat(),
        vec![
            created(),
            added(0, thought.clone()),
            dones[0].clone(),
            added(1, empty),
            delta("output_text", 1, "H"),
            delta("output_text", 1, "i"),
            text_done.clone(),
            dones[1].clone(),
            added(2, json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": ""})),
            json!({"type": "response.function_call_arguments.done", "output_index": 2, "arguments": "{\"a\":1}"}),
            dones[2].clone(),
            ended("completed", all.clone()),
        ],
        vec![created(), dones[0].clone(), text_done, dones[1].clone(), dones[2].clone(), ended("completed", json!({}))],
    ] {
        assert_eq!(read(&events), whole, "{events:#?}");
    }
}

#[test]
fn thinking_that_comes_twice_is_given_once() {
    let answer = read(&[
        created(),
        added(0, json!({"type": "reasoning", "summary": []})),
        delta("reasoning_text", 0, "all of it"),
        delta("reasoning_summary_text", 0, "in short"),
        done(
            0,
            json!({"type": "reasoning", "content": [{"type": "reasoning_text", "text": "all of it"}],
            "summary": [{"type": "summary_text", "text": "in short"}]}),
        ),
        ended("completed", json!({})),
    ]);
    assert_eq!(parts(&answer), [AnswerPart::Reasoning { text: "all of it".into(), signature: None }]);
}

#[test]
fn log_probabilities_are_read_from_streams_and_bodies() {
    let items = json!([{"token": "a", "logprob": -1.5, "top_logprobs": []}]);
    let mut event = delta("output_text", 0, "a");
    event["logprobs"] = items.clone();
    let streamed = read(&[created(), event, ended("completed", json!({}))]);
    let body = json!({"id": "r", "model": "m", "status": "completed", "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "a", "logprobs": items}]}]});
    let whole = read_body(body.to_string().as_bytes());
    for answer in [streamed, whole] {
        let logprobs = [b"[", &answer.choices[0].logprobs[..], b"]"].concat();
        assert_eq!(serde_json::from_slice::<Value>(&logprobs).unwrap(), items);
    }
}
