"""Connections: how many, how long, how large their headers."""

from __future__ import annotations

import re
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))  # its helpers

from fake_server import make_context
from running import until
from threaded import threaded

from promlab.server.app import App
from promlab.server.settings import Settings
from promlab.web.http import Response

SETTINGS = Settings(route_prefix="")
ASK = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"

FORM_TYPE = b"application/x-www-form-urlencoded"
FORM = b"POST /api/v1/query HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"


def connected(address: str) -> socket.socket:
    host, port = address.split(":")
    found = socket.create_connection((host, int(port)))
    found.settimeout(30)
    return found


def test_one_connection_too_many_waits_for_its_turn() -> None:
    with threaded(lambda: make_context(SETTINGS), max_connections=2) as (address, _):
        held = [connected(address) for _ in range(2)]
        for each in held:
            each.sendall(ASK)
            assert each.recv(100).startswith(b"HTTP/1.1 200")
        with connected(address) as third:
            third.sendall(ASK)
            third.settimeout(0.3)
            try:
                early = third.recv(100)
            except TimeoutError:
                early = b""
            assert early == b""
            held.pop().close()
            third.settimeout(30)
            assert third.recv(100).startswith(b"HTTP/1.1 200")
        held.pop().close()


def test_who_does_not_say_what_it_wants_is_cut_off() -> None:
    with threaded(lambda: make_context(SETTINGS), read_timeout_s=0.3) as (address, _):
        for said in (
            b"",
            b"GET / HTT",
            FORM + b"Content-Length: 9\r\n\r\nq",
        ):
            with connected(address) as slow:
                slow.sendall(said)
                try:
                    rest = slow.recv(100)
                except ConnectionResetError:
                    rest = b""
                assert rest == b""


