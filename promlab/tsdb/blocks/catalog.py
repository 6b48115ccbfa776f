"""All blocks of a data directory, as one reader sees them.

Looks again when the directory has changed. A block that another one was made from is left
out, so that a compaction is seen as a whole or not at all. One that can't be read is left
out too, with an error in the log: the rest serves.
"""

from __future__ import annotations

import logging
import math
import os
import time
from pathlib import Path

from promlab.errors import StorageError
from promlab.tsdb.blocks import layout, tombstones
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.meta import is_ulid
from promlab.tsdb.blocks.tombstones import Tombstones

_LOG = logging.getLogger(__name__)
NEVER = -(2**63)
_TICK_S = 0.05  # two changes within a tick of the file system's clock look like one


def block_names(directory: Path) -> list[str]:
    """Names of all folders that are blocks, oldest first."""
    try:
        with os.scandir(directory) as entries:
            return sorted(e.name for e in entries if is_ulid(e.name) and e.is_dir())
    except FileNotFoundError:
        return []


def touch(directory: Path) -> None:
    """Tell readers that something in a block's folder has changed."""
    os.utime(directory)


class BlockCatalog:
    """The blocks of `directory`. Not thread-safe: its reader holds a lock."""

    def __init__(self, directory: Path) -> None:
        self.directory, self._place = directory, str(directory)
        self.generation = 0  # grows with every change
        self.damaged: dict[str, str] = {}
        self._open: dict[str, tuple[int, Block]] = {}
        self._current: tuple[Block, ...] = ()
        self.end = NEVER  # no block has a sample from this time on
        self._seen = -1
        self._head_version = 0
        self.head_tombstones: Tombstones = tombstones.none()
        # From this time on the head has all samples there are, and shows all that it has.
        self.head_alone_from: float = NEVER

    @property
    def version(self) -> object:
        """Changes with the blocks, and with what is deleted of the head."""
        return self.generation, self._head_version

    @property
    def current(self) -> tuple[Block, ...]:
        """Blocks as they were when they were last looked at."""
        return self._current

    def has_changed(self) -> bool:
        """Whether it has to be looked again: also what may have changed a moment ago counts."""
        return self._changed() != self._seen

    def _changed(self) -> int:
        try:
            return os.stat(self._place).st_mtime_ns  # noqa: PTH116 - each query asks
        except OSError:
            return 0

    def refresh(self) -> tuple[Block, ...]:
        """Blocks of now, oldest first; those of other resolutions are among them."""
        changed = self._changed()
        if changed != self._seen:
            quiet = abs(time.time() - changed / 1e9) > _TICK_S
            self._look()
            self._seen = changed if quiet else -1
        return self._current

    def _look(self) -> None:
        now: dict[str, tuple[int, Block]] = {}
        version = version_of(self.directory / "head")
        if version != self._head_version:
            self.head_tombstones = tombstones.read(self.directory / "head")
            self._head_version = version
            self._bound_head()
        names = block_names(self.directory)
        for name in names:
            version = version_of(self.directory / name)
            known = self._open.get(name)
            if known is not None and known[0] == version:
                now[name] = known
            elif name not in self.damaged:
                try:
                    now[name] = version, Block(self.directory / name)
                except StorageError as error:
                    if (self.directory / name).is_dir():
                        self.set_aside(name, str(error))
        self.damaged = {name: why for name, why in self.damaged.items() if name in names}
        replaced = {parent for _, block in now.values() for parent in block.meta.parents}
        current = [block for name, (_, block) in now.items() if name not in replaced]
        current.sort(key=lambda block: (block.meta.min_time, block.meta.ulid))
        self._open = now
        if tuple(current) != self._current:
            self._use(current)

    def set_aside(self, name: str, why: str) -> None:
        """Leave a block out from now on."""
        _LOG.error("block %s can't be read, its samples are left out: %s", name, why)
        self.damaged[name] = why
        self._open.pop(name, None)
        self._use([block for block in self._current if block.path.name != name])

    def _use(self, blocks: list[Block]) -> None:
        self._current = tuple(blocks)
        self.end = max((block.meta.max_time for block in blocks), default=NEVER)
        self.generation += 1
        self._bound_head()

    def _bound_head(self) -> None:
        self.head_alone_from = math.inf if self.head_tombstones else self.end


def version_of(directory: Path) -> int:
    """Changes when the tombstones in a folder do."""
    try:
        return (directory / layout.TOMBSTONES).stat().st_mtime_ns
    except OSError:
        return 0
