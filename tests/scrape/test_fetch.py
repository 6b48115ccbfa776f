"""Fetching from targets that behave, and from those that don't."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bad_targets import Handler, Request, always, answer, serve

from promlab.config import load_text
from promlab.errors import ConfigError, ScrapeError
from promlab.scrape.aside import Aside
from promlab.scrape.fetch import UNLIMITED_BYTES, BodyTooLarge, Fetcher
from promlab.scrape.pool import request_headers
from promlab.transport.session import HttpClient

BODY = b"a 1\n" * 1000
PLENTY_S = 30.0
CHUNKED = answer(Content_Length="", Transfer_Encoding="chunked")


def moved(there: str) -> bytes:
    return answer(status="302 Found", Location=there)


@asynccontextmanager
async def fetcher(options: str = "") -> AsyncIterator[Fetcher]:
    job = load_text(f"scrape_configs: [{{job_name: j, {options}}}]").jobs[0]
    client = HttpClient(job.http, request_headers(job, "1.2"))
    try:
        yield Fetcher(
            client,
            Aside(),
            follow_redirects=job.http.follow_redirects,
            body_size_limit=job.limits.body_size_limit,
        )
    finally:
        await client.close()


async def refusal(handler: Handler, options: str = "", budget_s: float = PLENTY_S) -> str:
    async with serve(handler) as target, fetcher(options) as fetch:
        with pytest.raises(ScrapeError) as caught:
            await fetch.fetch(target.url, budget_s)
        return str(caught.value).replace(target.url, "URL")


async def test_plain_and_gzip() -> None:
    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        wants = request.headers["Accept-Encoding"]
        packed = answer(gzip.compress(BODY), Content_Encoding="gzip")
        writer.write(packed if wants == "gzip" else answer(BODY))

    async with serve(handle) as target:
        for options in ("", "enable_compression: false"):
            async with fetcher(options) as fetch:
                for _ in range(3):
                    found = await fetch.fetch(target.url, PLENTY_S)
                    assert found.body == BODY
                    assert found.content_type == "text/plain; version=0.0.4"
        assert target.connections == 2  # one a session: connections are kept


async def test_request_headers() -> None:
    async with serve(always(answer())) as target, fetcher() as fetch:
        await fetch.fetch(target.url, 2.5)
        headers = target.requests[0].headers
        assert headers["User-Agent"] == "promlab/1.2"
        assert headers["X-Prometheus-Scrape-Timeout-Seconds"] == "2.5"
        assert headers["Accept-Encoding"] == "gzip"
        assert headers["Accept"].startswith("application/openmetrics-text;version=1.0.0")
        assert "Cookie" not in headers


async def test_chunked_and_joined_gzip_members() -> None:
    packed = gzip.compress(b"a 1\n") + gzip.compress(b"b 2\n")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (packed[:9], packed[9:]))
    raw = answer(Content_Length="", Content_Encoding="gzip", Transfer_Encoding="chunked")
    async with serve(always(raw + chunks + b"0\r\n\r\n")) as target, fetcher() as fetch:
        assert (await fetch.fetch(target.url, PLENTY_S)).body == b"a 1\nb 2\n"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (answer(status="500 Internal"), "server returned HTTP status 500 Internal"),
        (answer(status="204 No Content"), "server returned HTTP status 204 No Content"),
        (answer(status="404 Not Found"), "server returned HTTP status 404 Not Found"),
        (answer(status="304 Not Modified"), "server returned HTTP status 304 Not Modified"),
        (answer(b"ab", Content_Length="10"), 'Get "URL": unexpected EOF'),
        (b"", 'Get "URL": EOF'),
        (CHUNKED + b"5\r\nab", 'Get "URL": unexpected EOF'),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", 'Get "URL": malformed HTTP response'),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, 'Get "URL": malformed HTTP'),
        (answer(b"zz", Content_Encoding="gzip"), "gzip: "),
        (answer(gzip.compress(BODY)[:-9], Content_Encoding="gzip"), "gzip: unexpected EOF"),
        (answer(b"x", Content_Encoding="br"), "received unsupported Content-Encoding 'br'"),
        (moved("ftp://a/b"), 'Get "URL": unsupported protocol scheme "ftp"'),
        (moved("http://[::x/"), 'Get "URL": failed to parse Location'),
        (moved("/metrics"), 'Get "URL": stopped after 10 redirects'),
    ],
)  # fmt: skip
async def test_bad_answers(raw: bytes, message: str) -> None:
    hang_up = b"Location" not in raw
    text = await refusal(always(raw, hang_up=hang_up))
    assert text.startswith(message)
    assert len(text) < 400
    assert "\n" not in text


async def test_connection_refused_and_unknown_host() -> None:
    async with serve(always(b"")) as gone:
        pass
    async with fetcher() as fetch:
        with pytest.raises(ScrapeError) as caught:
            await fetch.fetch(gone.url, PLENTY_S)
        assert str(caught.value) == (
            f'Get "{gone.url}": dial tcp 127.0.0.1:{gone.port}: connect: connection refused'
        )
        with pytest.raises(
            ScrapeError, match=r"dial tcp: lookup no-such-host\.invalid: no such host"
        ):
            await fetch.fetch("http://no-such-host.invalid/", PLENTY_S)
        with pytest.raises(ScrapeError, match="Get "):
            await fetch.fetch("http://127.0.0.1:99999/", PLENTY_S)


async def test_redirects() -> None:
    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        there = request.path == "/there?x=%2F1"
        moved = answer(status="301 Moved", Location="/there?x=%2F1")
        writer.write(answer(b"a 1\n") if there else moved)

    async with serve(handle) as target:
        async with fetcher() as fetch:
            assert (await fetch.fetch(target.url, PLENTY_S)).body == b"a 1\n"
        async with fetcher("follow_redirects: false") as fetch:
            with pytest.raises(ScrapeError, match="server returned HTTP status 301 Moved"):
                await fetch.fetch(target.url, PLENTY_S)


async def test_credentials_stay_with_the_host() -> None:
    async with serve(always(answer(b"a 1\n"))) as other:
        elsewhere = f"http://localhost:{other.port}/"
        async with serve(always(answer(status="302 Found", Location=elsewhere))) as target:
            options = (
                "basic_auth: {username: u, password: p}, http_headers: {X-Key: {secrets: [k]}}"
            )
            async with fetcher(options) as fetch:
                await fetch.fetch(target.url, PLENTY_S)
            assert target.requests[0].headers["Authorization"] == "Basic dTpw"
            assert target.requests[0].headers["X-Key"] == "k"
            assert not {"Authorization", "X-Key"} & other.requests[0].headers.keys()


async def test_credentials_from_files_are_read_each_time(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    async with (
        serve(always(answer())) as target,
        fetcher(f"authorization: {{credentials_file: {token}}}") as fetch,
    ):
        await fetch.fetch(target.url, PLENTY_S)
        token.write_text("two")
        await fetch.fetch(target.url, PLENTY_S)
        sent = [request.headers["Authorization"] for request in target.requests]
        assert sent == ["Bearer one", "Bearer two"]
        token.unlink()
        with pytest.raises(ScrapeError, match=r"unable to read file .*token: no such file"):
            await fetch.fetch(target.url, PLENTY_S)


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"x" * 5000),
        answer(b"x" * 5000, Content_Length="", Connection="close"),
        answer(gzip.compress(b"x" * 5000), Content_Encoding="gzip"),
        answer(gzip.compress(b"x" * 3000) + gzip.compress(b"x" * 3000), Content_Encoding="gzip"),
    ],
    ids=["length", "endless", "gzip", "members"],
)
async def test_body_size_limit(raw: bytes) -> None:
    async with serve(always(raw, hang_up=b"close" in raw)) as target:
        async with fetcher("body_size_limit: 4KB") as fetch:
            with pytest.raises(BodyTooLarge, match=r"^body size limit exceeded$"):
                await fetch.fetch(target.url, PLENTY_S)
        async with fetcher("body_size_limit: 6000B") as fetch:
            assert len((await fetch.fetch(target.url, PLENTY_S)).body) >= 5000


async def test_a_body_of_just_the_limit() -> None:
    for raw in (answer(BODY), answer(gzip.compress(BODY), Content_Encoding="gzip")):
        async with serve(always(raw)) as target, fetcher("body_size_limit: 4000B") as fetch:
            assert (await fetch.fetch(target.url, PLENTY_S)).body == BODY


async def test_gzip_bomb_without_a_configured_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promlab.scrape.fetch.UNLIMITED_BYTES", 1 << 20)
    assert UNLIMITED_BYTES >= 1 << 28
    bomb = answer(gzip.compress(bytes(8 << 20)), Content_Encoding="gzip")
    text = await refusal(always(bomb))
    assert "more than 1 MiB, set body_size_limit" in text


async def test_slow_targets_end_with_their_time() -> None:
    async def slowly(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"a", Content_Length="100000"))
        while not writer.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def never(_: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    for handler in (slowly, never):
        text = await refusal(handler, budget_s=0.2)
        assert text == 'Get "URL": context deadline exceeded'


async def test_proxy() -> None:
    async with serve(always(answer(b"via proxy\n"))) as proxy:
        options = f"proxy_url: 'http://127.0.0.1:{proxy.port}', no_proxy: '127.0.0.1'"
        async with fetcher(options) as fetch:
            found = await fetch.fetch("http://lab.invalid/metrics", PLENTY_S)
            assert found.body == b"via proxy\n"
            assert proxy.requests[0].path == "http://lab.invalid/metrics"
        async with serve(always(answer(b"direct\n"))) as target, fetcher(options) as fetch:
            assert (await fetch.fetch(target.url, PLENTY_S)).body == b"direct\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        f"-subj /CN=lab -addext subjectAltName=DNS:lab.test -keyout {path}.key -out {path}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return path


async def test_tls(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, f"{certificate}.key")
    good = f"tls_config: {{ca_file: {certificate}, server_name: lab.test}}"
    cases = {
        good: "",
        "tls_config: {insecure_skip_verify: true}": "",
        f"tls_config: {{ca_file: {certificate}}}": "tls: failed to verify certificate: x509",
        "": "tls: failed to verify certificate: x509: self-signed certificate",
    }
    async with serve(always(answer(b"a 1\n")), ssl=context) as target:
        url = target.url.replace("http:", "https:")
        for options, message in cases.items():
            async with fetcher(options) as fetch:
                if not message:
                    assert (await fetch.fetch(url, PLENTY_S)).body == b"a 1\n"
                    continue
                with pytest.raises(ScrapeError) as caught:
                    await fetch.fetch(url, PLENTY_S)
                assert message in str(caught.value)


def inline_certificate(path: Path) -> str:
    key = Path(f"{path}.key").read_text()
    return f"cert: {path.read_text()!r}, key: {key!r}".replace("'", '"')


async def test_client_certificates(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, f"{certificate}.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate)
    inline = inline_certificate(certificate)
    async with serve(always(answer(b"a 1\n")), ssl=context) as target:
        url = target.url.replace("http:", "https:")
        async with fetcher(f"tls_config: {{insecure_skip_verify: true, {inline}}}") as fetch:
            assert (await fetch.fetch(url, PLENTY_S)).body == b"a 1\n"
        async with fetcher("tls_config: {insecure_skip_verify: true}") as fetch:
            with pytest.raises(ScrapeError):
                await fetch.fetch(url, PLENTY_S)


def test_unusable_certificates_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nothing")
    for name in ("none.pem", "bad.pem"):
        job = load_text(
            f"scrape_configs: [{{job_name: j, tls_config: {{ca_file: {tmp_path / name}}}}}]"
        ).jobs[0]
        with pytest.raises(ConfigError, match="unable to use TLS settings"):
            HttpClient(job.http, {})
