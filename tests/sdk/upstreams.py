"""What the tests of every provider share: the accounts of tests/common/providers.rs and what the simulated one says."""

import functools

from gateway import GATEWAY, record, trace

# Each kind of provider once, whatever the face.
ACCOUNTS = ["chat", "responses", "claude", "gemini", "vertex", "bedrock", "cohere", "azure", "mistral"]

TEXT = "The gate opens and the"
THOUGHTS = "First look at the"
LOOK = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "what to look for"},
        "count": {"type": "integer"},
        "where": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
    "required": ["text", "count", "where"],
}
ARGUMENTS = {"text": 'é "quoted" \n', "count": 7, "where": {"city": "word"}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

__all__ = ["ARGUMENTS", "GATEWAY", "LOOK", "PIXEL", "TEXT", "THOUGHTS", "billed", "everywhere", "record", "trace"]


def billed(trace_id):
    """Input, cached input and output on the record of this trace."""
    usage = record(trace_id)["usage"]
    return usage["input_tokens"], usage["cache_read_tokens"], usage["output_tokens"]


def everywhere(test):
    """A test of one account, run for each; one that fails hides no other."""

    @functools.wraps(test)
    def run(self):
        for account in ACCOUNTS:
            with self.subTest(account=account):
                test(self, account)

    return run
