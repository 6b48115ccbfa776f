"""Redirects of the general client: what follows them, and where they may not lead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from yarl import URL

from promlab.config import load_text
from promlab.errors import ScrapeError
from promlab.transport.redirects import trusted
from promlab.transport.session import HttpClient
from tests.transport.recorder import Recorder, recording

SECRETS = (
    "authorization: {credentials: s3cret}, http_headers: {X-Key: {secrets: [s3cret]}}, "
    "follow_redirects: FOLLOW"
)


@asynccontextmanager
async def client(*, follow: bool = True) -> AsyncIterator[HttpClient]:
    options = SECRETS.replace("FOLLOW", str(follow).lower())
    job = load_text(f"scrape_configs: [{{job_name: j, {options}}}]").jobs[0]
    made = HttpClient(job.http, {"User-Agent": "promlab/x"})
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def first() -> AsyncIterator[Recorder]:
    async with recording() as found:
        yield found


@pytest.fixture
async def other() -> AsyncIterator[Recorder]:
    """Another host: the same machine under another address."""
    async with recording("127.0.0.2") as found:
        yield found


def leads(there: str, status: int = 307) -> object:
    return lambda _: web.Response(status=status, headers={"Location": there})


async def asked(http: HttpClient, url: str, method: str = "POST", **options: bool) -> int:
    body = b"samples" if method == "POST" else None
    async with http.open(
        method, URL(url), headers={"X-Own": "s3cret"}, always={"X-Any": "a"}, body=body, **options
    ) as response:
        return response.status


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_secrets_stay_with_the_host(first: Recorder, other: Recorder, method: str) -> None:
    first.answer = leads(f"{other.url}/there")
    async with client() as http:
        assert await asked(http, first.url, method) == 200
    assert "s3cret" in str(first.requests[0].headers)
    [request] = other.requests
    assert "s3cret" not in str(request.headers)
    assert (request.headers["X-Any"], request.headers["User-Agent"]) == ("a", "promlab/x")


async def test_secrets_follow_on_the_same_host(first: Recorder) -> None:
    first.answer = lambda request: (
        web.Response() if request.path == "/there" else leads("/there", 308)(request)  # type: ignore[operator]
    )
    async with client() as http:
        assert await asked(http, f"{first.url}/here") == 200
    there = first.requests[-1]
    assert (there.method, there.path, first.bodies[-1]) == ("POST", "/there", b"samples")
    assert there.headers["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    ("start", "here", "expected"),
    [
        ("https://a/", "https://a:8443/x", True),
        ("http://a/", "https://a/", True),
        ("https://a/", "http://a/", False),
        ("http://a/", "http://a.b/", False),
        ("http://a/", "http://b.a/", False),
        ("http://a/", "http://A/", True),
    ],
)
def test_whom_credentials_are_for(start: str, here: str, expected: bool) -> None:
    assert trusted(URL(start), URL(here)) is expected


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_post_may_become_a_get_or_not(first: Recorder, status: int) -> None:
    first.answer = lambda request: (
        web.Response() if request.path == "/there" else leads("/there", status)(request)  # type: ignore[operator]
    )
    async with client() as http:
        assert await asked(http, f"{first.url}/here", keep_method=True) == status
        assert await asked(http, f"{first.url}/here") == 200
    assert [request.method for request in first.requests] == ["POST", "POST", "GET"]
    assert first.bodies[-1] == b""


@pytest.mark.parametrize(
    "there",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:1/_x", "javascript:alert(1)",
     "unix:/var/run/docker.sock"],
)  # fmt: skip
async def test_a_redirect_leads_to_http_only(first: Recorder, there: str) -> None:
    first.answer = leads(there)
    async with client() as http:
        with pytest.raises(ScrapeError, match="unsupported protocol scheme"):
            await asked(http, first.url)
    assert len(first.requests) == 1


async def test_circles_end(first: Recorder) -> None:
    first.answer = leads("/again")
    async with client() as http:
        with pytest.raises(ScrapeError, match="stopped after 10 redirects"):
            await asked(http, first.url)
    assert len(first.requests) == 11


async def test_none_is_followed_where_that_is_configured(first: Recorder, other: Recorder) -> None:
    first.answer = leads(other.url)
    async with client(follow=False) as http:
        assert await asked(http, first.url) == 307
    assert not other.requests
