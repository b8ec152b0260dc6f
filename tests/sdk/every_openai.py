"""The OpenAI SDK before every kind of provider."""

import json
import unittest

import openai
import pydantic

from gateway import EVERYTHING, QUESTION
from upstreams import ARGUMENTS, GATEWAY, LOOK, PIXEL, TEXT, billed, everywhere, trace

client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=EVERYTHING, max_retries=0)
TOOLS = [
    {"type": "function", "function": {"name": "look", "parameters": LOOK}},
    {"type": "function", "function": {"name": "pause", "parameters": {"type": "object", "properties": {}}}},
]
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


class Where(pydantic.BaseModel):
    city: str


class Look(pydantic.BaseModel):
    text: str
    count: int
    where: Where


class Chat(unittest.TestCase):
    @everywhere
    def test_text_and_usage(self, account):
        trace_id, headers = trace()
        answer = client.chat.completions.create(
            model=f"{account}/text", messages=QUESTION, extra_headers=headers
        )
        self.assertEqual(answer.choices[0].message.content, TEXT)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        usage = answer.usage
        self.assertEqual((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (100, 5, 105))
        self.assertEqual(usage.prompt_tokens_details.cached_tokens, 40)
        self.assertEqual(billed(trace_id), (100, 40, 5))

    @everywhere
    def test_a_stream_and_its_usage(self, account):
        trace_id, headers = trace()
        stream = client.chat.completions.create(
            model=f"{account}/text",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=headers,
        )
        chunks = list(stream)
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        self.assertEqual(text, TEXT)
        self.assertEqual(chunks[-1].usage.prompt_tokens, 100)
        if account != "mistral":
            self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(billed(trace_id), (100, 40, 5))

    @everywhere
    def test_a_stream_that_does_not_ask_for_usage_has_none(self, account):
        stream = client.chat.completions.create(model=f"{account}/text", messages=QUESTION, stream=True)
        chunks = list(stream)
        # Azure's own first chunk has no choices, and Mistral's own last one has its usage, asked for or not.
        self.assertTrue(all(chunk.choices for chunk in chunks[1:]))
        if account != "mistral":
            self.assertTrue(all(chunk.usage is None for chunk in chunks))
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")

    @everywhere
    def test_a_whole_turn_with_a_tool(self, account):
        messages = list(QUESTION)
        answer = client.chat.completions.create(model=f"{account}/calls", messages=messages, tools=TOOLS)
        message = answer.choices[0].message
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        look, pause = message.tool_calls
        self.assertEqual((look.function.name, json.loads(look.function.arguments)), ("look", ARGUMENTS))
        self.assertEqual((pause.function.name, json.loads(pause.function.arguments)), ("pause", {}))
        self.assertNotEqual(look.id, pause.id)
        messages.append(message)
        for call in message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} done"})
        answer = client.chat.completions.create(model=f"{account}/calls", messages=messages, tools=TOOLS)
        text = answer.choices[0].message.content
        self.assertIn("tool said: look done. tool said: pause done. ", text)

    @everywhere
    def test_streamed_tools(self, account):
        for model in ["calls", "talk-call"]:
            with client.chat.completions.stream(
                model=f"{account}/{model}", messages=QUESTION, tools=TOOLS
            ) as stream:
                for _ in stream:
                    pass
                answer = stream.get_final_completion()
            look, pause = answer.choices[0].message.tool_calls
            self.assertEqual((look.function.name, json.loads(look.function.arguments)), ("look", ARGUMENTS))
            self.assertEqual((pause.function.name, json.loads(pause.function.arguments)), ("pause", {}))
            self.assertEqual(answer.choices[0].finish_reason, "tool_calls")

    def test_thinking_goes_round_with_its_signature(self):
        # Anthropic, Bedrock and Gemini refuse the turn after a call when what they thought before it is not given back.
        for account in ["claude", "bedrock", "gemini", "vertex"]:
            with self.subTest(account=account):
                messages = list(QUESTION)
                answer = client.chat.completions.create(model=f"{account}/think-call", messages=messages, tools=TOOLS)
                message = answer.choices[0].message
                self.assertEqual(message.reasoning_content, "First look at the")
                messages.append(message.model_dump(exclude_none=True, exclude={"annotations", "refusal"}))
                call = message.tool_calls[0]
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "ok"})
                answer = client.chat.completions.create(model=f"{account}/word", messages=messages, tools=TOOLS)
                self.assertEqual(answer.choices[0].message.content, "saw 1 signature. tool said: ok. The")

    @everywhere
    def test_structured_output(self, account):
        answer = client.chat.completions.parse(model=f"{account}/word", messages=QUESTION, response_format=Look)
        self.assertEqual(answer.choices[0].message.parsed.model_dump(), ARGUMENTS)

    @everywhere
    def test_images_and_the_system_prompt(self, account):
        messages = [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]},
        ]
        answer = client.chat.completions.create(model=f"{account}/system", messages=messages)
        self.assertEqual(answer.choices[0].message.content, "system: Be brief. saw 1 image. The")

    @everywhere
    def test_errors(self, account):
        for stream in [False, True]:
            with self.assertRaises(openai.RateLimitError) as raised:
                client.chat.completions.create(model=f"{account}/e429", messages=QUESTION, stream=stream)
            self.assertEqual(raised.exception.code, "rate_limit_exceeded")
            with self.assertRaises(openai.BadRequestError) as raised:
                client.chat.completions.create(model=f"{account}/context", messages=QUESTION, stream=stream)
            self.assertEqual(raised.exception.code, "context_length_exceeded")
            with self.assertRaises(openai.InternalServerError):
                client.chat.completions.create(model=f"{account}/e401", messages=QUESTION, stream=stream)

    @everywhere
    def test_a_broken_stream_raises(self, account):
        for model in ["cut", "rst", "errevent"]:
            with self.assertRaises(Exception) as raised:
                list(client.chat.completions.create(model=f"{account}/{model}", messages=QUESTION, stream=True))
            self.assertNotIsInstance(raised.exception, AssertionError)


