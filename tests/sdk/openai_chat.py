"""Chat completions through the OpenAI SDK."""

import asyncio
import unittest

import openai

from gateway import EVERYTHING, GATEWAY, QUESTION, record, trace

client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=EVERYTHING, max_retries=0)


class Chat(unittest.TestCase):
    def test_an_answer_has_its_text_its_usage_and_a_request_id(self):
        trace_id, headers = trace()
        raw = client.chat.completions.with_raw_response.create(
            model="mock/mock:tokens=5", messages=QUESTION, extra_headers=headers
        )
        answer = raw.parse()
        self.assertEqual(answer.choices[0].message.content, "The gate opens and the")
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.usage.completion_tokens, 5)
        self.assertEqual(answer.model, "mock:tokens=5")
        self.assertEqual(raw.headers["x-sluice-target"], "mock/mock:tokens=5")
        row = record(trace_id)
        self.assertEqual(row["id"], answer._request_id)
        self.assertEqual(row["usage"]["input_tokens"], answer.usage.prompt_tokens)
        self.assertEqual(row["usage"]["output_tokens"], 5)
        self.assertEqual(row["usage"]["source"], "reported")
        self.assertEqual((row["outcome"], row["principal"]["name"]), ("served", "everything"))

    def test_a_bare_name_is_enough_where_one_account_has_it(self):
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, max_completion_tokens=2)
        self.assertEqual(answer.choices[0].message.content, "The gate")
        self.assertEqual(answer.choices[0].finish_reason, "length")

    def test_a_stream_without_usage_shows_none_but_is_recorded_with_it(self):
        trace_id, headers = trace()
        stream = client.chat.completions.create(
            model="mock/mock:tokens=6", messages=QUESTION, stream=True, extra_headers=headers
        )
        chunks = list(stream)
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        self.assertEqual(text, "The gate opens and the water")
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertTrue(all(chunk.usage is None and chunk.choices for chunk in chunks))
        row = record(trace_id)
        self.assertEqual((row["usage"]["output_tokens"], row["usage"]["source"]), (6, "reported"))
        self.assertEqual((row["stream"], row["outcome"], row["chunks"]), (True, "served", 6))
        self.assertIsNotNone(row["first_token_ms"])

    def test_a_stream_that_asks_for_usage_ends_with_it(self):
        trace_id, headers = trace()
        stream = client.chat.completions.create(
            model="mock/mock:tokens=6,in=100,cached=40,reasoning=7",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=headers,
        )
        *chunks, last = list(stream)
        self.assertTrue(all(chunk.usage is None for chunk in chunks))
        self.assertEqual((last.choices, last.usage.prompt_tokens, last.usage.completion_tokens), ([], 100, 13))
        usage = record(trace_id)["usage"]
        self.assertEqual((usage["input_tokens"], usage["cache_read_tokens"]), (100, 40))
        self.assertEqual((usage["output_tokens"], usage["reasoning_tokens"]), (13, 7))

    def test_the_stream_helper_assembles_the_same_answer(self):
        with client.chat.completions.stream(model="mock/mock:tokens=4", messages=QUESTION) as stream:
            for _ in stream:
                pass
            answer = stream.get_final_completion()
        self.assertEqual(answer.choices[0].message.content, "The gate opens and")

    def test_a_stream_left_early_is_recorded_as_cancelled(self):
        trace_id, headers = trace()
        with client.chat.completions.create(
            model="mock/mock:tokens=5000,gap=5", messages=QUESTION, stream=True, extra_headers=headers
        ) as stream:
            for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    break
        row = record(trace_id)
        self.assertEqual(row["outcome"], "cancelled")
        self.assertGreaterEqual(row["usage"]["output_tokens"], 1)
        self.assertLess(row["usage"]["output_tokens"], 5000)

    def test_many_streams_at_once_do_not_mix(self):
        async def one(client, tokens):
            stream = await client.chat.completions.create(
                model=f"mock/mock:tokens={tokens},gap=1", messages=QUESTION, stream=True
            )
            return [choice.delta.content async for chunk in stream for choice in chunk.choices if choice.delta.content]

        async def all_of_them():
            async with openai.AsyncOpenAI(base_url=f"{GATEWAY}/v1", api_key=EVERYTHING, max_retries=0) as client:
                return await asyncio.gather(*(one(client, tokens) for tokens in range(1, 33)))

        for tokens, words in enumerate(asyncio.run(all_of_them()), start=1):
            self.assertEqual(len(words), tokens)

    def test_fields_of_tomorrow_reach_the_provider(self):
        tool = {"type": "function", "function": {"name": "level", "parameters": {"type": "object", "properties": {}}}}
        raw = client.chat.completions.with_raw_response.create(
            model="mock/echo", messages=QUESTION, tools=[tool], extra_body={"of_tomorrow": {"b": 1, "a": 1.50}}
        )
        echoed = raw.http_response.json()
        self.assertEqual(echoed["path"], "/v1/chat/completions")
        self.assertIn('"of_tomorrow":{"b":1,"a":1.5}', echoed["body"])
        self.assertIn('"name":"level"', echoed["body"])
        self.assertNotIn(EVERYTHING, echoed["head"])
