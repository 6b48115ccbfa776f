"""Nerve's services and members of server sets: nodes of ZooKeeper, watched as they change.

The client is kazoo (the extra `zookeeper`), in threads of its own. A node is read again when
ZooKeeper says that it has changed, all nodes when the connection was lost. Nothing is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from promlab.config.mechanisms.zookeeper import ZooKeeper
from promlab.discovery.answers import Answer
from promlab.discovery.base import (
    ADDRESS,
    META,
    Publish,
    Surroundings,
    TargetGroup,
    host_port,
    label_name,
)
from promlab.errors import DiscoveryError
from promlab.transport.aside import aside

log = logging.getLogger(__name__)

MAX_NODES = 100_000
_CLOSE_S, _RETRY_S = 2.0, 1.0


class ZooKeeperDiscovery:
    """One node, one target: those whose data says where something runs."""

    def __init__(self, config: ZooKeeper, around: Surroundings) -> None:
        self.config, self.around = config, around
        self.mechanism = config.mechanism
        self._of = _serverset if config.mechanism == "serverset" else _nerve
        self._groups: dict[str, TargetGroup] = {}
        self._nodes = 0

    async def run(self, publish: Publish) -> None:
        """Publish groups until cancelled."""
        loop = asyncio.get_running_loop()
        changed: asyncio.Queue[str] = asyncio.Queue()

        def tell(path: str) -> None:
            # After the end of the loop nobody asks any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(changed.put_nowait, path)

        try:
            client = await aside(lambda: _client(self.config, tell), f"{self.mechanism} discovery")
        except DiscoveryError as error:
            self._failed(error)
            publish([])
            await asyncio.get_running_loop().create_future()
        tree = Tree(client, self.config.paths, tell)
        try:
            publish(await self._first(tree, changed))
            while True:
                publish(await self._next(tree, changed))
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await aside(lambda: _close(client), f"{self.mechanism} discovery")

    async def _first(self, tree: Tree, changed: asyncio.Queue[str]) -> Sequence[TargetGroup]:
        """What is there when the connection is; nothing if it takes too long."""
        wait_s = self.config.timeout_ms / 1000
        try:
            async with asyncio.timeout(wait_s):
                return await self._next(tree, changed)
        except TimeoutError:
            self._failed(DiscoveryError(f"no connection within {wait_s:g} s"))
            return []

    async def _next(self, tree: Tree, changed: asyncio.Queue[str]) -> Sequence[TargetGroup]:
        paths = {await changed.get()}
        while not changed.empty():
            paths.add(changed.get_nowait())
        try:
            found = await aside(lambda: tree.read(paths), f"{self.mechanism} discovery")
        except DiscoveryError as error:
            self._failed(error)
            await asyncio.sleep(_RETRY_S)
            for path in paths:
                changed.put_nowait(path)
            return []
        return [group for path, data in found.items() if (group := self._group(path, data))]

    def _group(self, path: str, data: bytes | None) -> TargetGroup | None:
        """The group of a node; without targets for one that is gone, None for no change."""
        known = path in self._groups
        if data is None:
            return self._groups.pop(path) and TargetGroup(path) if known else None
        try:
            answer = Answer.parse(data, path)
            labels = {f"{META}{self.mechanism}_path": path, **self._of(answer)}
        except DiscoveryError as error:
            # Nodes in between have no data, or data that are not for us.
            if known:
                self._failed(DiscoveryError(f"{path}: {error}"))
            return None
        group = self._groups[path] = TargetGroup(path, (labels,))
        return group

    def _failed(self, error: Exception) -> None:
        config = self.around.config
        self.around.stats.refresh_failures[self.mechanism, config] += 1
        self.around.stats.count("prometheus_treecache_zookeeper_failures_total")
        text = "%s discovery of job %r keeps what it had: %s"
        log.warning(text, self.mechanism, config, error)


class Tree:
    """What is known of the nodes below some paths."""

    def __init__(self, client: Any, roots: Sequence[str], tell: Any) -> None:
        self._client, self._roots = client, tuple(root.rstrip("/") or "/" for root in roots)
        self._children: dict[str, frozenset[str]] = {}
        self._tell = tell

    def read(self, paths: Iterable[str]) -> dict[str, bytes | None]:
        """Data of the nodes at and below these paths ("" for all); None for those that are gone."""
        from kazoo.exceptions import KazooException
        from kazoo.handlers.threading import KazooTimeoutError

        found: dict[str, bytes | None] = {}
        try:
            for path in paths:
                for each in (path,) if path else self._roots:
                    self._visit(each, found, everything=not path)
        except (KazooException, KazooTimeoutError, OSError) as error:
            raise DiscoveryError(str(error) or type(error).__name__) from None
        return found

    def _visit(self, path: str, found: dict[str, bytes | None], *, everything: bool) -> None:
        from kazoo.exceptions import NoNodeError

        pending = [path]
        while pending:
            here = pending.pop()
            if len(self._children) > MAX_NODES:
                raise DiscoveryError(f"more than {MAX_NODES:,} nodes")
            try:
                found[here] = self._client.get(here, watch=self._event)[0]
                names = self._client.get_children(here, watch=self._event)
            except NoNodeError:
                self._gone(here, found)
                if here in self._roots and self._client.exists(here, watch=self._event):
                    pending.append(here)
                continue
            prefix = here.rstrip("/")
            now = frozenset(f"{prefix}/{name}" for name in names)
            before = self._children.get(here, frozenset())
            self._children[here] = now
            for child in before - now:
                self._gone(child, found)
            pending += now if everything else now - before

    def _gone(self, path: str, found: dict[str, bytes | None]) -> None:
        pending = [path]
        while pending:
            here = pending.pop()
            found[here] = None
            pending += self._children.pop(here, ())

    def _event(self, event: Any) -> None:
        if event.path:
            self._tell(event.path)


def _client(config: ZooKeeper, tell: Any) -> Any:
    """A client that is connecting; it says "" whenever it is connected again."""
    try:
        from kazoo.client import KazooClient, KazooState
    except ImportError:
        raise DiscoveryError(
            f"{config.mechanism} discovery needs kazoo: pip install 'promlab[zookeeper]'"
        ) from None
    client = KazooClient(
        hosts=",".join(config.servers),
        timeout=max(config.timeout_ms / 1000, 0.1),
        logger=logging.getLogger("promlab.discovery.kazoo"),
        read_only=True,
    )

    def listen(state: Any) -> None:
        if state == KazooState.CONNECTED:
            tell("")

    client.add_listener(listen)
    client.start_async()
    return client


def _close(client: Any) -> None:
    client.stop()
    client.close()


def _endpoint(answer: Answer) -> tuple[str, str]:
    if type(answer.value) is not dict or not answer.text("host"):
        answer.expected("an endpoint")
    return answer.text("host"), str(answer.whole("port"))


def _nerve(answer: Answer) -> dict[str, str]:
    host, port = _endpoint(answer)
    values = {"host": host, "port": port, "name": answer.text("name")}
    labels = {f"{META}nerve_endpoint_{name}": value for name, value in values.items()}
    return {ADDRESS: host_port(host, port), **labels}


def _serverset(answer: Answer) -> dict[str, str]:
    host, port = _endpoint(answer.at("serviceEndpoint"))
    values = {
        "endpoint_host": host,
        "endpoint_port": port,
        "status": answer.text("status"),
        "shard": str(answer.whole("shard")),
    }
    for name, endpoint in answer.entries("additionalEndpoints"):
        more_host, more_port = _endpoint(endpoint)
        values[f"endpoint_host_{label_name(name)}"] = more_host
        values[f"endpoint_port_{label_name(name)}"] = more_port
    labels = {f"{META}serverset_{name}": value for name, value in values.items()}
    return {ADDRESS: host_port(host, port), **labels}
