"""Instances of Google Compute Engine. Credentials are the application default ones, as found by
google-auth (the extra `google`): a key file, the metadata server, a workload's identity.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from promlab.config.mechanisms.clouds import Gce
from promlab.discovery.answers import Answer
from promlab.discovery.aside import aside
from promlab.discovery.asking import Asker
from promlab.discovery.base import Surroundings, TargetGroup, label_name, listed
from promlab.discovery.simple import MAX_PAGES, Simple, target
from promlab.errors import DiscoveryError

SCOPE = "https://www.googleapis.com/auth/compute.readonly"
API = "https://compute.googleapis.com/compute/v1"
_WAIT_S = 60.0


class GceDiscovery(Simple[Gce]):
    """Asks for the instances of one zone of a project."""

    mechanism = "gce"

    def __init__(self, config: Gce, around: Surroundings) -> None:
        super().__init__(config, around)
        self._credentials: Any = None

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all instances that are in a network."""
        config = self.config
        token = await self._token()
        place = f"projects/{quote(config.project, safe=':')}/zones/{quote(config.zone, safe='')}"
        url = f"{API}/{place}/instances"
        targets: list[dict[str, str]] = []
        params = {"filter": config.filter} if config.filter else {}
        for _ in range(MAX_PAGES):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await self.asker.json(url, params=params, headers=headers)
            if not answer.text("kind").endswith("instanceList"):
                raise DiscoveryError("unexpected answer: $.kind: expected a list of instances")
            targets += [
                self._target(each)
                for each in answer.items("items")
                if each.items("networkInterfaces")
            ]
            if not answer.text("nextPageToken"):
                return [TargetGroup(f"GCE_{config.project}_{config.zone}", tuple(targets))]
            params = {**params, "pageToken": answer.text("nextPageToken")}
        raise DiscoveryError(f"the list of instances has more than {MAX_PAGES} pages")

    async def _token(self) -> str:
        bridge = _Bridge(self.asker, asyncio.get_running_loop())
        self._credentials, token = await aside(
            lambda: _fresh(self._credentials, bridge), "gce credentials"
        )
        return str(token)

    def _target(self, instance: Answer) -> dict[str, str]:
        interfaces = instance.items("networkInterfaces")
        first = interfaces[0]
        private = first.text("networkIP")
        values = {
            "project": self.config.project,
            "zone": instance.text("zone"),
            "instance_id": instance.shown("id"),
            "instance_name": instance.text("name"),
            "instance_status": instance.text("status"),
            "machine_type": instance.text("machineType"),
            "network": first.text("network"),
            "subnetwork": first.text("subnetwork"),
            "private_ip": private,
        }
        for each in interfaces:
            values[f"interface_ipv4_{label_name(each.text('name'))}"] = each.text("networkIP")
        if tags := instance.texts("tags", "items"):
            values["tags"] = listed(tags, self.config.tag_separator)
        for item in instance.items("metadata", "items"):
            if item.value_at("value") is not None:
                values[f"metadata_{label_name(item.text('key'))}"] = item.text("value")
        for key, value in instance.labels("labels").items():
            values[f"label_{label_name(key)}"] = value
        access = first.items("accessConfigs")
        if access and access[0].text("type") == "ONE_TO_ONE_NAT":
            values["public_ip"] = access[0].text("natIP")
        return target("gce", private, self.config.port, values)


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer, as google-auth wants it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Bridge:
    """Lets google-auth, which runs in a thread, ask with our client: its limits, its proxy."""

    def __init__(self, asker: Asker, loop: asyncio.AbstractEventLoop) -> None:
        self._asker, self._loop = asker, loop

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> _Reply:
        """The answer, of any status. Raises google-auth's TransportError if there is none."""
        from google.auth.exceptions import TransportError

        asked = self._asker.ask(
            url,
            method=method,
            headers=headers,
            body=body.encode() if isinstance(body, str) else body,
            accepted=tuple(range(300, 600)),
            timeout_s=float(timeout or 0),
        )
        try:
            reply = asyncio.run_coroutine_threadsafe(asked, self._loop).result(_WAIT_S)
        except (DiscoveryError, TimeoutError, RuntimeError) as error:
            raise TransportError(str(error)) from error
        return _Reply(reply.status, reply.headers, reply.body)


def _fresh(known: Any, request: _Bridge) -> tuple[Any, str]:
    """Credentials that are good now, and their token."""
    try:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
    except ImportError:
        what = "gce discovery needs google-auth: pip install 'promlab[google]'"
        raise DiscoveryError(what) from None
    try:
        credentials = known
        if credentials is None:
            credentials, _ = google.auth.default(scopes=[SCOPE], request=request)
        if not credentials.valid:
            credentials.refresh(request)
    except GoogleAuthError as error:
        raise DiscoveryError(f"no credentials: {' '.join(str(error).split())[:300]}") from None
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        # A key file that is none, or a token server that answers something else.
        name = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
        what = "not a key file" if isinstance(error, json.JSONDecodeError) else str(error)
        raise DiscoveryError(f"no credentials: {name}: {what[:300]}") from None
    return credentials, credentials.token
