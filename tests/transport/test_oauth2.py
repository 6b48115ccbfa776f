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
from tests.discovery.made_keys import key, private_key


class TokenServer:
    """Gives token after token; `form_only` refuses clients that name themselves in the header."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Any = {"token_type": "bearer", "expires_in": 3600}
        self.status, self.form_only, self.url = 200, False, ""
        self.location = ""
        self.paths: set[str] = set()
        self.agents: set[str] = set()

    async def handle(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        self.paths.add(request.path)
        self.agents.add(request.headers["User-Agent"])
        if self.location:
            return web.Response(status=self.status, headers={"Location": self.location})
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
    app.router.add_post("/{path}", server.handle)
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
        pytest.param(200, "[" * 100_000, "no access_token", id="brackets"),
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


SIGNED = "grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer'"


@pytest.mark.parametrize("algorithm", ["", "RS512"])
async def test_a_signature_instead_of_a_secret(
    tokens: TokenServer, tmp_path: Path, algorithm: str
) -> None:
    jwt = pytest.importorskip("jwt")
    (tmp_path / "key.pem").write_text(private_key())
    options = f"{SIGNED}, client_certificate_key_file: '{tmp_path}/key.pem', scopes: [a, b]"
    if algorithm:
        options += f", signature_algorithm: {algorithm}, client_certificate_key_id: k1, iss: i"
        options += ", audience: z, claims: {own: [1, true]}, endpoint_params: {more: x}"
    async with client(tokens, options) as http:
        for _ in range(2):
            assert (await http.headers(trusted=True))["Authorization"] == "Bearer t1"
    [form] = tokens.asked
    assert form.pop("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assertion = form.pop("assertion")
    more = {"more": "x"} if algorithm else {}
    assert form == {"scope": "a b", "authorization": "", **more}
    head = jwt.get_unverified_header(assertion)
    assert (head["alg"], head.get("kid")) == ((algorithm, "k1") if algorithm else ("RS256", None))
    audience = "z" if algorithm else tokens.url
    claims = jwt.decode(assertion, key().public_key(), algorithms=[head["alg"]], audience=audience)
    assert claims.pop("jti")
    assert claims.pop("exp") - claims.pop("iat") == 600
    expected: dict[str, Any] = {"iss": "me:x", "sub": "me:x", "aud": audience, "scope": "a b"}
    if algorithm:
        expected |= {"iss": "i", "own": [1, True]}
    assert claims == expected


@pytest.mark.parametrize("given", ["", "client_certificate_key: s3cret", "not there"])
async def test_a_key_that_is_none(tokens: TokenServer, given: str, tmp_path: Path) -> None:
    pytest.importorskip("jwt")
    file = f"client_certificate_key_file: '{tmp_path}/key.pem'"
    message = "unable to read file .*key.pem" if given == "not there" else "is no private RSA key"
    options = f"{SIGNED}, {file if given == 'not there' else given or 'iss: a'}"
    async with client(tokens, options) as http:
        with pytest.raises(ScrapeError, match=message) as caught:
            await http.headers(trusted=True)
    assert "s3cret" not in str(caught.value)
    assert not tokens.asked


async def test_a_redirect_does_not_take_the_secret_along(tokens: TokenServer) -> None:
    tokens.form_only = True
    tokens.status, tokens.location = 307, tokens.url.replace("/token", "/elsewhere")
    async with client(tokens, "client_secret: s") as http:
        with pytest.raises(ScrapeError, match="HTTP status 307"):
            await http.headers(trusted=True)
    assert tokens.paths == {"/token"}


async def test_the_token_server_is_told_who_asks(tokens: TokenServer) -> None:
    async with client(tokens, "client_secret: s") as http:
        await http.headers(trusted=True)
    assert tokens.agents == {"x"}
