"""How clouds are asked for tokens: as an application, a machine, a workload, a user, a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cases_clouds import openstack
from discovering import discovered, discovering
from fake_api import FakeApi, serving

from promlab.config import load_text
from promlab.config.http_client import HttpClientConfig
from promlab.config.mechanisms.clouds import Azure, OpenStack
from promlab.config.secret import Secret
from promlab.discovery.asking import Asker
from promlab.discovery.azure_tokens import login
from promlab.discovery.openstack import Access
from promlab.errors import ConfigError, DiscoveryError

TOKEN = {"access_token": "s3cret-token", "expires_in": "3600", "token_type": "Bearer"}


async def asked(api: FakeApi, **options: Any) -> list[dict[str, str]]:
    """Queries and forms of what is asked for two tokens, one after the other."""
    seen: list[dict[str, str]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        form = dict(pair.split("=", 1) for pair in (await request.text()).split("&") if pair)
        headers = {name: request.headers[name] for name in ("Metadata", "X-IDENTITY-HEADER")
                   if name in request.headers}  # fmt: skip
        seen.append({"path": request.path, **request.query, **form, **headers})
        return web.json_response(TOKEN)

    api.routes = {"GET *": answer, "POST *": answer}
    asker = Asker(HttpClientConfig(), "test")
    tokens = login(Azure(subscription_id="s", **options), asker)
    try:
        assert await tokens.token() == await tokens.token() == "s3cret-token"
    finally:
        await asker.close()
    assert len(seen) == 1, "a token that is good is kept"
    return seen


async def test_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as api:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", api.base)
        (seen,) = await asked(api, authentication_method="ManagedIdentity", client_id="c")
        assert seen == {
            "path": "/metadata/identity/oauth2/token", "resource": "https://management.azure.com",
            "client_id": "c", "api-version": "2018-02-01", "Metadata": "true",
        }  # fmt: skip
        (seen,) = await asked(api, authentication_method="SDK")
        assert "client_id" not in seen, "the one identity that the system has given"


async def test_an_app_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as api:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{api.base}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "s3cret")
        (seen,) = await asked(api, authentication_method="ManagedIdentity")
        assert (seen["path"], seen["X-IDENTITY-HEADER"]) == ("/msi/token", "s3cret")


async def test_a_workload(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-proof\n")
    with serving({}) as api:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", api.base)
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AZURE_TENANT_ID", "t")
        monkeypatch.setenv("AZURE_CLIENT_ID", "c")
        for method in ("WorkloadIdentity", "SDK"):
            (seen,) = await asked(api, authentication_method=method)
            assert seen["path"] == "/t/oauth2/v2.0/token"
            assert (seen["client_id"], seen["client_assertion"]) == ("c", "s3cret-proof")
        monkeypatch.setenv("AZURE_CLIENT_SECRET", "s3cret")
        (seen,) = await asked(api, authentication_method="SDK", tenant_id="own")
        assert (seen["path"], seen["client_secret"]) == ("/own/oauth2/v2.0/token", "s3cret")


async def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asker = Asker(HttpClientConfig(), "test")
    tokens = login(Azure(subscription_id="s", authentication_method="WorkloadIdentity"), asker)
    with pytest.raises(DiscoveryError, match="AZURE_FEDERATED_TOKEN_FILE is not set"):
        await tokens.token()
    await asker.close()


async def test_an_unknown_cloud_is_refused() -> None:
    section = (
        "azure_sd_configs: [{environment: Nowhere, subscription_id: s, tenant_id: t, client_id: c, "
        "client_secret: x}]"
    )
    with pytest.raises(ConfigError, match="there is no Azure environment 'Nowhere'"):
        await discovered(section)


URL = "http://keystone:5000/v3"
DEFAULT = {"id": "default"}


@pytest.mark.parametrize(
    ("given", "identity", "scope"),
    [
        ({"username": "me", "password": Secret("p"), "project_name": "lab", "domain_name": "D"},
         {"user": {"name": "me", "domain": {"name": "D"}, "password": "p"}},
         {"project": {"name": "lab", "domain": {"name": "D"}}}),
        ({"userid": "u", "password": Secret("p"), "project_id": "1"},
         {"user": {"id": "u", "password": "p"}}, {"project": {"id": "1"}}),
        ({"username": "me", "password": Secret("p"), "domain_id": "d"},
         {"user": {"name": "me", "domain": {"id": "d"}, "password": "p"}}, {"domain": {"id": "d"}}),
        ({"application_credential_id": "a", "application_credential_secret": Secret("p")},
         {"id": "a", "secret": "p"}, None),
        ({"application_credential_name": "a", "application_credential_secret": Secret("p"),
          "username": "me"},
         {"name": "a", "secret": "p", "user": {"name": "me", "domain": DEFAULT}}, None),
    ],
)  # fmt: skip
def test_who_asks_keystone(given: dict[str, Any], identity: Any, scope: Any) -> None:
    auth = Access(OpenStack(identity_endpoint=URL, **given)).body()["auth"]
    (method,) = auth["identity"]["methods"]
    assert auth["identity"][method] == identity
    assert auth.get("scope") == scope


def test_where_keystone_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (URL, f"{URL}/", "http://keystone:5000", "http://keystone:5000/"):
        assert Access(OpenStack(identity_endpoint=text)).endpoint == URL
    with pytest.raises(DiscoveryError, match="version 3"):
        Access(OpenStack(identity_endpoint="http://keystone:5000/v2.0"))
    with pytest.raises(DiscoveryError, match="OS_AUTH_URL is not set"):
        Access(OpenStack())


async def test_openstack_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving({}) as api:
        api.routes = openstack(api.base)
        environment = {"OS_AUTH_URL": f"{api.base}/v3", "OS_USERNAME": "me", "OS_PASSWORD": "x",
                       "OS_PROJECT_ID": "p-1", "OS_USER_DOMAIN_ID": "default"}  # fmt: skip
        for name, text in environment.items():
            monkeypatch.setenv(name, text)
        section = "openstack_sd_configs: [{role: hypervisor, region: one, all_tenants: true}]"
        assert len(await discovered(section)) == 2


async def test_the_next_page_may_not_be_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    """A token must not go where an answer says."""
    with serving({}) as api, serving({"GET *": {"servers": []}}) as other:
        api.routes = openstack(api.base)
        links = [{"rel": "next", "href": f"{other.base}/steal"}]
        api.routes["GET /compute/v2.1/servers/detail"] = {"servers": [], "servers_links": links}
        section = (
            f"openstack_sd_configs: [{{role: instance, identity_endpoint: '{api.base}', "
            "region: one, username: me, password: x}]"
        )
        async with discovering(section) as watched:
            await watched.failed("openstack")
        assert not other.seen
    assert "on another server" in caplog.text


def test_all_tenants_is_read() -> None:
    text = "{role: instance, region: r, identity_endpoint: 'http://k', all_tenants: true}"
    job = load_text(f"scrape_configs: [{{job_name: a, openstack_sd_configs: [{text}]}}]").jobs[0]
    (section,) = job.discovery.mechanisms
    assert section.plain()["all_tenants"] is True
