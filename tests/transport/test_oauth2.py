"""Tokens from a real token server: how they are asked for, how long they are kept."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from promlab.config import load_text
from promlab.errors import ScrapeError
from promlab.transport.session import HttpClient


class TokenServer:
    """Gives token after token; `form_only` refuses clients that name themselves in the header."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Any = {"token_type": "bearer", "expires_in": 3600}
        self.status, self.form_only, self.url = 200, False, ""

    async def handle(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        form["authorization"] = request.headers.get("Authorization", "")
        self.asked.append(form)
        if self.form_only and form["authorization"]:
            return web.json_response({"error": "invalid_client"}, status=401)
        if not isinstance(self.answer, dict):
            return web.Response(text=self.answer, status=self.status)
        token = {"access_token": f"t{len(self.asked)}", **self.answer}
        return web.json_response(token, status=self.status)


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    server = TokenServer()
    app = web.Application()
    app.router.add_post("/token", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield server
    await runner.cleanup()


@asynccontextmanager
async def client(server: TokenServer, options: str = "") -> AsyncIterator[HttpClient]:
    section = f"oauth2: {{client_id: 'me:x', token_url: '{server.url}', {options}}}"
    job = load_text(f"scrape_configs: [{{job_name: j, {section}}}]").jobs[0]
    made = HttpClient(job.http, {"User-Agent": "x"})
    try:
        yield made
    finally:
        await made.close()


async def test_token_is_fetched_once_and_kept(tokens: TokenServer) -> None:
    options = "client_secret: s, scopes: [a, b], endpoint_params: {audience: z}"
    async with client(tokens, options) as http:
        asked = (http.headers(trusted=True) for _ in range(5))
        found = await asyncio.gather(*asked)
        assert {each["Authorization"] for each in found} == {"Bearer t1"}
        assert "Authorization" not in await http.headers(trusted=False)
        assert http.fixed_headers is None
    [form] = tokens.asked
    assert (form["grant_type"], form["scope"]) == ("client_credentials", "a b")
    assert form["audience"] == "z"
    user, _, password = base64.b64decode(form["authorization"][6:]).decode().partition(":")
    assert (user, password) == ("me%3Ax", "s")


async def test_token_that_ends_is_fetched_anew(tokens: TokenServer) -> None:
    tokens.answer = {"token_type": "Mac", "expires_in": 5}
    async with client(tokens, "client_secret: s") as http:
        first = await http.headers(trusted=True)
        second = await http.headers(trusted=True)
    assert (first["Authorization"], second["Authorization"]) == ("Mac t1", "Mac t2")


async def test_secret_in_a_file_and_a_server_that_wants_a_form(
    tokens: TokenServer, tmp_path: Path
) -> None:
    tokens.form_only = True
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    tokens.answer = {"expires_in": 5}
    async with client(tokens, f"client_secret_file: '{secret}'") as http:
        assert (await http.headers(trusted=True))["Authorization"] == "Bearer t2"
        secret.write_text("second\n")
        assert (await http.headers(trusted=True))["Authorization"] == "Bearer t3"
    assert [form.get("client_secret") for form in tokens.asked] == [None, "first", "second"]
    assert tokens.asked[1]["client_id"] == "me:x"


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (500, "oh\nno", "cannot fetch token: HTTP status 500 oh no"),
        (200, "<html>", "no access_token"),
        (200, "[]", "no access_token"),
        (200, '{"access_token": 1}', "no access_token"),
        (200, '{"access_token": "a b"}', "blank or control character"),
    ],
)
async def test_refused(tokens: TokenServer, status: int, answer: str, message: str) -> None:
    tokens.status, tokens.answer = status, answer
    async with client(tokens) as http:
        with pytest.raises(ScrapeError, match=message):
            await http.headers(trusted=True)


async def test_token_server_that_is_not_there(tokens: TokenServer) -> None:
    tokens.url = "http://127.0.0.1:1/token"
    async with client(tokens) as http:
        with pytest.raises(ScrapeError, match=r"oauth2: .*connection refused"):
            await http.headers(trusted=True)
