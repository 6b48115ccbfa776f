"""Credentials of clouds with each request: from whom tokens are had, and how long they are kept."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from yarl import URL

from promlab.config import load_text
from promlab.config.http_client import HttpClientConfig
from promlab.errors import ScrapeError
from promlab.transport.cloud_auth import authenticator
from promlab.transport.session import HttpClient
from tests.discovery.made_keys import private_key
from tests.transport.recorder import Recorder, recording

UUID = "00000000-a12b-3cd4-e56f-000000000000"
OAUTH = f"oauth: {{client_id: {UUID}, client_secret: s3cret, tenant_id: my.tenant}}"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs this."""
    for name in ("AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID",
                 "AZURE_CLIENT_ID", "IDENTITY_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS",
                 "HTTP_PROXY", "http_proxy"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


@pytest.fixture
async def server() -> AsyncIterator[Recorder]:
    """Gives tokens, and takes what is sent with them."""
    async with recording() as found:
        given = {"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}
        found.answer = lambda request: web.json_response(given)
        yield found


@asynccontextmanager
async def sender(options: str) -> AsyncIterator[HttpClient]:
    config = load_text(f"remote_write: [{{url: 'http://x/', {options}}}]").remote_write[0]
    client = HttpClient(HttpClientConfig(), {}, auth=authenticator(config.cloud_auth, "promlab/x"))
    try:
        yield client
    finally:
        await client.close()


async def sent(server: Recorder, options: str) -> tuple[Any, str, dict[str, str]]:
    """The question for a token, its body, and the headers of what is sent twice with that token."""
    server.requests.clear()
    server.bodies.clear()
    async with sender(options) as client:
        for _ in range(2):
            async with client.open("POST", URL(f"{server.url}/write"), body=b"x") as response:
                assert response.status == 200
    asked, first, second = server.requests
    assert asked.headers["User-Agent"] == "promlab/x"
    assert first.headers["Authorization"] == second.headers["Authorization"] == "Bearer t0ken"
    return asked, server.bodies[0].decode(), dict(first.headers)


async def test_azure_gives_an_application_a_token(
    server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url)
    asked, form, _ = await sent(server, f"azuread: {{{OAUTH}}}")
    assert asked.path == "/my.tenant/oauth2/v2.0/token"
    assert parse_qs(form) == {
        "grant_type": ["client_credentials"],
        "client_id": [UUID],
        "client_secret": ["s3cret"],
        "scope": ["https://monitor.azure.com//.default"],
    }


@pytest.mark.parametrize(
    ("options", "scope"),
    [
        ("cloud: AzureChina", "https://monitor.azure.cn//.default"),
        ("cloud: AzureGovernment", "https://monitor.azure.us//.default"),
        ("scope: own/.default", "own/.default"),
    ],
)
async def test_other_clouds_and_scopes(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, options: str, scope: str
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url)
    _, form, _ = await sent(server, f"azuread: {{{OAUTH}, {options}}}")
    assert parse_qs(form)["scope"] == [scope]


async def test_a_cloud_of_ones_own_has_its_own_endpoint(
    server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    own = f"cloud: {{name: AzureCustom, aad_endpoint: '{server.url}/', token_audience: aud}}"
    asked, form, _ = await sent(server, f"azuread: {{{OAUTH}, {own}}}")
    assert asked.path == "/my.tenant/oauth2/v2.0/token"
    assert parse_qs(form)["scope"] == ["aud"]


@pytest.mark.parametrize(
    ("identity", "client"),
    [("managed_identity: {}", None), (f"managed_identity: {{client_id: {UUID}}}", UUID),
     ("sdk: {}", None)],
)  # fmt: skip
async def test_azure_gives_a_machine_a_token(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, identity: str, client: str | None
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url)
    asked, _, _ = await sent(server, f"azuread: {{{identity}}}")
    assert asked.path == "/metadata/identity/oauth2/token"
    assert asked.headers["Metadata"] == "true"
    assert asked.query["resource"] == "https://monitor.azure.com/"
    assert asked.query.get("client_id") == client


async def test_azure_gives_a_workload_a_token(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("pr00f\n")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url)
    who = f"client_id: {UUID}, tenant_id: t, token_file_path: '{tmp_path}/token'"
    asked, form, _ = await sent(server, f"azuread: {{workload_identity: {{{who}}}}}")
    assert asked.path == "/t/oauth2/v2.0/token"
    assert parse_qs(form)["client_assertion"] == ["pr00f"]


async def test_the_sdk_takes_what_the_environment_has(
    server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url)
    monkeypatch.setenv("AZURE_CLIENT_ID", "c")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "s3cret")
    monkeypatch.setenv("AZURE_TENANT_ID", "other")
    asked, form, _ = await sent(server, "azuread: {sdk: {tenant_id: mine}}")
    assert asked.path == "/mine/oauth2/v2.0/token"
    assert parse_qs(form)["client_secret"] == ["s3cret"]


async def test_a_moment_instead_of_a_lifetime(
    server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As App Service answers."""
    given = {"access_token": "t0ken", "expires_on": str(int(time.time()) + 3600)}
    server.answer = lambda request: web.json_response(given)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi")
    monkeypatch.setenv("IDENTITY_HEADER", "s3cret")
    asked, _, _ = await sent(server, "azuread: {managed_identity: {}}")
    assert (asked.path, asked.headers["X-IDENTITY-HEADER"]) == ("/msi", "s3cret")


@pytest.mark.parametrize(
    ("status", "text", "message"),
    [
        (401, '{"error": "invalid_client"}', "HTTP status 401 .*invalid_client"),
        (302, "", "HTTP status 302"),
        (200, "<html>", "no access_token"),
        (200, '{"access_token": 7, "expires_in": 1}', "no access_token"),
        (200, '{"access_token": "a b", "expires_in": 1}', "no access_token"),
        (200, '{"access_token": "a", "expires_in": "soon"}', "no access_token"),
        (200, "[]", "no access_token"),
        pytest.param(200, "[" * 100_000, "no access_token", id="brackets"),
    ],
)
async def test_azure_gives_none(
    server: Recorder, monkeypatch: pytest.MonkeyPatch, status: int, text: str, message: str
) -> None:
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url)
    other = {"Location": f"{server.url}/elsewhere"}
    server.answer = lambda request: web.Response(status=status, text=text, headers=other)
    async with sender(f"azuread: {{{OAUTH}}}") as client:
        with pytest.raises(ScrapeError, match=message) as caught:
            async with client.open("POST", URL(server.url), body=b"x"):
                pass
    assert "s3cret" not in str(caught.value)
    assert len(server.requests) == 1, "a redirect would have taken the secret along"


async def test_google_gives_a_key_a_token(server: Recorder, tmp_path: Path) -> None:
    pytest.importorskip("google.auth")
    key = {"type": "service_account", "client_email": "me@lab", "private_key_id": "1",
           "private_key": private_key(), "token_uri": f"{server.url}/token"}  # fmt: skip
    (tmp_path / "key.json").write_text(json.dumps(key))
    asked, form, _ = await sent(server, f"google_iam: {{credentials_file: '{tmp_path}/key.json'}}")
    assert asked.path == "/token"
    assert parse_qs(form)["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    jwt = pytest.importorskip("jwt")
    [assertion] = parse_qs(form)["assertion"]
    claims = jwt.decode(assertion, options={"verify_signature": False})
    assert claims["scope"] == "https://www.googleapis.com/auth/monitoring.write"


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"type": "service_account"}'])
async def test_google_has_no_key(server: Recorder, tmp_path: Path, text: str | None) -> None:
    pytest.importorskip("google.auth")
    if text is not None:
        (tmp_path / "key.json").write_text(text)
    async with sender(f"google_iam: {{credentials_file: '{tmp_path}/key.json'}}") as client:
        with pytest.raises(ScrapeError, match=r"no credentials: .*key\.json"):
            async with client.open("POST", URL(server.url), body=b"x"):
                pass
    assert not server.requests
