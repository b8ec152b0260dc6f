"""Google's SDK before every kind of provider."""

import base64
import unittest

from google import genai
from google.genai import errors, types

from gateway import EVERYTHING, record
from upstreams import ARGUMENTS, GATEWAY, LOOK, PIXEL, TEXT, THOUGHTS, billed, everywhere, trace

client = genai.Client(api_key=EVERYTHING, http_options=types.HttpOptions(base_url=GATEWAY))
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name="look", description="Looks", parameters_json_schema=LOOK),
        types.FunctionDeclaration(name="pause", description="Waits"),
    ]
)
BY_HAND = types.AutomaticFunctionCallingConfig(disable=True)


def config(**more):
    return types.GenerateContentConfig(automatic_function_calling=BY_HAND, **more)


def traced(**more):
    trace_id, headers = trace()
    return trace_id, config(http_options=types.HttpOptions(headers=headers), **more)


class GenerateContent(unittest.TestCase):
    @everywhere
    def test_text_and_usage(self, account):
        trace_id, asked = traced()
        answer = client.models.generate_content(model=f"{account}/text", contents="Tell me", config=asked)
        self.assertEqual(answer.text, TEXT)
        self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.STOP)
        usage = answer.usage_metadata
        self.assertEqual((usage.prompt_token_count, usage.candidates_token_count), (100, 5))
        self.assertEqual((usage.cached_content_token_count, usage.total_token_count), (40, 105))
        self.assertEqual(billed(trace_id), (100, 40, 5))

    @everywhere
    def test_a_stream(self, account):
        trace_id, asked = traced()
        chunks = list(
            client.models.generate_content_stream(model=f"{account}/text", contents="Tell me", config=asked)
        )
        self.assertEqual("".join(chunk.text or "" for chunk in chunks), TEXT)
        self.assertEqual(chunks[-1].candidates[0].finish_reason, types.FinishReason.STOP)
        self.assertEqual(chunks[-1].usage_metadata.prompt_token_count, 100)
        self.assertEqual(billed(trace_id), (100, 40, 5))
        self.assertTrue(record(trace_id)["stream"])

    @everywhere
    def test_a_chat_with_a_system_instruction(self, account):
        chat = client.chats.create(model=f"{account}/system", config=config(system_instruction="Be brief"))
        self.assertEqual(chat.send_message("Hello").text, "system: Be brief. The")
        text = "".join(chunk.text or "" for chunk in chat.send_message_stream("Once more"))
        self.assertEqual(text, "system: Be brief. The")

    @everywhere
    def test_a_whole_turn_with_a_tool(self, account):
        question = types.Content(role="user", parts=[types.Part(text="Look")])
        asked = config(tools=[TOOL])
        answer = client.models.generate_content(model=f"{account}/calls", contents=[question], config=asked)
        calls = answer.function_calls
        self.assertEqual([(call.name, call.args) for call in calls], [("look", ARGUMENTS), ("pause", {})])
        results = [
            types.Part(
                function_response=types.FunctionResponse(
                    id=call.id, name=call.name, response={"result": f"{call.name} done"}
                )
            )
            for call in calls
        ]
        turn = [question, answer.candidates[0].content, types.Content(role="user", parts=results)]
        answer = client.models.generate_content(model=f"{account}/word", contents=turn, config=asked)
        self.assertEqual(answer.text, "tool said: look done. tool said: pause done. The")

    @everywhere
    def test_streamed_tools(self, account):
        stream = client.models.generate_content_stream(
            model=f"{account}/calls", contents="Look", config=config(tools=[TOOL])
        )
        calls = [(call.name, call.args) for chunk in stream for call in chunk.function_calls or []]
        self.assertEqual(calls, [("look", ARGUMENTS), ("pause", {})])

    @everywhere
    def test_a_named_tool(self, account):
        choice = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["pause"])
        asked = config(tools=[TOOL], tool_config=types.ToolConfig(function_calling_config=choice))
        # Cohere's API can only be told to call some tool.
        if account == "cohere":
            return
        answer = client.models.generate_content(model=f"{account}/word", contents="Go", config=asked)
        self.assertEqual([call.name for call in answer.function_calls], ["pause"])

    @everywhere
    def test_thoughts(self, account):
        answer = client.models.generate_content(model=f"{account}/think", contents="Tell me", config=config())
        thoughts = "".join(part.text for part in answer.candidates[0].content.parts if part.thought)
        self.assertEqual((thoughts, answer.text), (THOUGHTS, "The gate opens"))
        usage = answer.usage_metadata
        self.assertEqual(usage.candidates_token_count + (usage.thoughts_token_count or 0), 7)

    @everywhere
    def test_an_image_and_a_schema(self, account):
        image = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
        answer = client.models.generate_content(
            model=f"{account}/word", contents=["What is it?", image], config=config()
        )
        self.assertEqual(answer.text, "saw 1 image. The")
        asked = config(response_mime_type="application/json", response_json_schema=LOOK)
        answer = client.models.generate_content(model=f"{account}/word", contents="Look", config=asked)
        self.assertEqual(answer.parsed, ARGUMENTS)

    @everywhere
    def test_a_maximum(self, account):
        answer = client.models.generate_content(
            model=f"{account}/long", contents="Tell me", config=config(max_output_tokens=20)
        )
        self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.MAX_TOKENS)

    @everywhere
    def test_errors(self, account):
        for model, code, status in [
            ("e429", 429, "RESOURCE_EXHAUSTED"),
            ("context", 400, "INVALID_ARGUMENT"),
            ("e503", 503, "UNAVAILABLE"),
        ]:
            with self.assertRaises(errors.APIError) as raised:
                client.models.generate_content(model=f"{account}/{model}", contents="Hi", config=config())
            self.assertEqual((raised.exception.code, raised.exception.status), (code, status))
            with self.assertRaises(errors.APIError) as raised:
                list(client.models.generate_content_stream(model=f"{account}/{model}", contents="Hi"))
            self.assertEqual(raised.exception.code, code)

    @everywhere
    def test_a_broken_stream_never_finishes(self, account):
        for model in ["cut", "end", "errevent"]:
            finished = []
            try:
                for chunk in client.models.generate_content_stream(model=f"{account}/{model}", contents="Hi"):
                    finished += [one.finish_reason for one in chunk.candidates or [] if one.finish_reason]
            except Exception:
                pass
            self.assertEqual(finished, [])
