"""Unix sockets, tokens, and credentials that stay where they belong."""

from __future__ import annotations

import contextlib
import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from made_up_machine import parsed

from promlab.errors import ConfigError
from promlab.exporters.blackbox.command import BlackboxExporter
from promlab.exporters.serving import Request


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Pages(http.server.BaseHTTPRequestHandler):
    """Gives tokens at /token; /page wants one, /away leads to another host."""

    asked: list[tuple[str, str, str]]
    elsewhere = ""
    form_only = False

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        who = self.headers.get("Authorization", "")
        self.asked.append((self.path, who, form))
        if self.form_only and who:
            self._say(401, b"{}")
        elif self.path == "/token":
            self._say(200, json.dumps({"access_token": "t1", "token_type": "bearer"}).encode())
        else:
            self._say(200, b"no json")

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization", ""), ""))
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", self.elsewhere)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._say(200, b"ok")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def pages(**more: Any) -> Any:
    handler = type("Here", (Pages,), {"asked": [], **more})
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)


def exporter(folder: Path, text: str) -> BlackboxExporter:
    path = folder / "blackbox.yml"
    path.write_text(text)
    return BlackboxExporter(str(path))


def success(found: BlackboxExporter, target: str, module: str = "m") -> float:
    answer = found.probe(Request("GET", {"target": [target], "module": [module]}, Message()))
    assert answer.status == 200, answer.body
    return parsed(answer.body.decode())["probe_success", ()]


@pytest.mark.parametrize("form_only", [False, True])
def test_token(tmp_path: Path, form_only: bool) -> None:
    with serving(pages(form_only=form_only)) as server:
        base = f"http://127.0.0.1:{server.server_port}"
        found = exporter(
            tmp_path,
            f"modules: {{m: {{prober: http, http: {{oauth2: {{client_id: me, client_secret: s3,"
            f" token_url: '{base}/token', scopes: [a, b], endpoint_params: {{for: x}}}}}}}},"
            f" n: {{prober: http, http: {{oauth2: {{client_id: me, token_url: '{base}/no'}}}}}}}}",
        )
        assert success(found, f"{base}/page") == 1
        assert success(found, f"{base}/page", "n") == 0
    asked = server.RequestHandlerClass.asked
    assert ("/page", "Bearer t1", "") in asked
    _, who, form = [each for each in asked if each[0] == "/token"][-1]
    assert "scope=a+b" in form
    assert "for=x" in form
    assert ("client_secret=s3" in form) == form_only
    assert (who == "") == form_only
    assert b"s3" not in found.config(Request("GET", {}, Message())).body


def test_credentials_do_not_follow_a_redirect_to_another_host(tmp_path: Path) -> None:
    with serving(pages()) as other:
        away = f"http://127.0.0.1:{other.server_port}/page"
        with serving(pages(elsewhere=away)) as server:
            found = exporter(tmp_path, "modules: {m: {prober: http, http: {bearer_token: sesame}}}")
            assert success(found, f"http://127.0.0.1:{server.server_port}/away") == 1
    assert server.RequestHandlerClass.asked == [("/away", "Bearer sesame", "")]
    assert other.RequestHandlerClass.asked == [("/page", "", "")]


class Pong(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        if self.rfile.readline() == b"ping\n":
            self.wfile.write(b"pong 1\n")


def test_unix_socket(tmp_path: Path) -> None:
    found = exporter(
        tmp_path,
        "modules: {m: {prober: unix, unix: {query_response: [{send: ping}, {expect: '^pong'}]}},"
        " deaf: {prober: unix, timeout: 2s, unix: {query_response: [{send: x},"
        " {expect: '^pong'}]}}, n: {prober: unix}}",
    )
    path = f"{tmp_path}/s"
    with serving(socketserver.ThreadingUnixStreamServer(path, Pong)):
        assert success(found, path) == 1
        assert success(found, f"unix://{path}", "n") == 1
        assert success(found, path, "deaf") == 0
    assert success(found, f"{tmp_path}/none", "n") == 0
    assert success(found, "x" * 500, "n") == 0


def test_two_ways_to_say_who_one_is(tmp_path: Path) -> None:
    http_ = "{bearer_token: x, oauth2: {client_id: a, token_url: 'http://b'}}"
    with pytest.raises(ConfigError, match="at most one of basic_auth"):
        exporter(tmp_path, f"modules: {{m: {{prober: http, http: {http_}}}}}")
