"""ZooKeeper: nodes that come, change and go; connections that break."""

from __future__ import annotations

from typing import Any

import pytest
from cases_zookeeper import node
from discovering import Watched, discovering
from fake_zookeeper import FakeZooKeeper, zookeeper

from promlab.config import load_text
from promlab.errors import ConfigError
from tests.ports import free_port

NODES = {"/s": b"", "/s/a": node(host="a", port=1, name="a")}


def section(fake: FakeZooKeeper, more: str = "") -> str:
    return f"nerve_sd_configs: [{{servers: ['{fake.address}'], paths: [/s]{more}}}]"


async def test_nodes_come_change_and_go() -> None:
    with zookeeper(dict(NODES)) as (fake, made):
        run: Any = made
        async with discovering(section(fake)) as watched:
            await watched.until(["a:1"])
            run(fake.put("/s/deep", b""))
            run(fake.put("/s/deep/b", node(host="b", port=2, name="b")))
            await watched.until(["a:1", "b:2"])
            run(fake.put("/s/a", node(host="a", port=7, name="a")))
            await watched.until(["a:7", "b:2"])
            run(fake.remove("/s/deep/b"))
            run(fake.remove("/s/deep"))
            await watched.until(["a:7"])


async def test_data_that_are_garbage_keep_the_target(caplog: pytest.LogCaptureFixture) -> None:
    with zookeeper(dict(NODES)) as (fake, made):
        run: Any = made
        async with discovering(section(fake)) as watched:
            await watched.until(["a:1"])
            for garbage in (
                b"{",
                b"7",
                b'{"host": 5}',
                b'{"host": "x", "port": "y"}',
                b"\xff",
                b"",
            ):
                before = watched.stats.refresh_failures["nerve", "a"]
                run(fake.put("/s/a", garbage))
                await watched.failed("nerve", more_than=before)
            assert watched.updates.empty()
            run(fake.put("/s/a", node(host="a", port=2, name="a")))
            await watched.until(["a:2"])
    assert not any(record.exc_info for record in caplog.records), "a traceback was logged"


async def test_a_path_that_is_not_there_yet() -> None:
    with zookeeper({}) as (fake, made):
        run: Any = made
        async with discovering(section(fake)) as watched:
            assert await watched.next() == []
            run(fake.put("/s", b""))
            run(fake.put("/s/a", node(host="a", port=1, name="a")))
            await watched.until(["a:1"])


async def _reconnected(fake: FakeZooKeeper, run: Any, watched: Watched) -> None:
    async def cut() -> None:
        for writer in fake.writers:
            writer.close()
        fake.writers.clear()
        # Clients learn of this only by reading everything again.
        fake.nodes["/s/b"] = node(host="b", port=2, name="b")

    run(cut())
    await watched.until(["a:1", "b:2"])


async def test_a_connection_that_breaks_is_made_again_and_everything_read() -> None:
    with zookeeper(dict(NODES)) as (fake, run):
        async with discovering(section(fake)) as watched:
            await watched.until(["a:1"])
            await _reconnected(fake, run, watched)


async def test_nobody_there() -> None:
    text = (
        f"nerve_sd_configs: [{{servers: ['127.0.0.1:{free_port()}'], paths: [/s], timeout: 200ms}}]"
    )
    async with discovering(text) as watched:
        assert await watched.next() == []
        assert watched.stats.refresh_failures["nerve", "a"] == 1


@pytest.mark.parametrize(
    ("section", "error"),
    [
        ("{}", "at least one Zookeeper server"),
        ("{servers: [a]}", "at least one path"),
        ("{servers: [a], paths: [b]}", "must begin with '/': b"),
    ],
)
@pytest.mark.parametrize("name", ["nerve", "serverset"])
def test_refused(name: str, section: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        load_text(f"scrape_configs: [{{job_name: a, {name}_sd_configs: [{section}]}}]")
