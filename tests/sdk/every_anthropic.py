"""The Anthropic SDK before every kind of provider."""

import unittest

import anthropic

from gateway import EVERYTHING, QUESTION
from upstreams import ARGUMENTS, GATEWAY, LOOK, PIXEL, TEXT, THOUGHTS, billed, everywhere, trace

client = anthropic.Anthropic(base_url=GATEWAY, api_key=EVERYTHING, max_retries=0)
TOOLS = [
    {"name": "look", "description": "Looks", "input_schema": LOOK},
    {"name": "pause", "input_schema": {"type": "object", "properties": {}}},
]


class Messages(unittest.TestCase):
    @everywhere
    def test_text_and_usage(self, account):
        trace_id, headers = trace()
        answer = client.messages.create(
            model=f"{account}/text", max_tokens=100, messages=QUESTION, extra_headers=headers
        )
        self.assertEqual([block.type for block in answer.content], ["text"])
        self.assertEqual((answer.content[0].text, answer.stop_reason), (TEXT, "end_turn"))
        usage = answer.usage
        self.assertEqual((usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens), (60, 40, 5))
        self.assertEqual(billed(trace_id), (100, 40, 5))

    @everywhere
    def test_the_stream_helper_assembles_the_same(self, account):
        with client.messages.stream(model=f"{account}/text", max_tokens=100, messages=QUESTION) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual((text, final.content[0].text, final.stop_reason), (TEXT, TEXT, "end_turn"))
        self.assertEqual(final.usage.output_tokens, 5)

    @everywhere
    def test_raw_events_come_in_order(self, account):
        stream = client.messages.create(model=f"{account}/text", max_tokens=100, messages=QUESTION, stream=True)
        kinds = [event.type for event in stream if event.type != "ping"]
        self.assertEqual(kinds[:3], ["message_start", "content_block_start", "content_block_delta"])
        self.assertEqual(kinds[-3:], ["content_block_stop", "message_delta", "message_stop"])

    @everywhere
    def test_a_whole_turn_with_tools(self, account):
        messages = list(QUESTION)
        answer = client.messages.create(model=f"{account}/calls", max_tokens=100, messages=messages, tools=TOOLS)
        self.assertEqual(answer.stop_reason, "tool_use")
        calls = [block for block in answer.content if block.type == "tool_use"]
        self.assertEqual([(call.name, call.input) for call in calls], [("look", ARGUMENTS), ("pause", {})])
        messages.append({"role": "assistant", "content": answer.content})
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"{call.name} done"} for call in calls]
        messages.append({"role": "user", "content": results})
        answer = client.messages.create(model=f"{account}/word", max_tokens=100, messages=messages, tools=TOOLS)
        self.assertEqual(answer.content[0].text, "tool said: look done. tool said: pause done. The")

    @everywhere
    def test_streamed_tools(self, account):
        for model in ["calls", "talk-call"]:
            with client.messages.stream(
                model=f"{account}/{model}", max_tokens=100, messages=QUESTION, tools=TOOLS
            ) as stream:
                final = stream.get_final_message()
            calls = [(block.name, block.input) for block in final.content if block.type == "tool_use"]
            self.assertEqual(calls, [("look", ARGUMENTS), ("pause", {})])
            self.assertEqual(final.stop_reason, "tool_use")

    @everywhere
    def test_thinking(self, account):
        with client.messages.stream(model=f"{account}/think", max_tokens=5000, messages=QUESTION) as stream:
            streamed = stream.get_final_message()
        whole = client.messages.create(model=f"{account}/think", max_tokens=5000, messages=QUESTION)
        for answer in [streamed, whole]:
            # Gemini signs its text, too: a block without a thought.
            content = [block for block in answer.content if block.type != "thinking" or block.thinking]
            self.assertEqual([block.type for block in content], ["thinking", "text"])
            self.assertEqual(answer.content[0].thinking, THOUGHTS)
            self.assertEqual(answer.content[1].text, "The gate opens")

    def test_thinking_goes_round_with_its_signature(self):
        for account in ["claude", "bedrock", "gemini", "vertex"]:
            with self.subTest(account=account):
                messages = list(QUESTION)
                model = f"{account}/think-call"
                answer = client.messages.create(model=model, max_tokens=5000, messages=messages, tools=TOOLS)
                (call,) = [block for block in answer.content if block.type == "tool_use"]
                messages.append({"role": "assistant", "content": answer.content})
                result = {"type": "tool_result", "tool_use_id": call.id, "content": "ok"}
                messages.append({"role": "user", "content": [result]})
                answer = client.messages.create(model=f"{account}/word", max_tokens=50, messages=messages, tools=TOOLS)
                self.assertEqual(answer.content[0].text, "saw 1 signature. tool said: ok. The")

    @everywhere
    def test_images_and_the_system_prompt(self, account):
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        content = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
        answer = client.messages.create(
            model=f"{account}/system",
            max_tokens=50,
            system="Be brief",
            messages=[{"role": "user", "content": content}],
        )
        self.assertEqual(answer.content[0].text, "system: Be brief. saw 1 image. The")

    @everywhere
    def test_a_maximum(self, account):
        answer = client.messages.create(model=f"{account}/long", max_tokens=20, messages=QUESTION)
        self.assertEqual(answer.stop_reason, "max_tokens")

    def test_a_stop_sequence_is_told_where_the_provider_tells_it(self):
        for account in ["claude", "bedrock", "cohere"]:
            with self.subTest(account=account):
                answer = client.messages.create(
                    model=f"{account}/text", max_tokens=50, messages=QUESTION, stop_sequences=["opens"]
                )
                self.assertEqual((answer.content[0].text, answer.stop_reason), ("The gate ", "stop_sequence"))

    @everywhere
    def test_tokens_are_counted(self, account):
        counted = client.messages.count_tokens(model=f"{account}/text", messages=QUESTION)
        self.assertGreater(counted.input_tokens, 0)

    @everywhere
    def test_errors(self, account):
        for stream in [False, True]:
            ask = {"max_tokens": 50, "messages": QUESTION, "stream": stream}
            with self.assertRaises(anthropic.RateLimitError) as raised:
                client.messages.create(model=f"{account}/e429", **ask)
            self.assertEqual(raised.exception.body["error"]["type"], "rate_limit_error")
            with self.assertRaises(anthropic.BadRequestError) as raised:
                client.messages.create(model=f"{account}/context", **ask)
            self.assertIn("prompt is too long", str(raised.exception))
            with self.assertRaises(anthropic.InternalServerError):
                client.messages.create(model=f"{account}/e503", **ask)

    @everywhere
    def test_a_broken_stream_never_ends_well(self, account):
        for model in ["cut", "end", "errevent"]:
            seen = []
            try:
                ask = {"max_tokens": 50, "messages": QUESTION, "stream": True}
                for event in client.messages.create(model=f"{account}/{model}", **ask):
                    seen.append(event.type)
            except Exception:
                seen.append("raised")
            self.assertNotIn("message_stop", seen)
