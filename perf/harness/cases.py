"""What is measured, one function per kind. Each returns plain numbers for one target and one repetition."""

import json
import selectors
import socket
import subprocess
import time

from . import gateways, system

# The model has a public tokenizer, so that a gateway that counts tokens has to count these.
MODEL = "gpt-4o-mini:ttft=0,gap={gap},tokens={tokens}"


def load(run, target, arguments, gap=0, tokens=64):
    """Runs `sluice load` on the client's CPU and returns its report for the target, with signs of foreign load."""
    report = run.directory / "report.json"
    command = [
        "taskset", "-c", str(system.CLIENT_CPU), run.tool, "load",
        "--url", f"http://127.0.0.1:{target.port}/v1/chat/completions",
        "--model", target.prefix + MODEL.format(gap=gap, tokens=tokens),
        "--key", gateways.CLIENT_KEY, "--json", report, *arguments,
    ]
    if target.pid:
        command += ["--pid", str(target.pid)]
    busy, own = system.busy_seconds(system.GATEWAY_CPU), system.cpu_seconds(target.pid) if target.pid else 0.0
    begun = time.monotonic()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    elapsed = time.monotonic() - begun
    if done.returncode == 2:
        raise RuntimeError(f"load: {done.stderr.strip()}")
    own = (system.cpu_seconds(target.pid) - own) if target.pid else 0.0
    result = json.loads(report.read_text())["targets"]["gateway"]
    # Of the gateway's CPU, what others used: more than a tenth makes a run doubtful.
    result["foreign_cores"] = max(0.0, (system.busy_seconds(system.GATEWAY_CPU) - busy - own) / elapsed)
    return result


def numbers(result, **more):
    process = result.get("process") or {}
    return {
        "requests_per_s": result["requests_per_s"],
        "events_per_s": result["events_per_s"],
        "events_per_read": result["events_per_read"],
        "cores_busy": process.get("cores_busy"),
        "total_p50_us": result["total_us"]["p50"],
        "total_p99_us": result["total_us"]["p99"],
        "ttft_p50_us": result["ttft_us"]["p50"],
        "ttft_p99_us": result["ttft_us"]["p99"],
        "gap_p50_us": result["gap_us"]["p50"],
        "gap_p99_us": result["gap_us"]["p99"],
        "well": result["well"],
        "errors": result["errors"],
        "foreign_cores": result["foreign_cores"],
        **more,
    }


def json_requests(connections):
    def measure(run, target):
        result = load(run, target, ["--connections", connections, "--duration", f"{run.seconds}s", "--warmup", "1s"])
        return numbers(result, value=(result.get("process") or {}).get("cpu_us_per_request"))
    return measure


def streams(count, gap_ms):
    def measure(run, target):
        # Streams of 64 events 20 ms apart take 1.3 s: their starts are spread over that, so that they end spread as well.
        ramp = "1.3s" if gap_ms else "0s"
        arguments = ["--streams", count, "--duration", f"{run.seconds}s", "--warmup", "1s", "--ramp", ramp]
        result = load(run, target, arguments, gap=gap_ms)
        return numbers(result, value=(result.get("process") or {}).get("cpu_us_per_event"))
    return measure


def fixed_rate(rate):
    def measure(run, target):
        arguments = ["--rate", rate, "--connections", 32, "--duration", f"{run.seconds}s", "--warmup", "1s"]
        result = load(run, target, arguments)
        return numbers(result, value=result["total_us"]["p50"])
    return measure


def memory_streams(run, target):
    """Start, idle memory, and what open streams add to a process that has served little before."""
    if not target.pid:
        return None
    idle_kib = warm(target)
    held = [open_and_ask(target, "gpt-4o-mini:ttft=0,gap=500,tokens=1000", True) for _ in range(run.held)]
    flowing = drain(held, 4.0)
    streaming_kib = system.rss_kib(target.pid)
    close(held)
    return footprint(target, idle_kib, run.held - flowing, kib_per_stream=(streaming_kib - idle_kib) / run.held)


