from __future__ import annotations

import pytest

from promlab.server.elsewhere import cleaned, quoted, redirect
from promlab.web.http import Request


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/..", "/"),
        ("/../..//a", "/a"),
        ("/a/..", "/"),
        ("/a/.", "/a"),
        ("/a/./", "/a/"),
        ("/a/../b/", "/b/"),
        ("///evil.example", "/evil.example"),
        ("/a/...", "/a/..."),
        ("/api/v1/query", "/api/v1/query"),
    ],
)
def test_cleaned(path: str, clean: str) -> None:
    assert cleaned(path) == clean


def test_quoted() -> None:
    assert quoted("/a b?#%[é]!*'()$&+,;=:@~\\\r\n") == (
        "/a%20b%3F%23%25%5B%C3%A9%5D%21%2A%27%28%29$&+,;=:@~%5C%0D%0A"
    )


@pytest.mark.parametrize(("method", "linked"), [("GET", True), ("HEAD", False), ("POST", False)])
def test_links_are_for_those_who_read(method: str, linked: bool) -> None:
    answer = redirect(Request({"method": method, "headers": []}, None), "/a?b=\"<'&", 301)
    assert answer.headers == [(b"location", b"/a?b=\"<'&")]
    link = b'<a href="/a?b=&#34;&lt;&#39;&amp;">Moved Permanently</a>.\n\n'
    assert answer.body == (link if linked else b"")
    assert bool(answer.content_type) == (method != "POST")
