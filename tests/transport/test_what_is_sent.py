"""What each client sends for the same options, by all ways: the same as the real Prometheus.

A recorder is target, token server and proxy at once, with TLS on a second port.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from yarl import URL

from promlab.config import load_text
from promlab.config.http_client import HttpClientConfig
from promlab.discovery.asking import Asker
from promlab.scrape.aside import Aside
from promlab.scrape.fetch import Fetcher
from promlab.transport.session import HttpClient
from tests import real_programs
from tests.patience import until

SAID = (
    "authorization: {credentials: cr3d}, "
    "http_headers: {X-One: {values: [a, b], secrets: [c]}, x-file: {files: ['FOLDER/f']}}"
)
HEADERS = [("authorization", "Bearer cr3d"), ("x-file", "filesecret"), ("x-one", "a"),
           ("x-one", "b"), ("x-one", "c")]  # fmt: skip
CONNECT = "proxy_connect_header: {X-Connect: [v1, v2]}"
UNTRUSTED = "tls_config: {insecure_skip_verify: true}"
# Options, and by which ways a request comes: its scheme, what stands in its first line.
WAYS = {
    "direct": ("", "http", "/"),
    "tls": (UNTRUSTED, "https", "/"),
    "proxy": (f"proxy_url: 'http://us:pw@PROXY', {CONNECT}", "http", "http://"),
    "tunnel": (f"proxy_url: 'http://us:pw@PROXY', {CONNECT}, {UNTRUSTED}", "https", "CONNECT"),
    "no proxy": (f"proxy_url: 'http://PROXY', no_proxy: '127.0.0.0/8', {CONNECT}", "http", "/"),
}


class Request(NamedTuple):
    """What came, by which way: "" or "tunnel"."""

    way: str
    line: str
    headers: list[tuple[str, str]]

    def those(self, *names: str) -> list[tuple[str, str]]:
        return [pair for pair in self.headers if pair[0] in names]


class Recorder:
    """Answers everything; a CONNECT leads back to itself, over TLS."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls, self.requests = tls, list[Request]()
        self.address = self.secure = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = ""
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *lines = head.strip().split("\r\n")
                pairs = [tuple(each.split(": ", 1)) for each in lines]
                headers = sorted((name.lower(), text) for name, text in pairs)
                await reader.readexactly(int(dict(headers).get("content-length", "0")))
                self.requests.append(Request(way, line, headers))
                if line.startswith("CONNECT"):
                    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    await writer.start_tls(self._tls)
                    way = "tunnel"
                    continue
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                             b"Content-Length: 4\r\n\r\na 1\n")  # fmt: skip
                await writer.drain()
        writer.close()

    def base(self, scheme: str) -> str:
        return f"{scheme}://{self.secure if scheme == 'https' else self.address}"


