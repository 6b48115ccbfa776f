"""The client that waits: which requests of it go through a proxy, redirects among them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from promlab.config.http_client import HttpClientConfig, ProxyConfig
from promlab.transport.blocking import blocking_client


class Proxy:
    """Answers as proxy and as server; `lines` are what it was asked."""

    def __init__(self) -> None:
        proxy = self
        self.lines: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                proxy.lines.append(self.path)
                away = self.path.endswith("/away")
                self.send_response(302 if away else 200)
                if away:
                    self.send_header("Location", f"{proxy.url}/here")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_exceptions_go_directly(proxy: Proxy) -> None:
    config = HttpClientConfig(proxy=ProxyConfig(proxy_url=proxy.url, no_proxy="127.0.0.0/8"))
    with blocking_client(config, {}, 30.0) as client:
        client.get("http://far.example/x")
        client.get(f"{proxy.url}/x")
        # The first host is behind the proxy, the one that it names is not.
        client.get("http://far.example/away")
    assert proxy.lines == [
        "http://far.example/x", "/x", "http://far.example/away", "/here"
    ]  # fmt: skip


def test_without_exceptions_all_goes_through(proxy: Proxy) -> None:
    config = HttpClientConfig(proxy=ProxyConfig(proxy_url=proxy.url))
    with blocking_client(config, {}, 30.0) as client:
        client.get(f"{proxy.url}/x")
    assert proxy.lines == [f"{proxy.url}/x"]


def test_the_environment_is_asked_where_that_is_wanted(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    config = HttpClientConfig(proxy=ProxyConfig(proxy_from_environment=True))
    with blocking_client(config, {}, 30.0) as client:
        client.get("http://far.example/x")
    with blocking_client(HttpClientConfig(), {}, 30.0) as client:
        client.get(f"{proxy.url}/y")
    assert proxy.lines == ["http://far.example/x", "/y"]
