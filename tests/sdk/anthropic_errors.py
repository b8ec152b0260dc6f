"""What fails, as the Anthropic SDK tells it."""

import unittest

import anthropic
import httpx2

from gateway import EVERYTHING, GATEWAY, ONE_MODEL, QUESTION, record, trace

client = anthropic.Anthropic(base_url=GATEWAY, api_key=EVERYTHING, max_retries=0)


def ask(model, api_key=EVERYTHING, **more):
    return client.with_options(api_key=api_key).messages.create(
        model=model, max_tokens=50, messages=QUESTION, **more
    )


class Errors(unittest.TestCase):
    def test_unknown_models(self):
        for model in ["nowhere/claude", "claude-of-tomorrow"]:
            with self.assertRaises(anthropic.NotFoundError) as raised:
                ask(model)
            self.assertEqual(raised.exception.body["error"]["type"], "not_found_error")
            self.assertEqual(raised.exception.body["error"]["code"], "model_not_found")
            self.assertEqual(raised.exception.body["request_id"], raised.exception.request_id)

    def test_a_provider_that_is_not_there(self):
        # It speaks OpenAI's API, which is no hindrance.
        with self.assertRaises(anthropic.InternalServerError) as raised:
            ask("house/small")
        self.assertEqual(raised.exception.body["error"]["code"], "upstream_unreachable")

    def test_a_wrong_key_and_a_key_for_something_else(self):
        with self.assertRaises(anthropic.AuthenticationError):
            ask("mock/claude-sonnet-5", api_key="sk-wrong")
        with self.assertRaises(anthropic.PermissionDeniedError):
            ask("mock/claude-sonnet-5", api_key=ONE_MODEL)

    def test_the_providers_errors_come_through_as_they_are(self):
        for model, error, kind in [
            ("mock/mock:400", anthropic.BadRequestError, "invalid_request_error"),
            ("mock/mock:429", anthropic.RateLimitError, "rate_limit_error"),
            ("mock/mock:500", anthropic.InternalServerError, "api_error"),
            ("mock/mock:529", anthropic.InternalServerError, "overloaded_error"),
        ]:
            with self.subTest(model=model):
                with self.assertRaises(error) as raised:
                    ask(model)
                self.assertEqual(raised.exception.body["error"]["type"], kind)

    def test_a_broken_stream_raises_and_never_stops_like_a_whole_one(self):
        for fault in ["cut@3", "rst@3", "badchunk@3", "errevent@3"]:
            with self.subTest(fault=fault):
                trace_id, headers = trace()
                seen = []
                with self.assertRaises((anthropic.APIError, httpx2.HTTPError)):
                    for event in ask(f"mock/mock:tokens=9,gap=2,{fault}", stream=True, extra_headers=headers):
                        seen.append(event.type)
                self.assertNotIn("message_stop", seen)
                self.assertIsNotNone(record(trace_id)["attempts"][0]["error"])