@pytest.fixture(scope="module")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x"]
    command += ["-keyout", f"{folder}/key", "-out", f"{folder}/cert"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


@asynccontextmanager
async def recording(tls: ssl.SSLContext) -> AsyncIterator[Recorder]:
    recorder = Recorder(tls)
    plain = await asyncio.start_server(recorder.handle, "127.0.0.1", 0)
    secure = await asyncio.start_server(recorder.handle, "127.0.0.1", 0, ssl=tls)
    recorder.address, recorder.secure = (
        "{}:{}".format(*server.sockets[0].getsockname()) for server in (plain, secure)
    )
    try:
        yield recorder
    finally:
        plain.close()
        secure.close()


@contextlib.contextmanager
def recording_aside(tls: ssl.SSLContext) -> Iterator[Recorder]:
    """In a thread, for tests that wait."""
    loop = asyncio.new_event_loop()
    started: list[Recorder] = []
    ending = asyncio.Event()

    async def run() -> None:
        async with recording(tls) as recorder:
            started.append(recorder)
            await ending.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    until(lambda: started, "the recorder")
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join()
        loop.close()


def options(way: str, recorder: Recorder, folder: Path) -> str:
    (folder / "f").write_text("filesecret\n")
    text = ", ".join(filter(None, (SAID, WAYS[way][0])))
    return text.replace("PROXY", recorder.address).replace("FOLDER", str(folder))


def config(way: str, recorder: Recorder, folder: Path) -> HttpClientConfig:
    text = f"scrape_configs: [{{job_name: j, {options(way, recorder, folder)}}}]"
    return load_text(text).jobs[0].http


async def scrape(http: HttpClientConfig, base: str) -> None:
    client = HttpClient(http, {"User-Agent": "promlab/x"})
    fetcher = Fetcher(client, Aside(), follow_redirects=True, body_size_limit=0)
    try:
        await fetcher.fetch(f"{base}/p", 30.0)
    finally:
        await client.close()


async def discover(http: HttpClientConfig, base: str) -> None:
    asker = Asker(http, "promlab/x")
    try:
        await asker.ask(f"{base}/p")
    finally:
        await asker.close()


async def post(http: HttpClientConfig, base: str) -> None:
    """As remote write, remote read, alerts and notifications do."""
    client = HttpClient(http, {"User-Agent": "promlab/x"})
    try:
        async with client.open("POST", URL(f"{base}/p"), body=b"x", keep_method=True):
            pass
    finally:
        await client.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ask", [scrape, discover, post])
async def test_every_client_says_what_is_configured(
    server_tls: ssl.SSLContext,
    tmp_path: Path,
    ask: Callable[[HttpClientConfig, str], Awaitable[None]],
    way: str,
) -> None:
    scheme = WAYS[way][1]
    async with recording(server_tls) as recorder:
        await ask(config(way, recorder, tmp_path), recorder.base(scheme))
    check(recorder.requests, way, "promlab")
    [*_, request] = recorder.requests
    assert not request.those("accept", "content-type")


@pytest.mark.parametrize(
    ("said", "told"),
    [("", "Basic dXM6cHc="), ("authorization: {credentials: cr3d}", "Bearer cr3d")],
)
async def test_a_name_in_the_url(server_tls: ssl.SSLContext, said: str, told: str) -> None:
    http = load_text(f"scrape_configs: [{{job_name: j, {said}}}]").jobs[0].http
    async with recording(server_tls) as recorder:
        for ask in (post, discover, scrape):
            await ask(http, f"http://us:pw@{recorder.address}")
    assert [each.those("authorization") for each in recorder.requests] == [
        [("authorization", told)]
    ] * 3


def check(requests: list[Request], way: str, agent: str) -> None:
    """The last request, and the CONNECT before it where there is one."""
    first = WAYS[way][2]
    [*before, request] = requests
    for pair in request.those("authorization", "x-one", "x-file"):
        assert pair in HEADERS
    assert request.those("authorization", "x-one", "x-file") == HEADERS
    [(_, told)] = request.those("user-agent")
    assert told.lower().startswith(agent)
    proxied = request.those("proxy-authorization", "x-connect")
    if first == "CONNECT":
        connect = before[-1]
        assert connect.line.startswith("CONNECT 127.0.0.1:")
        assert request.way == "tunnel"
        assert not proxied
        assert not connect.those("authorization", "x-one", "x-file")
        assert connect.those("x-connect") == [("x-connect", "v1"), ("x-connect", "v2")]
        assert connect.those("proxy-authorization") == [("proxy-authorization", "Basic dXM6cHc=")]
    else:
        assert request.line.split()[1].startswith(first)
        assert not before
        assert [name for name, _ in proxied] == ["proxy-authorization"] * (first == "http://")


@pytest.mark.peers
def test_the_real_one_says_the_same(
    peers: Path, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    with recording_aside(server_tls) as recorder:
        writing, alerting = [], []
        for number, (way, (_, scheme, _)) in enumerate(WAYS.items()):
            base, said = recorder.base(scheme), options(way, recorder, tmp_path)
            place = URL(base).authority
            writing.append(f"- {{url: '{base}/w{number}', {said}}}")
            alerting.append(
                f"  - {{path_prefix: /a{number}, scheme: {scheme}, {said}, "
                f"static_configs: [{{targets: ['{place}']}}]}}"
            )
        (tmp_path / "rules.yml").write_text(
            "groups: [{name: g, interval: 1s, rules: [{alert: A, expr: vector(1)}]}]"
        )
        text = f"rule_files: ['{tmp_path}/rules.yml']\nremote_write:\n" + "\n".join(writing)
        text += "\nalerting:\n  alertmanagers:\n" + "\n".join(alerting)
        flags = ["--rules.alert.resend-delay=1s"]
        with real_programs.prometheus(peers, tmp_path / "real", text, *flags):
            for number in range(len(WAYS)):
                for kind in "wa":
                    until(
                        lambda path=f"/{kind}{number}": any(
                            re.search(rf"{path}\b", each.line) for each in recorder.requests
                        ),
                        "all",
                    )
        for number, way in enumerate(WAYS):
            for kind in "wa":
                found = [each for each in recorder.requests
                         if re.search(rf"/{kind}{number}\b", each.line)]  # fmt: skip
                connects = [each for each in recorder.requests if each.line.startswith("CONNECT")]
                check([*(connects[:1] if way == "tunnel" else []), found[0]], way, "prometheus")
