"""Google's credentials from the metadata server, without a key file; key files that are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cases_google import GCE, environment
from discovering import discovering
from fake_api import serving
from fake_cloud import cloud

SECTION = "gce_sd_configs: [{project: lab, zone: eu-1, filter: 'status = RUNNING'}]"
PLACE = "/computeMetadata/v1"


def metadata(request: web.BaseRequest) -> web.Response:
    found: dict[str, Any] = {
        "/": "computeMetadata/",
        f"{PLACE}/project/project-id": "lab",
        f"{PLACE}/instance/service-accounts/default/": {
            "email": "me@lab", "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
            "aliases": ["default"]},
        f"{PLACE}/instance/service-accounts/default/token": {
            "access_token": "s3cret-token", "expires_in": 3600, "token_type": "Bearer"},
    }  # fmt: skip
    headers = {"Metadata-Flavor": "Google"}
    if request.path not in found:
        return web.Response(status=404, headers=headers)
    answer = found[request.path]
    if isinstance(answer, str):
        return web.Response(text=answer, headers=headers)
    return web.json_response(answer, headers=headers)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


def test_the_metadata_server(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text(f"scrape_configs:\n- job_name: a\n  {SECTION}\n")
    with (
        cloud(GCE, tmp_path, "compute.googleapis.com") as found,
        serving({"GET *": metadata}) as machine,
    ):
        host = machine.base.removeprefix("http://")
        own = {
            "HTTPS_PROXY": found.proxy, "SSL_CERT_FILE": str(found.ca_file),
            "NO_PROXY": "127.0.0.1", "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host,
        }  # fmt: skip
        # A process of its own: google-auth reads these when it is loaded.
        command = [sys.executable, "-m", "promlab", "check", "service-discovery"]
        done = subprocess.run(
            [*command, str(tmp_path / "p.yml"), "a"],
            env={**os.environ, **own}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)) == 2
        assert any(request.path.endswith("/token") for request in machine.seen)
        assert all("promlab/" in request.headers["User-Agent"] for request in machine.seen)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"type": "service_account"}', '{"type": "x"}'])
async def test_a_key_file_that_is_none(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "key.json").write_text(text)
    with environment(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "key.json")):
        async with discovering(SECTION) as watched:
            await watched.failed("gce")
    assert "no credentials" in caplog.text
    ours = [record for record in caplog.records if record.name.startswith("promlab")]
    assert not any(record.exc_info for record in ours), "a traceback was logged"


async def test_a_key_file_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with environment(GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "nothing.json")):
        async with discovering(SECTION) as watched:
            await watched.failed("gce")
    assert "nothing.json" in caplog.text
    assert os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") is None
