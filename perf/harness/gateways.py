"""What is compared: nothing in between, nginx, and sluice. Each is started fresh for each measurement."""

import hashlib
import http.client
import json
import os
import pathlib
import time

from . import system

CLIENT_KEY = "perf-client-key"
UPSTREAM_KEY = "perf-upstream-key"

NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {dir}/nginx.pid;
error_log {dir}/error.log crit;
{user}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size 32m;
    client_body_buffer_size 64k;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    map $http_authorization $key_ok {{ default 0; "Bearer {client_key}" 1; }}
    upstream provider {{
        server 127.0.0.1:{provider};
        keepalive 256;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            if ($key_ok = 0) {{ return 401; }}
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer {upstream_key}";
            proxy_buffering off;
            proxy_read_timeout 300s;
        }}
    }}
}}
"""

# Everything on: the key is checked, every request is stored, exported over OTLP and kept in metrics.
SLUICE = """
type: sluice
name: perf
listen: 127.0.0.1:{port}
admin: 127.0.0.1:{admin}
shards: 1
auth: required
storage: {{dir: {dir}}}
telemetry:
  otlp: {{endpoint: "http://127.0.0.1:{provider}", protocol: http/protobuf}}
---
type: provider-account/openai
name: openai-main
base_url: http://127.0.0.1:{provider}/v1
auth_data: {{type: api-key, api_key: "${{env:PERF_UPSTREAM_KEY}}"}}
---
type: virtual-account
name: perf
tokens: [{{id: k1, sha256: "{sha256}"}}]
permissions: [{{resource_fqn: "openai-main/*"}}]
"""


class Mock:
    """The provider of `sluice mock`, which is the OTLP sink as well. Shares its CPU with the client, in every run alike."""

    def __init__(self, tool, directory):
        self.port = system.free_port()
        log = open(directory / "mock.log", "ab")
        self.process = system.start(system.CLIENT_CPU, [tool, "mock", "--listen", f"127.0.0.1:{self.port}"], log)
        system.wait_for(lambda: ask(self.port, "GET", "/health") == 200, 10, "the mock provider")

    def stats(self):
        return json.loads(fetch(self.port, "/mock/stats"))

    def stop(self):
        system.stop(self.process)


class Direct:
    """No gateway. The client's key goes to the provider, which does not look at it."""

    name = "direct"
    prefix = ""

    def __init__(self, mock, _tool, _directory):
        self.port, self.pid, self.start_ms = mock.port, None, 0.0

    def stop(self):
        pass


class Gateway:
    """A process on CPU 0. `start_ms` is from the start of the process to the first 200 through it."""

    prefix = ""

    def __init__(self, mock, tool, directory):
        self.port = system.free_port()
        command, env = self.prepare(mock, tool, directory)
        log = open(directory / f"{self.name}.log", "ab")
        begun = time.monotonic()
        self.process = system.start(system.GATEWAY_CPU, command, log, env)
        self.pid = self.process.pid
        try:
            system.wait_for(self.answers, 20, f"{self.name} (see {directory / (self.name + '.log')})")
        except Exception:
            self.stop()
            raise
        self.start_ms = (time.monotonic() - begun) * 1e3

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}")
        return ask(self.port, "POST", "/v1/chat/completions", body(self.prefix + "mock-fast")) == 200

    def refuses_wrong_key(self):
        return ask(self.port, "POST", "/v1/chat/completions", body(self.prefix + "mock-fast"), key="wrong") == 401

    def stop(self):
        system.stop(self.process)


class Nginx(Gateway):
    name = "nginx"

    def prepare(self, mock, _tool, directory):
        user = "user root;" if os.geteuid() == 0 else ""
        config = directory / "nginx.conf"
        config.write_text(NGINX.format(dir=directory, user=user, port=self.port, provider=mock.port,
                                       client_key=CLIENT_KEY, upstream_key=UPSTREAM_KEY))
        return ["nginx", "-p", directory, "-c", config, "-e", directory / "error.log"], {}


class Sluice(Gateway):
    name = "sluice"
    prefix = "openai-main/"

    def prepare(self, mock, tool, directory):
        self.admin = system.free_port()
        store = directory / "store"
        store.mkdir(exist_ok=True)
        config = directory / "sluice.yaml"
        config.write_text(SLUICE.format(dir=store, port=self.port, admin=self.admin, provider=mock.port,
                                        sha256=hashlib.sha256(CLIENT_KEY.encode()).hexdigest()))
        return [tool, "serve", "--config", config], {"PERF_UPSTREAM_KEY": UPSTREAM_KEY}

    def stored(self):
        """Whether the newest request can be read back, within a few seconds: rows are written behind the requests."""
        def readable():
            try:
                return b'"openai-main/' in fetch(self.admin, "/api/v1/requests?limit=1")
            except OSError:
                return False
        try:
            system.wait_for(readable, 5, "a stored request")
            return True
        except RuntimeError:
            return False


ALL = {kind.name: kind for kind in (Direct, Nginx, Sluice)}


def body(model):
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]})


def ask(port, method, path, payload=None, key=CLIENT_KEY):
    """The status, or 0 when there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, payload, {"authorization": f"Bearer {key}", "content-type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    except OSError:
        return 0
    finally:
        connection.close()


def fetch(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def directory_of(base, name):
    path = pathlib.Path(base) / name
    path.mkdir(parents=True, exist_ok=True)
    return path
