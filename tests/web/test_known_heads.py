"""Heads that come again: taken for what they are, and for nothing else."""

from __future__ import annotations

import pytest

from promlab.web.known_heads import KnownHeads

HEAD = b"Host: x\r\nAccept: */*\r\n\r\n"
POSTED = b"Host: x\r\nContent-Length: 3\r\n\r\n"
SCOPE = {"type": "http", "headers": [(b"host", b"x"), (b"accept", b"*/*")], "method": "?"}


def heads() -> KnownHeads:
    known = KnownHeads()
    known.learn(b"GET / HTTP/1.1\r\n" + HEAD, SCOPE, 0)
    known.learn(b"POST / HTTP/1.1\r\n" + POSTED + b"a=b", SCOPE, 3)
    return known


def test_what_is_known_is_read() -> None:
    found = heads().request(b"GET /api/v1/query?query=1&time=5 HTTP/1.1\r\n" + HEAD)
    assert found is not None
    scope, body = found
    assert body == b""
    assert scope == SCOPE | {
        "method": "GET",
        "path": "/api/v1/query",
        "raw_path": b"/api/v1/query",
        "query_string": b"query=1&time=5",
    }
    again = heads()
    again.learn(b"GET / HTTP/1.1\r\n" + HEAD, SCOPE | {"client": ("other", 1)}, 0)
    other = again.request(b"GET /api/v1/query?query=1&time=5 HTTP/1.1\r\n" + HEAD)
    assert other == (scope | {"client": ("other", 1)}, b"")  # of this connection
    posted = heads().request(b"POST /a HTTP/1.1\r\n" + POSTED + b"c=\n")
    assert posted is not None
    assert (posted[0]["method"], posted[0]["query_string"], posted[1]) == ("POST", b"", b"c=\n")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\r\nHost: y\r\nAccept: */*\r\n\r\n",
        b"GET /a HTTP/1.1\r\n" + HEAD[:-2],
        b"GET /a HTTP/1.1\r\n" + HEAD + b"x",
        b"GET /a HTTP/1.1\r\n" + HEAD + b"GET /b HTTP/1.1\r\n" + HEAD,
        b"POST /a HTTP/1.1\r\n" + POSTED + b"c=",
        b"POST /a HTTP/1.1\r\n" + POSTED + b"c=dd",
        b"GET /a HTTP/1.0\r\n" + HEAD,
        b"GET  /a HTTP/1.1\r\n" + HEAD,
        b"get /a HTTP/1.1\r\n" + HEAD,
        b"PUT /a HTTP/1.1\r\n" + HEAD,
        b"GET /a%2fb HTTP/1.1\r\n" + HEAD,
        b"GET /a#b HTTP/1.1\r\n" + HEAD,
        b"GET //a HTTP/1.1\r\n" + HEAD,
        b"GET /a b HTTP/1.1\r\n" + HEAD,
        b"GET /a\xc3\xa9 HTTP/1.1\r\n" + HEAD,
        b"GET /a\nb HTTP/1.1\r\n" + HEAD,
        b"GET http://x/a HTTP/1.1\r\n" + HEAD,
        b"\r\nGET /a HTTP/1.1\r\n" + HEAD,
        b"",
    ],
)
def test_all_else_is_for_the_parser(data: bytes) -> None:
    assert heads().request(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: x\r\nAccept: */*\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\nAccept: */*\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"x" * 9000 + b"\r\n\r\n",
        b"OPTIONS / HTTP/1.1\r\n" + HEAD,
    ],
)
def test_odd_heads_are_not_learnt(data: bytes) -> None:
    known = KnownHeads()
    known.learn(data, SCOPE, 0)
    _, _, rest = data.partition(b"\r\n")
    assert known.request(data) is None
    assert known.request(b"GET / HTTP/1.1\r\n" + rest) is None


def test_only_some_are_kept() -> None:
    known = KnownHeads()
    asked = [b"GET / HTTP/1.1\r\nHost: %d\r\n\r\n" % i for i in range(20)]
    for data in asked:
        known.learn(data, SCOPE, 0)
    assert known.request(asked[-1]) is not None
    assert sum(known.request(data) is not None for data in asked) <= 8
