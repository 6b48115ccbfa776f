"""Which requests go through a proxy, as Go's programs decide it."""

from __future__ import annotations

import pytest
from yarl import URL

from promlab.config.http_client import ProxyConfig
from promlab.transport.proxies import proxy_for

PROXY = "http://proxy:3128"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("no_proxy", "url", "proxied"),
    [
        ("", "http://localhost:9090/", True),
        ("", "http://127.0.0.1/", True),
        ("other", "http://localhost:9090/", False),
        ("other", "http://127.9.9.9/", False),
        ("other", "http://[::1]:80/", False),
        ("other", "http://host/", True),
        ("*", "http://host/", False),
        ("a.test", "http://a.test/", False),
        ("a.test", "http://sub.a.test/", False),
        ("a.test", "http://nota.test/", True),
        (".a.test", "http://a.test/", True),
        (".a.test", "http://sub.a.test/", False),
        ("*.a.test", "http://a.test/", True),
        ("*.a.test", "http://sub.a.test/", False),
        ("x, A.TEST ,y", "http://a.test/", False),
        ("a.test:8080", "http://a.test/", True),
        ("a.test:8080", "http://a.test:8080/", False),
        ("a.test:443", "https://a.test/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", False),
        ("10.0.0.0/8", "http://11.1.2.3/", True),
        ("10.0.0.0/8", "http://ten.test/", True),
        ("10.0.0.1", "http://10.0.0.1:81/", False),
        ("10.0.0.1:80", "http://10.0.0.1:81/", True),
        ("fd00::/8", "http://[fd00::1]/", False),
        ("fd00::1", "http://[fd00::1]:81/", False),
        ("[fd00::1]:80", "http://[fd00::1]:81/", True),
        ("10.0.0.0/99, ,:", "http://10.0.0.1/", True),
    ],
)
def test_exceptions(no_proxy: str, url: str, proxied: bool) -> None:
    config = ProxyConfig(proxy_url=PROXY, no_proxy=no_proxy)
    assert proxy_for(config, URL(url)) == (PROXY if proxied else None)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ProxyConfig(proxy_from_environment=True)
    assert proxy_for(config, URL("http://host/")) is None
    monkeypatch.setenv("http_proxy", "one:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://two:2")
    monkeypatch.setenv("NO_PROXY", "direct")
    assert proxy_for(config, URL("http://host/")) == "http://one:1"
    assert proxy_for(config, URL("https://host/")) == "http://two:2"
    assert proxy_for(config, URL("https://direct/")) is None
    assert proxy_for(config, URL("http://127.0.0.1/")) is None
    assert proxy_for(ProxyConfig(), URL("http://host/")) is None
