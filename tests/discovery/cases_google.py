"""Google's cloud, which is asked for tokens and for instances where the environment says."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from case import Case
from fake_api import FakeApi, serving
from fake_cloud import cloud
from made_keys import private_key

from promlab.transport import tls

API = "https://www.googleapis.com/compute/v1/projects/lab"
PATH = "/compute/v1/projects/lab/zones/eu-1/instances"


def instance(number: int, **more: Any) -> dict[str, Any]:
    return {
        "kind": "compute#instance", "id": str(number), "name": f"vm-{number}", "status": "RUNNING",
        "zone": f"{API}/zones/eu-1", "machineType": f"{API}/zones/eu-1/machineTypes/e2-micro",
        "tags": {"items": ["http", "lab"], "fingerprint": "x"}, "labels": {"my-key": "my-value"},
        "metadata": {"items": [{"key": "startup-script", "value": "true"}, {"key": "bare"}]},
        "networkInterfaces": [
            {"name": "nic0", "networkIP": "10.0.0.2", "network": f"{API}/networks/default",
             "subnetwork": f"{API}/subnetworks/default",
             "accessConfigs": [{"type": "ONE_TO_ONE_NAT", "natIP": "198.51.100.2"}]},
            {"name": "nic1", "networkIP": "10.1.0.2", "network": f"{API}/networks/other",
             "subnetwork": f"{API}/subnetworks/other"},
        ],
        **more,
    }  # fmt: skip


def instances(request: web.BaseRequest) -> dict[str, Any]:
    assert request.headers["Authorization"] == "Bearer s3cret-token"
    assert request.query["filter"] == "status = RUNNING"
    bare = {"tags": {}, "labels": {}, "metadata": {}}
    plain = [{"name": "nic0", "networkIP": "10.0.0.3", "network": "", "subnetwork": ""}]
    if request.query.get("pageToken"):
        items = [instance(2, networkInterfaces=plain, **bare), instance(3, networkInterfaces=[])]
        return {"kind": "compute#instanceList", "items": items}
    return {"kind": "compute#instanceList", "items": [instance(1)], "nextPageToken": "more"}


GCE: dict[str, Any] = {f"GET {PATH}": instances}
TOKENS = {"POST /token": {
    "access_token": "s3cret-token", "expires_in": 3600, "token_type": "Bearer"}}  # fmt: skip


def key_file(folder: Path, tokens: str) -> Path:
    path = folder / "key.json"
    path.write_text(json.dumps({
        "type": "service_account", "project_id": "lab", "private_key_id": "k",
        "private_key": private_key(), "client_email": "me@lab.iam.gserviceaccount.com",
        "client_id": "1", "token_uri": f"{tokens}/token",
    }))  # fmt: skip
    return path


@contextmanager
def environment(**more: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in more}
    os.environ.update(more)
    # It remembers the certificates of the environment before.
    tls._default_context.cache_clear()
    try:
        yield
    finally:
        tls._default_context.cache_clear()
        for name, text in before.items():
            os.environ.pop(name, None)
            if text is not None:
                os.environ[name] = text


class GoogleCase(Case):
    """A key file, tokens for it, and the compute API behind the proxy of the environment."""

    @contextmanager
    def served(self, folder: Path) -> Iterator[tuple[str, FakeApi]]:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            found = stack.enter_context(cloud(self.routes, folder, *self.hosts))  # type: ignore[arg-type]
            tokens = stack.enter_context(serving(TOKENS))
            stack.enter_context(
                environment(
                    GOOGLE_APPLICATION_CREDENTIALS=str(key_file(folder, tokens.base)),
                    HTTPS_PROXY=found.proxy,
                    SSL_CERT_FILE=str(found.ca_file),
                    NO_PROXY="127.0.0.1",
                )
            )
            yield self.section, found.api


CASES = [
    GoogleCase("gce", "gce_sd_configs: [{project: lab, zone: eu-1, filter: 'status = RUNNING'}]",
               GCE, 2, hosts=("compute.googleapis.com",)),
]  # fmt: skip
