"""The Anthropic SDK's calls."""

import unittest

import anthropic

from gateway import EVERYTHING, GATEWAY, ONE_MODEL, QUESTION, record, trace

client = anthropic.Anthropic(base_url=GATEWAY, api_key=EVERYTHING, max_retries=0)


class Messages(unittest.TestCase):
    def test_an_answer_has_its_text_its_usage_and_a_request_id(self):
        trace_id, headers = trace()
        raw = client.messages.with_raw_response.create(
            model="mock/mock:tokens=5,in=100,cached=40", max_tokens=100, messages=QUESTION, extra_headers=headers
        )
        answer = raw.parse()
        self.assertEqual((answer.content[0].text, answer.stop_reason), ("The gate opens and the", "end_turn"))
        self.assertEqual((answer.usage.input_tokens, answer.usage.cache_read_input_tokens), (60, 40))
        self.assertEqual(answer.usage.output_tokens, 5)
        row = record(trace_id)
        self.assertEqual(row["id"], answer._request_id)
        # The provider's own id stays known.
        self.assertTrue(raw.headers["x-upstream-request-id"].startswith("req_"))
        # Cached tokens are inside the input on the record, whatever the provider's way of telling.
        self.assertEqual((row["usage"]["input_tokens"], row["usage"]["cache_read_tokens"]), (100, 40))
        self.assertEqual((row["usage"]["output_tokens"], row["usage"]["source"]), (5, "reported"))

    def test_a_stream_ends_with_its_final_usage(self):
        trace_id, headers = trace()
        with client.messages.stream(
            model="mock/mock:tokens=6", max_tokens=100, messages=QUESTION, extra_headers=headers
        ) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, "The gate opens and the water")
        self.assertEqual((final.stop_reason, final.usage.output_tokens), ("end_turn", 6))
        row = record(trace_id)
        self.assertEqual((row["usage"]["output_tokens"], row["usage"]["source"]), (6, "reported"))
        self.assertEqual((row["outcome"], row["chunks"]), ("served", 6))

    def test_raw_events_come_in_the_providers_order(self):
        stream = client.messages.create(model="claude-haiku-4-5", max_tokens=2, messages=QUESTION, stream=True)
        kinds = [event.type for event in stream]
        self.assertEqual(kinds[:2], ["message_start", "content_block_start"])
        self.assertEqual(kinds[-3:], ["content_block_stop", "message_delta", "message_stop"])
        self.assertEqual(kinds.count("content_block_delta"), 2)

    def test_count_tokens(self):
        counted = client.messages.count_tokens(model="mock/claude-sonnet-5", messages=QUESTION)
        self.assertGreater(counted.input_tokens, 0)

    def test_models_are_those_of_the_key(self):
        self.assertIn("mock/claude-sonnet-5", [model.id for model in client.models.list()])
        own = client.with_options(api_key=ONE_MODEL).models.list()
        self.assertEqual([model.id for model in own], ["mock/gpt-4o-mini"])

    def test_a_bearer_token_is_as_good_as_a_key(self):
        bearer = anthropic.Anthropic(base_url=GATEWAY, auth_token=EVERYTHING, api_key=None, max_retries=0)
        answer = bearer.messages.create(model="mock/mock:tokens=1", max_tokens=9, messages=QUESTION)
        self.assertEqual(answer.content[0].text, "The")
