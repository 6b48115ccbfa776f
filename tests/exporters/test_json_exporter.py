"""Documents of a real HTTP server as metrics, by a file of modules."""

from __future__ import annotations

import http.server
import json
import math
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promlab.errors import ConfigError
from promlab.exporters import openmetrics, protobuf
from promlab.exporters.families import render
from promlab.exporters.json.metrics import Reading, number
from promlab.exporters.json.modules import load
from promlab.exporters.json.paths import Template, path_of

DOCUMENT = {
    "counter": 1234,
    "name": 'mars "red"',
    "timestamp": 1657568506000,
    "big": 20_000_000.0,
    "values": [
        {"id": "id-A", "count": 1, "some_boolean": True, "state": "ACTIVE"},
        {"id": "id-B", "count": 2, "some_boolean": True, "state": "INACTIVE"},
        {"id": "id-C", "count": "3.5", "some_boolean": None, "state": "ACTIVE"},
        {"id": "id-D", "count": "many", "some_boolean": False, "state": "ACTIVE"},
    ],
}
MODULES = """\
modules:
  default:
    headers: {X-Dummy: header}
    http_client_config: {basic_auth: {username: me, password: pass}}
    metrics:
      - name: example_global
        path: '{ .counter }'
        help: A number.
        valuetype: counter
        labels: {environment: beta, location: 'planet-{.name}'}
      - {name: example_timestamped, path: .counter, epochTimestamp: '{.timestamp}'}
      - name: example_value
        type: object
        path: '{.values[?(@.state == "ACTIVE")]}'
        labels: {id: '{.id}', big: '{.missing}'}
        values: {active: 1, count: '{.count}', boolean: '{.some_boolean}'}
      - {name: twins, path: '{.values[*].count}'}
  post:
    body: {content: '{"ask": 1}'}
    valid_status_codes: [201]
    metrics: [{name: asked, path: $.ask}]
  small:
    body_size_limit: 100B
    metrics: [{name: counter, path: '{.counter}'}]
"""


class Target(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        good = self.headers["Authorization"] == "Basic bWU6cGFzcw==" or "open" in self.path
        if self.path == "/text":
            self._say(200, b"{nothing")
        elif self.path == "/deep":
            self._say(200, b"[" * 100_000)
        elif not good or self.headers.get("X-Dummy", "header") != "header":
            self._say(401, b"")
        else:
            self._say(200, json.dumps(DOCUMENT).encode())

    def do_POST(self) -> None:
        self._say(201, self.rfile.read(int(self.headers["Content-Length"])))

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def target() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "json.yml"
    path.write_text(MODULES)
    return path


def ask(url: str, **parameters: str) -> tuple[int, str]:
    query = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{url.replace('/metrics', '/probe')}?{query}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_target(file: Path, target: str, run_kind: Callable[..., str]) -> None:
    url = run_kind("json", f"--config.file={file}")
    status, text = ask(url, target=target)
    assert status == 200
    for line in (
        "# HELP example_global A number.",
        "# TYPE example_global counter",
        'example_global{environment="beta",location="planet-mars \\"red\\""} 1234',
        "example_timestamped 1234 1657568506000",
        'example_value_active{big="",id="id-A"} 1',
        'example_value_boolean{big="",id="id-A"} 1',
        'example_value_boolean{big="",id="id-C"} NaN',
        'example_value_boolean{big="",id="id-D"} 0',
        'example_value_count{big="",id="id-C"} 3.5',
        "twins 1",  # the others have no labels that differ
    ):
        assert f"{line}\n" in text
    assert 'id="id-B"' not in text
    assert 'example_value_count{big="",id="id-D"}' not in text
    assert ask(url, target=target, module="post") == (200, "# TYPE asked untyped\nasked 1\n")
    with urllib.request.urlopen(url) as answer:
        own = answer.read().decode()
    assert "json_exporter_probes_total 2\n" in own
    assert "json_exporter_values_left_out_total 4\n" in own


def test_what_goes_wrong(file: Path, target: str, run_kind: Callable[..., str]) -> None:
    url = run_kind("json", f"--config.file={file}")
    assert ask(url) == (400, "Target parameter is missing, or comes twice\n")
    assert ask(url, target=target, module="none") == (400, "Unknown module 'none'\n")
    for asked, module, reason in (
        (target, "small", "it answered 401 Unauthorized"),
        (f"{target}/open", "small", "the answer is larger than 100 bytes"),
        (f"{target}/text", "default", "the answer is not JSON"),
        (f"{target}/deep", "default", "the answer is not JSON"),
        ("file:///etc/hostname", "default", "the target is no URL"),
        ("http://[", "default", "the target is no URL"),
        ("127.0.0.1:1", "default", "refused"),
    ):
        status, text = ask(url, target=asked, module=module)
        assert status == 503
        assert reason in text
        assert "Traceback" not in text


def test_openmetrics_and_protobuf_carry_the_time(file: Path) -> None:
    metrics = load(str(file))["default"].metrics
    found = [f for f in Reading(DOCUMENT).families(metrics) if f.stamps]
    assert b"example_timestamped 1234.0 1657568506.000\n" in openmetrics.render(found)
    assert b"example_timestamped 1234 1657568506000\n" in render(found)
    stamp = bytes.fromhex("30") + protobuf.varint(1657568506000)
    assert stamp in protobuf.render(found)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e3", 1000.0), ("TRUE", 1.0), ("false", 0.0), ("-Inf", -math.inf), (" 7 ", 7.0)],
)
def test_numbers(text: str, value: float) -> None:
    assert number(text) == value


def test_paths_and_templates() -> None:
    assert path_of("{.values[-1:].id}").find(DOCUMENT) == ["id-D"]
    assert path_of("{..id}").find(DOCUMENT) == ["id-A", "id-B", "id-C", "id-D"]
    assert path_of('{.values[?search(@.id, "[BC]$")].id}').find(DOCUMENT) == ["id-B", "id-C"]
    assert path_of('{.values[?match(@.id, "B")].id}').find(DOCUMENT) == []
    assert Template("a {.big} b {.values[0]['id', 'count']}").render(DOCUMENT) == (
        "a 20000000 b id-A 1"
    )
    assert Template('{.values[?(@.id == "}")].id}x').render(DOCUMENT) == "x"


METRIC = "modules: {{m: {{metrics: [{{{}}}]}}}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no modules"),
        ("modules: {m: {metrics: [{name: a b, path: .x}]}}", "'a b' is no metric name"),
        (METRIC.format("name: a"), r"modules.m.metrics\[0\]: a metric needs a path"),
        (METRIC.format("name: a, path: '{.a[}'"), r":1:\d+: .*is no JSONPath"),
        (METRIC.format("name: a, path: .a, labels: {b: '{.x'}"), "has no other"),
        (METRIC.format("name: a, path: .a, labels: {b: '{range .x[*]}'}"), "is not supported"),
        (METRIC.format("name: a, path: .a, type: object"), "values belong to the type object"),
        (METRIC.format("name: a, path: .a, type: list"), "unknown type 'list'"),
        (METRIC.format("name: a, path: .a, valuetyp: gauge"), "did you mean valuetype"),
        ("modules: {m: {body: {templatize: true}}}", "not supported"),
        ("modules: {m: {http_client_config: {basic_auth: 1}}}", "expected a mapping"),
    ],
)
def test_files_that_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "json.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(str(path))
