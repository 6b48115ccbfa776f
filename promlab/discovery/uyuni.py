"""Exporters on the machines that a Uyuni server watches over, asked over XML-RPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Error, Fault, dumps, loads

from promlab.config.mechanisms.registries import Uyuni
from promlab.discovery.answers import Answer
from promlab.discovery.base import ADDRESS, META, Surroundings, TargetGroup
from promlab.discovery.simple import Simple
from promlab.errors import DiscoveryError

# How long a login is good for, and when it is renewed.
TOKEN_S, RENEWED_S = 600, 300.0


class UyuniDiscovery(Simple[Uyuni]):
    """Logs in, and asks what is monitored, where it is, and on which ports."""

    mechanism = "uyuni"

    def __init__(self, config: Uyuni, around: Surroundings) -> None:
        super().__init__(config, around)
        self._url = f"{config.server.rstrip('/')}/rpc/api"
        self._token = ""
        self._renew_s = 0.0

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all endpoints."""
        now_s = time.monotonic()
        if not self._token or now_s >= self._renew_s:
            config = self.config
            login = await self._call(
                "auth.login", config.username, config.password.reveal(), TOKEN_S
            )
            self._token, self._renew_s = login.text(), now_s + RENEWED_S
        try:
            targets = await self._targets()
        except DiscoveryError:
            self._token = ""  # It may be that the server has forgotten it.
            raise
        return [TargetGroup(self._url, tuple(targets))]

    async def _targets(self) -> list[dict[str, str]]:
        groups = {
            each.whole("id"): [group.text("name") for group in each.items("system_groups")]
            for each in await self._list(
                "system.listSystemGroupsForSystemsWithEntitlement", self.config.entitlement
            )
        }
        systems = list(groups)
        endpoints = await self._list("system.monitoring.listEndpoints", systems)
        networks = {
            each.whole("system_id"): each
            for each in await self._list("system.getNetworkForSystems", systems)
        }
        return [self._target(each, groups, networks) for each in endpoints]

    def _target(
        self, endpoint: Answer, groups: dict[int, list[str]], networks: dict[int, Answer]
    ) -> dict[str, str]:
        system = endpoint.whole("system_id")
        network = networks.get(system, Answer(None))
        host = network.text("hostname")
        values = {
            "minion_hostname": host,
            "primary_fqdn": network.text("primary_fqdn"),
            "system_id": str(system),
            "groups": self.config.separator.join(groups.get(system, ())),
            "endpoint_name": endpoint.text("endpoint_name"),
            "exporter": endpoint.text("exporter_name"),
            "proxy_module": endpoint.text("module"),
            "metrics_path": endpoint.text("path"),
            "scheme": "https" if endpoint.flag("tls_enabled") else "http",
        }
        labels = {f"{META}uyuni_{name}": value for name, value in values.items()}
        return {ADDRESS: f"{host}:{endpoint.whole('port')}", **labels}

    async def _list(self, method: str, about: str | list[int]) -> list[Answer]:
        return (await self._call(method, self._token, about)).items()

    async def _call(self, method: str, *values: Any) -> Answer:
        body = dumps(values, method).encode()
        reply = await self.asker.ask(
            self._url, method="POST", headers={"Content-Type": "text/xml"}, body=body
        )
        return Answer(await asyncio.to_thread(_result, reply.body, method), method)


def _result(body: bytes, method: str) -> Any:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise DiscoveryError("the answer declares a document type, which is refused")
    try:
        values, _ = loads(body)
        return values[0]
    except Fault as fault:
        raise DiscoveryError(f"{method}: {fault.faultString[:200]}") from None
    except (Error, ExpatError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DiscoveryError(f"{method}: not a valid answer: {error}") from None
