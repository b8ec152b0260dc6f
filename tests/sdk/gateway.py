"""What the SDK tests share: where the gateway is, its keys, and the record it keeps of a request."""

import json
import os
import time
import urllib.request

GATEWAY = os.environ["GATEWAY"]
ADMIN = os.environ["ADMIN"]
EVERYTHING = "sk-everything"
ONE_MODEL = "sk-one-model"
QUESTION = [{"role": "user", "content": "What does the gate do?"}]

# The bound on every wait; reached only when the thing waited for never happens.
PATIENCE_S = 30


def record(trace_id):
    """The row of the request with this trace. It is written a moment after the answer."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with urllib.request.urlopen(f"{ADMIN}/api/v1/requests?trace_id={trace_id}") as answer:
            rows = json.load(answer)["requests"]
        if rows:
            return rows[0]
        assert time.monotonic() < deadline, f"no row for trace {trace_id}"


def trace():
    """A fresh trace id and the header that carries it."""
    trace_id = os.urandom(16).hex()
    return trace_id, {"traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01"}
