"""One section at work: stores of all objects that its role needs, and groups made of them.

A change of an object makes the groups anew that speak of it: an endpoint's for its pod, a pod's
for its node. Changes that come together are published together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from promlab.config.mechanisms.kubernetes import Kubernetes
from promlab.discovery.answers import Answer
from promlab.discovery.base import Publish, Surroundings, TargetGroup
from promlab.discovery.kubernetes import backends, roles
from promlab.discovery.kubernetes.access import access_of
from promlab.discovery.kubernetes.labels import Labels, object_labels
from promlab.discovery.kubernetes.store import Key, Resource, Store
from promlab.errors import DiscoveryError

log = logging.getLogger(__name__)

GATHER_S = 0.1  # Changes of this long are published together.
_AT_ONCE = 50  # Groups that are made before others get the event loop.

# Role → where its objects are, and whether they belong to a namespace.
_PATHS = {
    "node": ("/api/v1", "nodes", False),
    "namespace": ("/api/v1", "namespaces", False),
    "pod": ("/api/v1", "pods", True),
    "service": ("/api/v1", "services", True),
    "endpoints": ("/api/v1", "endpoints", True),
    "endpointslice": ("/apis/discovery.k8s.io/v1", "endpointslices", True),
    "ingress": ("/apis/networking.k8s.io/v1", "ingresses", True),
}
_BUILD: dict[str, roles.Build] = {
    "node": roles.node,
    "pod": roles.pod,
    "service": roles.service,
    "ingress": roles.ingress,
    "endpoints": backends.endpoints,
    "endpointslice": backends.endpointslice,
}
_BACKENDS = ("endpoints", "endpointslice")


class KubernetesDiscovery:
    """Looks after the objects of one role. Raises ConfigError if there is no API server."""

    mechanism = "kubernetes"

    def __init__(self, config: Kubernetes, around: Surroundings) -> None:
        self.config, self.around = config, around
        self._access = access_of(config)
        self._asker = around.asker(self._access.http)
        self._dirty: set[Key] = set()
        self._wake = asyncio.Event()
        self._bad: set[Key] = set()
        # Role, namespace and name of an object → our objects whose targets speak of it.
        self._users: dict[tuple[str, str, str], set[Key]] = {}
        self._seen: dict[tuple[str, str, str], Labels] = {}
        self.stores = [self._store(*each) for each in self._wanted()]

    def _wanted(self) -> Iterator[tuple[str, str]]:
        """Role and namespace ("" for all) of each store."""
        role, attach = self.config.role, self.config.attach_metadata
        needed = [role, *(("service", "pod") if role in _BACKENDS else ())]
        names = list(self.config.namespaces.names)
        if self.config.namespaces.own_namespace and self._access.namespace:
            names.append(self._access.namespace)
        for each in needed:
            for namespace in dict.fromkeys(names) if _PATHS[each][2] and names else ("",):
                yield each, namespace
        if attach.node and role in ("pod", *_BACKENDS):
            yield "node", ""
        if attach.namespace and role != "node":
            yield "namespace", ""

    def _store(self, role: str, namespace: str) -> Store:
        base, plural, _ = _PATHS[role]
        path = f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"
        chosen = [each for each in self.config.selectors if each.role == role]
        label, field = (chosen[0].label, chosen[0].field) if chosen else ("", "")
        resource = Resource(role, path, label, field)
        return Store(self._asker, self._access.url, resource, self._changed, self.around.stats)

    async def run(self, publish: Publish) -> None:
        """List, watch and publish until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for store in self.stores:
                    tasks.create_task(store.run())
                for store in self.stores:
                    await store.tried.wait()
                if not all(store.synced.is_set() for store in self.stores):
                    publish([])  # Nothing yet: others need not wait.
                for store in self.stores:
                    await store.synced.wait()
                publish(await self._groups())
                while True:
                    await self._wake.wait()
                    await asyncio.sleep(GATHER_S)
                    publish(await self._groups())
        finally:
            await self._asker.close()

    def find(self, role: str, namespace: str, name: str) -> Answer | None:
        """An object, if it is known."""
        for store in self.stores:
            if store.resource.role == role and (namespace, name) in store.objects:
                return store.objects[namespace, name]
        return None

    def node_labels(self, name: str) -> Labels:
        """Labels of a node, if they are to be attached."""
        if not name or not self.config.attach_metadata.node:
            return {}
        found = self.find("node", "", name)
        return object_labels(found, "node") if found else {}

    def _changed(self, role: str, key: Key) -> None:
        if role == self.config.role:
            self._dirty.add(key)
            self._note(key)
        elif role == "service" and self.config.role == "endpoints":
            self._dirty.add(key)
        elif role not in ("node", "namespace") or self._has_other_labels(role, key):
            self._dirty |= self._users.get((role, *key), set())
        if self._dirty:
            self._wake.set()

    def _note(self, key: Key) -> None:
        """Remember which other objects the targets of one of ours speak of."""
        item = self.find(self.config.role, *key)
        try:
            spoken_of = backends.spoken_of(item) if item else []
        except DiscoveryError:
            return  # It is said when its group is made.
        for used in spoken_of:
            self._users.setdefault(used, set()).add(key)

    def _has_other_labels(self, role: str, key: Key) -> bool:
        """Nodes change all the time; what targets say about them hardly ever does."""
        item = self.find(role, *key)
        before = self._seen.get((role, *key))
        self._seen[role, *key] = labels = object_labels(item, role) if item else {}
        return before != labels

    async def _groups(self) -> list[TargetGroup]:
        """Groups of all objects that changed; empty ones for those that are gone."""
        self._wake.clear()
        dirty, self._dirty = self._dirty, set()
        made: list[TargetGroup] = []
        for i, key in enumerate(sorted(dirty)):
            made.append(self._group(key))
            if i % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
        return made

    def _group(self, key: Key) -> TargetGroup:
        role = self.config.role
        empty = TargetGroup(roles.source_of(role, *key))
        item = self.find(role, *key)
        if item is None:
            for keys in self._users.values():
                keys.discard(key)
            return empty
        try:
            made = _BUILD[role](item, self)
        except DiscoveryError as error:
            if key not in self._bad:  # Once is enough to know.
                self._bad.add(key)
                self.around.stats.count("prometheus_sd_kubernetes_failures_total")
                log.warning("kubernetes discovery leaves %s out: %s", empty.source, error)
            return empty
        self._bad.discard(key)
        if self.config.attach_metadata.namespace and key[0]:
            space = self.find("namespace", "", key[0])
            more = object_labels(space, "namespace", name=False) if space else {}
            made = TargetGroup(made.source, made.targets, {**made.labels, **more})
        return made
