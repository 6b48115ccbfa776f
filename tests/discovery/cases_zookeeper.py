"""Nodes of ZooKeeper, as Nerve and server sets write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from case import Case
from fake_api import FakeApi
from fake_zookeeper import zookeeper


def node(**values: Any) -> bytes:
    return json.dumps(values).encode()


NERVE = {
    "/nerve": b"", "/nerve/services": b"", "/nerve/services/web": b"",
    "/nerve/services/web/a_0000000001": node(host="10.0.0.1", port=9100, name="one"),
    "/nerve/services/web/a_0000000002": node(host="2001:db8::1", port=9101, name="two", weight=1),
    "/nerve/services/web/broken": b"{",
    "/elsewhere": node(host="10.0.0.9", port=1, name="not asked for"),
}  # fmt: skip
ENDPOINT = {"host": "10.0.0.1", "port": 8080}
SERVERSET = {
    "/twitter": b"", "/twitter/web": b"",
    "/twitter/web/member_0": node(
        serviceEndpoint=ENDPOINT, status="ALIVE", shard=3,
        additionalEndpoints={"my-health": {"host": "10.0.0.1", "port": 8081}}),
    "/twitter/web/member_1": node(serviceEndpoint=ENDPOINT, status="DEAD", additionalEndpoints={}),
}  # fmt: skip


class ZooKeeperCase(Case):
    """Nodes in a ZooKeeper of our own."""

    @contextmanager
    def served(self, folder: Path) -> Iterator[tuple[str, FakeApi]]:
        with zookeeper(dict(self.routes)) as (fake, _):  # type: ignore[arg-type]
            yield self.section.replace("HOST", fake.address), FakeApi({})


CASES = [
    ZooKeeperCase("nerve", "nerve_sd_configs: [{servers: ['HOST'], paths: [/nerve/services]}]",
                  NERVE, 2),
    ZooKeeperCase("serverset", "serverset_sd_configs: [{servers: ['HOST'], paths: [/twitter]}]",
                  SERVERSET, 2),
]  # fmt: skip
