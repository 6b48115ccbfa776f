"""Fixtures of the notebook's rooms: a real Prometheus that watches itself and a node exporter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promlab.client import Client, InstantVector
from promlab.errors import PromlabError
from tests import real_programs
from tests.patience import until as until
from tests.ports import free_port as free_port

CONFIG = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ["{server}"]}}]
  - job_name: node
    static_configs: [{{targets: ["{node}"]}}]
"""


def has_samples(client: Client, query: str, count: int = 1) -> bool:
    try:
        found = client.query(query)
    except PromlabError:
        return False
    return isinstance(found, InstantVector) and len(found) >= count


@pytest.fixture(scope="session")
def prometheus(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Prometheus that has scraped each of its two targets more than once."""
    folder = tmp_path_factory.mktemp("prometheus")
    lifecycle = "--web.enable-lifecycle"
    with (
        real_programs.node_exporter(peers, folder) as node,
        real_programs.prometheus(peers, folder, "{}", lifecycle) as asking,
    ):
        url = str(asking.base_url).rstrip("/")
        config = CONFIG.format(server=url.removeprefix("http://"), node=node)
        (folder / "p.yml").write_text(config)
        asking.post("/-/reload").raise_for_status()
        with Client(url) as client:
            until(lambda: has_samples(client, "count_over_time(up[1m]) >= 3", 2), "three scrapes")
        yield url
