"""The OpenAI SDK's other calls."""

import base64
import io
import unittest

import openai

from gateway import EVERYTHING, GATEWAY, ONE_MODEL, record, trace

client = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key=EVERYTHING, max_retries=0)


class Responses(unittest.TestCase):
    def test_a_response_has_its_text_and_usage(self):
        trace_id, headers = trace()
        answer = client.responses.create(model="mock/mock:tokens=5", input="Tell me", extra_headers=headers)
        self.assertEqual((answer.status, answer.output_text), ("completed", "The gate opens and the"))
        usage = record(trace_id)["usage"]
        self.assertEqual((usage["input_tokens"], usage["output_tokens"]), (answer.usage.input_tokens, 5))

    def test_its_stream_ends_with_the_whole_response(self):
        trace_id, headers = trace()
        stream = client.responses.create(
            model="mock/mock:tokens=5", input="Tell me", stream=True, extra_headers=headers
        )
        events = list(stream)
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        self.assertEqual(text, "The gate opens and the")
        self.assertEqual(events[-1].type, "response.completed")
        self.assertEqual(events[-1].response.output_text, text)
        row = record(trace_id)
        self.assertEqual((row["usage"]["output_tokens"], row["usage"]["source"]), (5, "reported"))

    def test_a_response_cut_by_its_maximum_is_incomplete_not_broken(self):
        events = list(
            client.responses.create(model="mock/mock:tokens=9", input="Hi", max_output_tokens=3, stream=True)
        )
        self.assertEqual(events[-1].type, "response.incomplete")


class Others(unittest.TestCase):
    def test_legacy_completions(self):
        answer = client.completions.create(model="mock/mock:tokens=3", prompt="Once")
        self.assertEqual(answer.choices[0].text, "The gate opens")
        stream = client.completions.create(model="mock/mock:tokens=3", prompt="Once", stream=True)
        text = "".join(choice.text for chunk in stream for choice in chunk.choices)
        self.assertEqual(text, "The gate opens")

    def test_embeddings(self):
        trace_id, headers = trace()
        answer = client.embeddings.create(
            model="mock/text-embedding-3-small", input=["one two", "three"], dimensions=8, extra_headers=headers
        )
        self.assertEqual([len(item.embedding) for item in answer.data], [8, 8])
        usage = record(trace_id)["usage"]
        self.assertEqual((usage["input_tokens"], usage["output_tokens"]), (3, 0))

    def test_moderations(self):
        answer = client.moderations.create(model="mock/omni-moderation-latest", input="be kind")
        self.assertFalse(answer.results[0].flagged)

    def test_images(self):
        answer = client.images.generate(model="mock/gpt-image-1", prompt="a mill", n=2)
        self.assertEqual(len(answer.data), 2)
        self.assertTrue(base64.b64decode(answer.data[0].b64_json).startswith(b"\x89PNG"))

    def test_an_upload_streams_through(self):
        sound = io.BytesIO(bytes(range(256)) * 2048)
        sound.name = "speech.wav"
        trace_id, headers = trace()
        answer = client.audio.transcriptions.create(model="mock/whisper-1", file=sound, extra_headers=headers)
        self.assertTrue(answer.text.startswith("The gate opens"))
        row = record(trace_id)
        self.assertEqual((row["model"], row["status"]), ("mock/whisper-1", 200))
        self.assertGreater(row["request_body_bytes"], 256 * 2048)

    def test_speech_arrives_byte_for_byte(self):
        speech = client.audio.speech.create(model="mock/tts-1", voice="alloy", input="Hello")
        self.assertEqual(speech.content, bytes(range(256)) * 64)

    def test_models_are_those_of_the_key(self):
        every = [model.id for model in client.models.list()]
        self.assertIn("mock/gpt-4o-mini", every)
        self.assertIn("house/small", every)
        own = client.with_options(api_key=ONE_MODEL).models.list()
        self.assertEqual([model.id for model in own], ["mock/gpt-4o-mini"])