def test_headers_are_bounded() -> None:
    with threaded(lambda: make_context(SETTINGS)) as (address, _), connected(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        try:
            for _ in range(64):
                client.sendall(b"X-More: " + b"a" * 65_000 + b"\r\n")
            answer = client.recv(100)
        except OSError:
            pass  # cut off while it was still talking
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    with threaded(lambda: make_context(SETTINGS), max_connections=1) as (address, _):
        for _ in range(20):
            with connected(address) as client:
                client.sendall(ASK[:20])
        with connected(address) as client:

            def answered() -> bool:
                client.sendall(ASK)
                return client.recv(100).startswith(b"HTTP/1.1 200")

            until(answered, "an answer")


QUERY = "GET /api/v1/query?query={}&time=50 HTTP/1.1\r\nHost: x\r\n{}\r\n"


def answers(client: socket.socket, count: int) -> list[tuple[dict[str, str], bytes]]:
    """The next answers of a connection: headers (the status line under "") and body."""
    stream, found = client.makefile("rb"), []
    for _ in range(count):
        headers = {"": stream.readline().decode().strip()}
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        found.append((headers, stream.read(int(headers["content-length"]))))
    return found


def test_requests_sent_together_are_answered_in_their_order() -> None:
    texts = ["1", "up", "2", "sum(up)", "up", "3"]
    with threaded(lambda: make_context(SETTINGS)) as (address, _), connected(address) as client:
        client.sendall("".join(QUERY.format(text, "") for text in texts * 3).encode() + ASK)
        found = [body for _, body in answers(client, len(texts) * 3 + 1)]
        assert found[-1].startswith(b"Prometheus") or b"ealthy" in found[-1]
        alone = []
        for text in texts:
            client.sendall(QUERY.format(text, "").encode())
            alone += [body for _, body in answers(client, 1)]
    assert found[:-1] == alone * 3
    assert len(set(alone)) == len(set(texts))


def test_an_answer_at_once_is_the_same_as_one_of_a_task() -> None:
    bad = ["1+", "rate(up)", "", "up{", "sum(up) by (job)"]
    with threaded(lambda: make_context(SETTINGS)) as (address, _), connected(address) as client:
        for text in ["1", "up", "up", *bad]:
            # A request that would upgrade is none that is answered at once.
            for more in ("Origin: http://a.test\r\n", "Accept-Encoding: gzip\r\n"):
                query = text.replace(" ", "%20")
                client.sendall(QUERY.format(query, more).encode())
                client.sendall(QUERY.format(query, more + "Upgrade: h2c\r\n").encode())
                (at_once, body), (in_turn, same) = answers(client, 2)
                assert body == same
                for changing in ("date", "server-timing"):
                    assert (changing in at_once) == (changing in in_turn)
                    at_once.pop(changing, None), in_turn.pop(changing, None)
                assert at_once == in_turn


def test_a_connection_answers_the_same_however_often_it_was_asked() -> None:
    texts = ["1", "2", "up", "up", "1+", "up{", "sum(up)", "sum(up)", "%31"]
    with threaded(lambda: make_context(SETTINGS)) as (address, _):
        asked = [QUERY.format(text, "") for text in texts] * 2
        asked += ["GET /nothing?a=b HTTP/1.1\r\nHost: x\r\n\r\n"] * 2
        asked += ["GET /api/v1/label/jo%62/values HTTP/1.1\r\nHost: x\r\n\r\n"] * 2
        with connected(address) as client:
            for request in asked:
                client.sendall(request.encode())
                ((headers, body),) = answers(client, 1)
                with connected(address) as other:
                    other.sendall(request.encode())
                    ((same_headers, same),) = answers(other, 1)
                assert body == same
                assert headers.keys() == same_headers.keys()
                assert headers[""] == same_headers[""]


POSTED = (
    "POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: {}\r\n{}\r\n"
)


def test_a_posted_query_is_the_same_whole_or_in_pieces() -> None:
    forms = [
        "query=1",
        "query=up&time=50",
        "query=1%2B&time=50",
        "",
        "x=" + "a" * 70_000 + "&query=2",
    ]
    with threaded(lambda: make_context(SETTINGS)) as (address, _), connected(address) as client:
        for form in forms * 2:
            whole = POSTED.format(len(form), "") + form
            client.sendall(whole.encode())
            (found,) = answers(client, 1)
            for cut in (len(whole) - len(form), len(whole) - len(form) // 2):
                client.sendall(whole[:cut].encode())
                time.sleep(0.01)  # most of the time another piece for the server
                client.sendall(whole[cut:].encode())
                ((headers, body),) = answers(client, 1)
                assert (headers[""], headers["content-type"]) == (
                    found[0][""],
                    found[0]["content-type"],
                )
                assert without_time(body) == without_time(found[1])
            client.sendall((whole * 3).encode())
            assert [without_time(body) for _, body in answers(client, 3)] == [
                without_time(found[1])
            ] * 3


def without_time(body: bytes) -> bytes:
    """An answer about now, with no moment in it."""
    return re.sub(rb"\[1\d{9}(\.\d+)?,", b"[now,", body)


def test_a_silent_connection_is_closed_after_an_answer() -> None:
    with threaded(lambda: make_context(SETTINGS), read_timeout_s=0.3) as (address, _):
        for request in (QUERY.format("1", "").encode(), ASK):

            def was_closed(asked: bytes = request) -> bool:
                with connected(address) as client:
                    try:
                        for _ in range(3):
                            client.sendall(asked)
                            answers(client, 1)
                    except (OSError, KeyError):
                        return False  # on a busy machine it was silent for too long already
                    return client.recv(100) == b""

            until(was_closed, "a closed connection")


def test_only_known_small_queries_are_answered_at_once() -> None:
    context = make_context(SETTINGS)
    app = App(context)

    def ask(
        path: str, query: bytes, method: str = "GET", body: bytes = b"", kind: bytes = FORM_TYPE
    ) -> Response | None:
        return app.at_once(
            {
                "type": "http", "method": method, "path": path, "raw_path": path.encode(),
                "query_string": query, "headers": [(b"content-type", kind)],
                "client": ("192.0.2.1", 1),
            },
            body,
        )  # fmt: skip

    constant = ask("/api/v1/query", b"query=1&time=50")
    assert constant is not None
    assert constant.status == 200
    # What it costs is not known before it has run.
    assert ask("/api/v1/query", b"query=up&time=50") is None
    posted = ask("/api/v1/query", b"", "POST", b"query=1&time=50")
    assert posted is not None
    assert posted.body == constant.body
    other = ask("/api/v1/query", b"", "POST", b"query=1", b"text/plain")
    assert other is not None
    assert other.status == 400
    assert ask("/api/v1/label/job/values", b"", "POST") is None
    assert ask("/api/v1/write", b"", "POST") is None
    assert ask("/api/v1/status/buildinfo", b"") is None
    assert ask("/api/v1/query%", b"") is None


def test_what_cannot_be_parsed_is_answered_as_by_go() -> None:
    with threaded(lambda: make_context(SETTINGS)) as (address, _):
        for line in (b"GET /%zz", b"GET /%", b"GET /api/v1/label/%a/values", b"GET /-/healthy%2"):
            assert asked_once(address, line + b" HTTP/1.1\r\nHost: x\r\n\r\n") == (
                400,
                "400 Bad Request",
            )
        assert asked_once(address, b"hello\r\n\r\n") == (400, "400 Bad Request")
        status, _body = asked_once(
            address, b"GET /-/%68ealthy?a=%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert status == 200


def asked_once(address: str, request: bytes) -> tuple[int, str]:
    """Status and body of the answer, up to the end of the connection."""
    with connected(address) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()