def memory_idle(run, target):
    """Start, idle memory, what idle connections add, and what is left after load."""
    if not target.pid:
        return None
    idle_kib = warm(target)
    connections = [open_and_ask(target, "mock-fast:tokens=4", False) for _ in range(run.held)]
    served = sum(read_answer(s) for s in connections)
    connected_kib = settled_rss(target.pid)
    close(connections)
    load(run, target, ["--connections", 32, "--duration", "1s", "--warmup", "0s"])
    after_kib = settled_rss(target.pid)
    return footprint(target, idle_kib, run.held - served, after_load_mb=after_kib * 1024 / 1e6,
                     kib_per_idle_connection=(connected_kib - idle_kib) / run.held)


def warm(target):
    """A few requests touch the code once; then memory settles."""
    for stream in (False, True) * 10:
        s = open_and_ask(target, "gpt-4o-mini:ttft=0,gap=0,tokens=4", stream)
        read_answer(s, b"[DONE]" if stream else b'"usage"')
        s.close()
    return settled_rss(target.pid)


def footprint(target, idle_kib, lost, **more):
    return {
        "value": None, "start_ms": target.start_ms, "idle_mb": idle_kib * 1024 / 1e6,
        "errors": {"not held open": lost} if lost else {}, "foreign_cores": 0.0, **more,
    }


def settled_rss(pid):
    """Memory once it has stopped moving, or after two seconds."""
    last = system.rss_kib(pid)
    for _ in range(10):
        time.sleep(0.2)
        now = system.rss_kib(pid)
        if abs(now - last) < 64:
            return now
        last = now
    return last


def open_and_ask(target, model, stream):
    payload = json.dumps({"model": target.prefix + model, "stream": stream,
                          "messages": [{"role": "user", "content": "hello"}]})
    s = socket.create_connection(("127.0.0.1", target.port), timeout=10)
    s.sendall((
        "POST /v1/chat/completions HTTP/1.1\r\nhost: perf\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {gateways.CLIENT_KEY}\r\ncontent-length: {len(payload)}\r\n\r\n{payload}"
    ).encode())
    return s


def read_answer(s, last=b'"usage"'):
    """True when the head says 200 and the body is there, as far as `last`."""
    received = b""
    while last not in received:
        part = s.recv(65536)
        if not part:
            return False
        received += part
    return received.startswith(b"HTTP/1.1 200")


def drain(sockets, seconds):
    """Reads for a while and says on how many streams events flowed."""
    events = dict.fromkeys(sockets, 0)
    with selectors.DefaultSelector() as selector:
        for s in sockets:
            s.setblocking(False)
            selector.register(s, selectors.EVENT_READ)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for key, _ in selector.select(0.1):
                try:
                    part = key.fileobj.recv(65536)
                except BlockingIOError:
                    continue
                if not part:
                    selector.unregister(key.fileobj)
                events[key.fileobj] += part.count(b"data:")
    return sum(n > 2 for n in events.values())


def close(sockets):
    for s in sockets:
        s.close()


# name: (what it is, unit, how, the first goal as a ratio to nginx, the goal of the design)
CASES = {
    "json32": ("JSON 1 KiB, 32 connections", "CPU us/request", json_requests(32), 1.0, 0.85),
    "json256": ("JSON 1 KiB, 256 connections", "CPU us/request", json_requests(256), 1.0, 0.85),
    "sse64fast": ("SSE, 64 streams, no pauses", "CPU us/event", streams(64, 0), 1.1, 1.0),
    "sse64": ("SSE, 64 streams, an event every 20 ms", "CPU us/event", streams(64, 20), 1.0, 0.9),
    "sse1000": ("SSE, 1000 streams, an event every 20 ms", "CPU us/event", streams(1000, 20), 1.0, 0.75),
    "added": ("1000 requests/s (Poisson)", "us", fixed_rate(1000), 1.5, 1.0),
    "streams": ("start, memory of open streams", "", memory_streams, None, None),
    "idle": ("start, memory of idle connections", "", memory_idle, None, None),
}
