"""Plain HTTP, answer by answer, on both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from yarl import URL

from promlab.errors import ScrapeError
from promlab.transport.direct import DirectClient, Malformed, Response, TooLarge, speaks_directly

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A:  b \r\n\r\nhi"

Check = Callable[[DirectClient, URL], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    factory = uvloop.new_event_loop if request.param == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner


class Target:
    """A server that answers each request with the next of some bytes, and counts connections."""

    def __init__(self, *answers: bytes, close_after: int = 10) -> None:
        self._answers, self._close_after = list(answers), close_after
        self.connections = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for _ in range(self._close_after):
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self._answers.pop(0))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        writer.close()


def run(runner: asyncio.Runner, target: Target, check: Check) -> None:
    async def main() -> None:
        server = await asyncio.start_server(target.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = DirectClient()
        async with server, asyncio.timeout(240):
            await check(client, URL(f"http://127.0.0.1:{port}/metrics?a=b"))
            client.close()

    runner.run(main())


def answers(runner: asyncio.Runner, target: Target, n: int, limit: int = 1000) -> list[Response]:
    got: list[Response] = []

    async def check(client: DirectClient, url: URL) -> None:
        while len(got) < n:
            got.append(await client.get(url, {"Accept": "text/plain"}, limit))

    run(runner, target, check)
    return got


def test_connection_is_kept(runner: asyncio.Runner) -> None:
    target = Target(OK, OK, OK)
    got = answers(runner, target, 3)
    assert [response.body for response in got] == [b"hi"] * 3
    assert got[0].header(b"x-a") == "b"
    assert got[0].header(b"missing") == ""
    assert target.connections == 1
    assert target.requests[0].startswith(b"GET /metrics?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nAccept: text/plain\r\n" in target.requests[0]


def test_connection_that_the_target_closed_is_replaced(runner: asyncio.Runner) -> None:
    target = Target(OK, OK, close_after=1)
    assert len(answers(runner, target, 2)) == 2
    assert target.connections == 2


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (CHUNKED + b"2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n", b"hi!"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)  # fmt: skip
def test_bodies(runner: asyncio.Runner, answer: bytes, body: bytes) -> None:
    assert answers(runner, Target(answer, close_after=1), 1)[0].body == body


@pytest.mark.parametrize(
    ("answer", "limit", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", 1000, EOFError),
        (b"", 1000, EOFError),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 1000, Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 1000, Malformed),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, 1000, Malformed),
        (OK, 1, TooLarge),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 5000, 1000, TooLarge),
        (CHUNKED + b"3\r\nhi!\r\n0\r\n\r\n", 2, TooLarge),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_name(
    runner: asyncio.Runner, answer: bytes, limit: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        answers(runner, Target(answer, close_after=1), 1, limit)


def test_nobody_listens(runner: asyncio.Runner) -> None:
    async def main() -> None:
        await DirectClient().get(URL("http://127.0.0.1:1/"), {}, 1000)

    with pytest.raises(ScrapeError, match=r"dial tcp 127.0.0.1:1: connect: connection refused"):
        runner.run(main())


def test_header_with_a_line_break_is_refused(runner: asyncio.Runner) -> None:
    async def main() -> None:
        await DirectClient().get(URL("http://127.0.0.1:1/"), {"A": "b\r\nC: d"}, 1000)

    with pytest.raises(ScrapeError, match="line break"):
        runner.run(main())


@pytest.mark.parametrize(
    ("url", "directly"),
    [
        ("http://host:1/metrics", True),
        ("http://[::1]:1/metrics", True),
        ("https://host/metrics", False),
        ("http://user:password@host/metrics", False),
        ("http://host/a b", False),
        ("http://host/a\r\nX: y", False),
    ],
)
def test_what_is_asked_for_directly(url: str, directly: bool) -> None:
    assert speaks_directly(URL(url, encoded=True)) is directly
