"""What fails, as the OpenAI SDK tells it."""

import unittest

import httpx2
import openai

from gateway import EVERYTHING, GATEWAY, ONE_MODEL, QUESTION, record, trace

client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=EVERYTHING, max_retries=0)


def ask(model, api_key=EVERYTHING, **more):
    return client.with_options(api_key=api_key).chat.completions.create(model=model, messages=QUESTION, **more)


class Refused(unittest.TestCase):
    def test_unknown_models(self):
        for model in ["house/large", "nowhere/gpt-4o", "gpt-of-tomorrow"]:
            trace_id, headers = trace()
            with self.assertRaises(openai.NotFoundError) as raised:
                ask(model, extra_headers=headers)
            self.assertEqual(raised.exception.code, "model_not_found")
            self.assertIn("account/model", str(raised.exception))
            row = record(trace_id)
            self.assertEqual(row["id"], raised.exception.request_id)
            self.assertEqual((row["outcome"], row["error_code"], row["attempts"]), ("refused", "model_not_found", []))

    def test_a_wrong_key_and_a_key_for_something_else(self):
        with self.assertRaises(openai.AuthenticationError) as raised:
            ask("mock/gpt-4o-mini", api_key="sk-wrong")
        self.assertEqual(raised.exception.code, "invalid_api_key")
        self.assertNotIn("sk-wrong", str(raised.exception))
        with self.assertRaises(openai.PermissionDeniedError) as raised:
            ask("mock/gpt-4o", api_key=ONE_MODEL)
        self.assertEqual(raised.exception.code, "model_not_allowed")
        ask("mock/gpt-4o-mini", api_key=ONE_MODEL, max_completion_tokens=1)

    def test_an_unknown_path(self):
        with self.assertRaises(openai.NotFoundError):
            client.post("/nothing", cast_to=object, body={})


class OfTheProvider(unittest.TestCase):
    def test_its_errors_come_through_as_they_are(self):
        for model, error, code in [
            ("mock/mock:400", openai.BadRequestError, None),
            ("mock/mock:429", openai.RateLimitError, "rate_limit_exceeded"),
            ("mock/mock:insufficient_quota", openai.RateLimitError, "insufficient_quota"),
            ("mock/mock:context_length", openai.BadRequestError, "context_length_exceeded"),
            ("mock/mock:500", openai.InternalServerError, None),
            ("mock/mock:503", openai.InternalServerError, "server_is_overloaded"),
        ]:
            for stream in [False, True]:
                with self.subTest(model=model, stream=stream):
                    with self.assertRaises(error) as raised:
                        ask(model, stream=stream)
                    self.assertEqual(raised.exception.code, code)

    def test_retry_after_reaches_the_sdk_which_then_succeeds(self):
        with self.assertRaises(openai.RateLimitError) as raised:
            ask("mock/mock:429,retry_after=7")
        self.assertEqual(raised.exception.response.headers["retry-after"], "7")
        trace_id, headers = trace()
        patient = client.with_options(max_retries=2)
        answer = patient.chat.completions.create(
            model=f"mock/mock:tokens=2,503,retry_after=0,once={trace_id}", messages=QUESTION, extra_headers=headers
        )
        self.assertEqual(answer.choices[0].message.content, "The gate")

    def test_no_answer_is_a_gateway_error(self):
        # A refusal of the gateway's own key is not the caller's fault either.
        for model in ["mock/mock:reset", "mock/mock:close", "mock/mock:401", "house/small"]:
            with self.subTest(model=model):
                trace_id, headers = trace()
                with self.assertRaises(openai.InternalServerError) as raised:
                    ask(model, extra_headers=headers)
                self.assertIn(raised.exception.status_code, [502, 503])
                self.assertEqual(record(trace_id)["outcome"], "failed")


class BrokenStreams(unittest.TestCase):
    FAULTS = ["cut@3", "rst@3", "badchunk@3", "errevent@3"]

    def test_a_broken_chat_stream_raises(self):
        for fault in self.FAULTS:
            with self.subTest(fault=fault):
                trace_id, headers = trace()
                seen = []
                with self.assertRaises((openai.APIError, httpx2.HTTPError)):
                    for chunk in ask(f"mock/mock:tokens=9,gap=2,{fault}", stream=True, extra_headers=headers):
                        seen.append(chunk)
                self.assertTrue(seen)
                row = record(trace_id)
                self.assertIsNotNone(row["attempts"][0]["error"])
                if fault != "errevent@3":
                    self.assertEqual(row["outcome"], "truncated")
                    self.assertEqual(row["usage"]["source"], "estimated")
                    self.assertGreaterEqual(row["usage"]["output_tokens"], 3)

    def test_a_broken_response_stream_raises_or_fails_and_never_completes(self):
        # Without a terminator it has no end at all, however cleanly the connection closes.
        for fault in [*self.FAULTS, "noterm"]:
            with self.subTest(fault=fault):
                seen = []
                try:
                    for event in client.responses.create(
                        model=f"mock/mock:tokens=9,gap=2,{fault}", input="Hi", stream=True
                    ):
                        seen.append(event.type)
                except (openai.APIError, httpx2.HTTPError):
                    seen.append("raised")
                self.assertIn(seen[-1], ["raised", "response.failed"])
                self.assertNotIn("response.completed", seen)

    def test_a_broken_unary_answer_raises(self):
        for fault in ["cut@20", "shortlen", "rst@20"]:
            with self.subTest(fault=fault):
                with self.assertRaises((openai.APIError, httpx2.HTTPError)):
                    ask(f"mock/mock:tokens=9,gap=2,{fault}")
