"""Forms: what a request asks for, read once for all that ask for the same."""

from __future__ import annotations

import asyncio

import pytest

from promlab.web.http import FORM, Form, Request, Scope


def request(query: bytes, body: bytes | None = None, kind: str = FORM) -> Request:
    method = "GET" if body is None else "POST"
    headers = [(b"content-type", kind.encode())]
    scope: Scope = {"method": method, "headers": headers, "query_string": query}
    return Request(scope, None, b"" if body is None else body)


def form(query: bytes, body: bytes | None = None, kind: str = FORM) -> Form:
    return asyncio.run(request(query, body, kind).form())


def test_those_of_the_body_come_first() -> None:
    found = form(b"a=url&b=%41", b"a=body&a=again")
    assert found == {"a": ["body", "again", "url"], "b": ["A"]}
    assert found.firsts == {"a": "body", "b": "A"}
    assert form(b"a=url", b"a=body&") == {"a": ["body", "url"]}
    assert form(b"", b"a=\xc3&b=1") == {"a": ["\ufffd"], "b": ["1"]}
    assert form(b"a=url", b"a=\xc3") == {"a": ["\ufffd", "url"]}
    assert form(b"a=url", b"a=body", "text/plain") == {"a": ["url"]}


def test_who_asks_for_the_same_gets_the_same_form() -> None:
    assert form(b"query=up&time=1") is form(b"query=up&time=1")
    assert form(b"query=up&time=1") is form(b"", b"query=up&time=1")
    assert form(b"query=up&time=1") is not form(b"query=up&time=2")


def test_long_ones_are_forgotten() -> None:
    text = b"query=" + b"x" * 5000
    assert form(text) is not form(text)
    assert form(text) == form(text) == {"query": ["x" * 5000]}


def test_what_is_made_of_a_form_is_made_once_and_an_error_each_time() -> None:
    made, asked = [], form(b"only=here")

    def sizes(of: Form) -> int:
        made.append(of)
        if len(made) == 1:
            raise ValueError("not yet")
        return len(of)

    with pytest.raises(ValueError, match="not yet"):
        asked.once(sizes)
    assert [asked.once(sizes), asked.once(sizes)] == [1, 1]
    assert made == [asked, asked]
    assert asked.once(len) == 1
