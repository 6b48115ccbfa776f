"""Help for tests of blocks: a head that makes small ones, and waiting for its child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promlab.errors import StorageError
from promlab.tsdb.blocks import job
from promlab.tsdb.blocks.catalog import block_names, touch
from promlab.tsdb.blocks.meta import Meta, read_meta
from promlab.tsdb.head import Head
from promlab.tsdb.options import HeadOptions
from tests.patience import PATIENCE_S

MINUTE = 60_000
# Blocks of a minute, for samples a second or so apart.
TINY = HeadOptions(
    sync="never",
    block_s=60.0,
    max_block_s=540.0,
    window_s=30.0,
    late_window_s=600.0,
    retention_s=0.0,
    chunk_file_bytes=200_000,
)


def in_process(head: Head) -> Head:
    """Let the keeper of this head do its jobs at once, without a child."""
    keeper = head.blocks
    assert keeper is not None

    def start(work: Mapping[str, Any], done: Any, failed: Any = None) -> None:
        try:
            result = job.run(work)
        except StorageError as error:
            (failed or keeper._failed)(error)
        else:
            done(result)
            touch(head.path)

    keeper._start = start  # type: ignore[method-assign]
    return head


def ask(head: Head, **job: Any) -> Any:
    """What the keeper gives for a job, which is done next."""
    keeper = head.blocks
    assert keeper is not None
    future = keeper.ask(job)
    while not future.done():
        head.commit()
    return future.result()


def settle(head: Head, rounds: int = 100) -> None:
    """Commit until there is nothing left to cut, join or delete."""
    keeper = head.blocks
    assert keeper is not None
    for _ in range(rounds):
        keeper._looked_s = -1e18
        head.commit()
        while keeper._running is not None or keeper._asked or keeper._cutter.sealing:
            if keeper._running is not None:
                keeper._running.process.wait(PATIENCE_S)
            head.commit()
        looked = keeper.stats.compactions
        keeper._looked_s = -1e18
        head.commit()
        idle = keeper._running is None and not keeper._cutter.sealing and not keeper._asked
        if idle and keeper.stats.compactions == looked:
            return
    raise AssertionError(f"it never settles: {keeper.stats}")


def metas(directory: Path) -> list[Meta]:
    return [read_meta(directory / name) for name in block_names(directory)]
