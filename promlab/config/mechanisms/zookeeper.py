"""What registers itself in ZooKeeper: Nerve (AirBnB) and server sets (Twitter)."""

from __future__ import annotations

from typing import ClassVar

from promlab.config import kinds
from promlab.config.document import At
from promlab.config.mechanisms.base import Mechanism
from promlab.config.section import opt, record


@record
class ZooKeeper(Mechanism):
    """Nodes below some paths."""

    required: ClassVar[tuple[str, ...]] = ("servers", "paths")
    servers: tuple[str, ...] = opt(kinds.strings, (), always=True)
    paths: tuple[str, ...] = opt(kinds.strings, (), always=True)
    timeout_ms: int = opt(kinds.duration, 10_000, key="timeout", always=True)

    def check(self, at: At) -> None:
        """Servers to ask, and absolute paths."""
        if not self.servers:
            at.fail(f"{self.mechanism} SD config must contain at least one Zookeeper server")
        if not self.paths:
            at.fail(f"{self.mechanism} SD config must contain at least one path")
        for place, path in zip(at.get("paths").items(), self.paths, strict=True):
            if not path.startswith("/"):
                place.fail(f"{self.mechanism} SD config paths must begin with '/': {path}")


@record
class Nerve(ZooKeeper):
    """Services that Nerve announces."""

    mechanism: ClassVar[str] = "nerve"


@record
class ServerSet(ZooKeeper):
    """Members of server sets."""

    mechanism: ClassVar[str] = "serverset"