class Responses(unittest.TestCase):
    TOOLS = [{"type": "function", "name": tool["function"]["name"], "parameters": tool["function"]["parameters"]} for tool in TOOLS]

    @everywhere
    def test_text_and_usage(self, account):
        trace_id, headers = trace()
        answer = client.responses.create(model=f"{account}/text", input="Tell me", extra_headers=headers)
        self.assertEqual((answer.status, answer.output_text), ("completed", TEXT))
        usage = answer.usage
        self.assertEqual((usage.input_tokens, usage.output_tokens), (100, 5))
        self.assertEqual(usage.input_tokens_details.cached_tokens, 40)
        self.assertEqual(billed(trace_id), (100, 40, 5))

    @everywhere
    def test_a_stream_helper_assembles_the_same(self, account):
        with client.responses.stream(model=f"{account}/text", input="Tell me") as stream:
            kinds = [event.type for event in stream]
            answer = stream.get_final_response()
        self.assertEqual((kinds[0], kinds[-1]), ("response.created", "response.completed"))
        self.assertEqual(answer.output_text, TEXT)

    @everywhere
    def test_a_whole_turn_with_a_tool(self, account):
        turn = [{"role": "user", "content": "Look"}]
        answer = client.responses.create(model=f"{account}/call", input=turn, tools=self.TOOLS)
        (call,) = [item for item in answer.output if item.type == "function_call"]
        self.assertEqual((call.name, json.loads(call.arguments)), ("look", ARGUMENTS))
        turn += [item.model_dump(exclude_none=True) for item in answer.output]
        turn.append({"type": "function_call_output", "call_id": call.call_id, "output": "done"})
        answer = client.responses.create(model=f"{account}/word", input=turn, tools=self.TOOLS)
        self.assertEqual(answer.output_text, "tool said: done. The")

    @everywhere
    def test_streamed_tools(self, account):
        with client.responses.stream(model=f"{account}/calls", input="Look", tools=self.TOOLS) as stream:
            for _ in stream:
                pass
            answer = stream.get_final_response()
        calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]
        self.assertEqual(calls, [("look", ARGUMENTS), ("pause", {})])

    @everywhere
    def test_structured_output(self, account):
        answer = client.responses.parse(model=f"{account}/word", input="Look", text_format=Look)
        self.assertEqual(answer.output_parsed.model_dump(), ARGUMENTS)

    @everywhere
    def test_a_response_cut_by_its_maximum_is_incomplete(self, account):
        answer = client.responses.create(model=f"{account}/long", input="Tell me", max_output_tokens=20)
        self.assertEqual((answer.status, answer.incomplete_details.reason), ("incomplete", "max_output_tokens"))

    @everywhere
    def test_a_broken_stream_never_completes(self, account):
        for model in ["cut", "end", "errevent"]:
            seen = []
            try:
                for event in client.responses.create(model=f"{account}/{model}", input="Hi", stream=True):
                    seen.append(event.type)
            except Exception:
                seen.append("raised")
            self.assertIn(seen[-1], ["raised", "response.failed"])
            self.assertNotIn("response.completed", seen)


class Others(unittest.TestCase):
    def test_embeddings(self):
        for account in ["chat", "azure", "gemini", "vertex", "cohere"]:
            with self.subTest(account=account):
                answer = client.embeddings.create(model=f"{account}/word", input=["one two", "three"], dimensions=8)
                self.assertEqual([len(item.embedding) for item in answer.data], [8, 8])
                self.assertEqual([item.index for item in answer.data], [0, 1])
        answer = client.embeddings.create(model="bedrock/titan", input="one two", dimensions=8)
        self.assertEqual(len(answer.data[0].embedding), 8)

    @everywhere
    def test_legacy_completions(self, account):
        answer = client.completions.create(model=f"{account}/text", prompt="Once")
        self.assertEqual((answer.choices[0].text, answer.choices[0].finish_reason), (TEXT, "stop"))
        stream = client.completions.create(model=f"{account}/text", prompt="Once", stream=True)
        self.assertEqual("".join(choice.text for chunk in stream for choice in chunk.choices), TEXT)
