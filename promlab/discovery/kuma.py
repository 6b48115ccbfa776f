"""Data planes of a Kuma control plane, asked over its discovery protocol (xDS v3, as JSON).

The control plane may keep a question open until something changes; 304 says that nothing has.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence

import msgspec

from promlab.config.mechanisms.registries import Kuma
from promlab.discovery.answers import Answer
from promlab.discovery.asking import parsed
from promlab.discovery.base import ADDRESS, META, Surroundings, TargetGroup, label_name
from promlab.discovery.simple import Simple
from promlab.errors import DiscoveryError
from promlab.model.durations import format_duration_ms

TYPE = "type.googleapis.com/kuma.observability.v1.MonitoringAssignment"
# Beyond what the control plane is told to wait: for the way there and back.
_MORE_S = 15.0


class KumaDiscovery(Simple[Kuma]):
    """Asks for what has changed since the last answer."""

    mechanism = "kuma"

    def __init__(self, config: Kuma, around: Surroundings) -> None:
        super().__init__(config, around)
        self._client_id = config.client_id or socket.getfqdn() or "promlab"
        self._version = self._nonce = ""
        self._groups: Sequence[TargetGroup] = ()

    async def refresh(self) -> Sequence[TargetGroup]:
        """Targets of all data planes."""
        question = {
            "version_info": self._version,
            "node": {"id": self._client_id},
            "type_url": TYPE,
            "resource_names": [],
            "response_nonce": self._nonce,
        }
        wait_ms = self.config.fetch_timeout_ms
        reply = await self.asker.ask(
            f"{self.config.server.rstrip('/')}/v3/discovery:monitoringassignments",
            method="POST",
            params={"fetch-timeout": format_duration_ms(wait_ms)},
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            body=msgspec.json.encode(question),
            accepted=(304,),
            timeout_s=wait_ms / 1000 + _MORE_S,
        )
        if reply.status == 304:
            return self._groups
        answer = await parsed(reply, reply.url)
        kind = answer.text("type_url") or answer.text("typeUrl")
        if kind != TYPE:
            raise DiscoveryError(f"unexpected answer: $.type_url: {kind[:80]!r} was not asked for")
        targets = [made for item in answer.items("resources") for made in _targets(item)]
        # Only an answer that was understood is confirmed by the next question.
        self._version = answer.text("version_info") or answer.text("versionInfo")
        self._nonce = answer.text("nonce")
        self._groups = [TargetGroup("kuma", tuple(targets))]
        return self._groups


def _targets(assignment: Answer) -> list[Mapping[str, str]]:
    common = {
        **_labels(assignment),
        f"{META}kuma_mesh": assignment.text("mesh"),
        f"{META}kuma_service": assignment.text("service"),
    }
    found: list[Mapping[str, str]] = []
    for each in assignment.items("targets"):
        name = each.text("name")
        path = each.text("metrics_path") or each.text("metricsPath")
        found.append(
            {
                **_labels(each),
                **common,
                f"{META}kuma_dataplane": name,
                ADDRESS: each.text("address"),
                "instance": name,
                "__scheme__": each.text("scheme"),
                "__metrics_path__": path,
            }
        )
    return found


def _labels(item: Answer) -> dict[str, str]:
    return {
        f"{META}kuma_label_{label_name(key)}": value for key, value in item.labels("labels").items()
    }
