"""Services in the catalog of Consul.

The catalog and every service that is wanted are watched with blocking queries: Consul answers
when something has changed, and is asked again no sooner than the refresh interval.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

from promlab.config.http_client import BasicAuth, HttpClientConfig
from promlab.config.mechanisms.registries import Consul
from promlab.discovery.answers import Answer
from promlab.discovery.asking import parsed
from promlab.discovery.base import (
    META,
    Publish,
    Surroundings,
    TargetGroup,
    label_name,
    listed,
)
from promlab.discovery.simple import target
from promlab.errors import DiscoveryError, PromlabError

log = logging.getLogger(__name__)

WAIT_S = 120
RETRY_S = 15.0
_Take = Callable[[Answer], None]


class ConsulDiscovery:
    """Watches one datacenter."""

    mechanism = "consul"

    def __init__(self, config: Consul, around: Surroundings) -> None:
        self.config, self.around = config, around
        prefix = config.path_prefix.strip("/")
        self._base = f"{config.scheme}://{config.server}{'/' + prefix if prefix else ''}"
        self._asker = around.asker(_http(config), timeout_s=WAIT_S + 15)
        token = config.token.reveal()
        self._headers = {"X-Consul-Token": token} if token else {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._publish: Publish = lambda groups: None
        # What has not answered yet ("" is the catalog), and groups that wait for it.
        self._unanswered: set[str] = {""}
        self._held: list[TargetGroup] = []
        self._datacenter = config.datacenter

    async def run(self, publish: Publish) -> None:
        """Watch until cancelled."""
        self._publish = publish
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._begin()
                if self.config.services and not self.config.tags:
                    for name in self.config.services:
                        self._watch(tasks, name)
                    self._settle("")
                    return
                path, params = "/v1/catalog/services", self._catalog_params()
                await self._follow("", path, params, lambda found: self._catalog(tasks, found))
        finally:
            await self._asker.close()

    async def _begin(self) -> None:
        """Learn which datacenter the agent is in, for the labels of all targets."""
        while not self._datacenter:
            try:
                agent = await self._asker.json(f"{self._base}/v1/agent/self", headers=self._headers)
                self._datacenter = agent.text("Config", "Datacenter")
                if not self._datacenter:
                    raise DiscoveryError("the agent does not say its datacenter")
            except PromlabError as error:
                self._failed(error)
                self._publish([])
                await asyncio.sleep(self._retry_s())

    def _settle(self, name: str, *groups: TargetGroup) -> None:
        """Publish, together with all others at first: half of the services would mislead."""
        self._unanswered.discard(name)
        self._held += groups
        if not self._unanswered:
            held, self._held = self._held, []
            self._publish(held)

    def _params(self) -> dict[str, str]:
        config = self.config
        found = {"dc": self._datacenter, "ns": config.namespace, "partition": config.partition}
        if config.allow_stale:
            found["stale"] = "true"
        return {name: value for name, value in found.items() if value}

    def _catalog_params(self) -> dict[str, str | list[str]]:
        found: dict[str, str | list[str]] = {**self._params()}
        if self.config.node_meta:
            found["node-meta"] = [f"{key}:{value}" for key, value in self.config.node_meta.items()]
        if self.config.filter:
            found["filter"] = self.config.filter
        return found

    async def _follow(
        self, name: str, path: str, params: Mapping[str, str | list[str]], take: _Take
    ) -> None:
        """Ask again and again, each time for what is newer than what was there before."""
        index = 0
        while True:
            try:
                more = {"index": str(index), "wait": f"{WAIT_S * 1000}ms"} if index else {}
                reply = await self._asker.ask(
                    self._base + path, params={**params, **more}, headers=self._headers
                )
                take(await parsed(reply, path))
                newer = _index(reply.headers.get("X-Consul-Index", ""))
                # An index that goes back means that the server has begun anew.
                index = newer if newer >= index else 0
            except PromlabError as error:
                self._failed(error)
                self._settle(name)
                index = 0
                await asyncio.sleep(self._retry_s())
                continue
            await asyncio.sleep(self.config.refresh_interval_ms / 1000)

    def _catalog(self, tasks: asyncio.TaskGroup, answer: Answer) -> None:
        """Watch the services that are wanted and there; drop those that are gone."""
        wanted = {
            name
            for name, tags in answer.entries()
            if (not self.config.services or name in self.config.services)
            and set(self.config.tags) <= set(tags.texts())
        }
        for name in self._watches.keys() - wanted:
            self._watches.pop(name).cancel()
            self._settle(name, TargetGroup(name))
        for name in sorted(wanted - self._watches.keys()):
            self._watch(tasks, name)
        self._settle("")

    def _watch(self, tasks: asyncio.TaskGroup, name: str) -> None:
        params: dict[str, str | list[str]] = {**self._params()}
        if self.config.health_filter:
            params["filter"] = self.config.health_filter
        self._unanswered.add(name)
        path = f"/v1/health/service/{quote(name, safe='')}"
        self._watches[name] = tasks.create_task(
            self._follow(name, path, params, lambda answer: self._service(name, answer))
        )

    def _service(self, name: str, answer: Answer) -> None:
        wanted = set(self.config.tags)
        targets = tuple(
            self._target(entry)
            for entry in answer.items()
            if wanted <= set(entry.texts("Service", "Tags"))
        )
        labels = {f"{META}consul_service": name, f"{META}consul_dc": self._datacenter}
        self._settle(name, TargetGroup(name, targets, labels))

    def _target(self, entry: Answer) -> dict[str, str]:
        node, service = entry.at("Node"), entry.at("Service")
        port = service.whole("Port")
        values = {
            "address": node.text("Address"),
            "node": node.text("Node"),
            "namespace": service.text("Namespace"),
            "partition": service.text("Partition"),
            "tags": listed(service.texts("Tags"), self.config.tag_separator),
            "service_address": service.text("Address"),
            "service_port": str(port),
            "service_id": service.text("ID"),
            "health": _health(entry),
        }
        for prefix, found in (
            ("metadata_", node.labels("Meta")),
            ("service_metadata_", service.labels("Meta")),
            ("tagged_address_", node.labels("TaggedAddresses")),
        ):
            values |= {f"{prefix}{label_name(key)}": value for key, value in found.items()}
        return target("consul", service.text("Address") or node.text("Address"), port, values)

    def _failed(self, error: PromlabError) -> None:
        stats = self.around.stats
        stats.refresh_failures[self.mechanism, self.around.config] += 1
        stats.count("prometheus_sd_consul_rpc_failures_total")
        log.warning("consul discovery of job %r keeps what it had: %s", self.around.config, error)

    def _retry_s(self) -> float:
        longest = min(RETRY_S, max(0.1, self.config.refresh_interval_ms / 1000))
        return longest * random.uniform(0.8, 1.2)  # noqa: S311


def _http(config: Consul) -> HttpClientConfig:
    """The section's HTTP settings, with the account that may stand beside them."""
    if not config.username:
        return config.http
    basic = BasicAuth(username=config.username, password=config.password)
    return replace(config.http, basic_auth=basic)


def _index(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _health(entry: Answer) -> str:
    """The worst state of all checks."""
    states = set()
    for check in entry.items("Checks"):
        name = check.text("CheckID")
        if name == "_node_maintenance" or name.startswith("_service_maintenance:"):
            return "maintenance"
        states.add(check.text("Status"))
    return next((state for state in ("critical", "warning") if state in states), "passing")
