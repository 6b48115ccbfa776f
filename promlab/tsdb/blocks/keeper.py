"""The writer's side of blocks: when the head is cut, what is joined, what has to go.

Takes small steps after commits, as all housekeeping does; the work itself is done by a child
process, one at a time (job.py). What fails is logged, counted, and tried again later: taking
samples never waits for it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promlab import lifeline
from promlab.errors import StorageError
from promlab.tsdb.blocks import folders, layout
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.catalog import block_names, touch, version_of
from promlab.tsdb.blocks.cutter import Cutter
from promlab.tsdb.blocks.downsample import next_downsampling
from promlab.tsdb.blocks.meta import Meta
from promlab.tsdb.blocks.plan import expired, next_compaction
from promlab.tsdb.newest import write_newest

if TYPE_CHECKING:
    from promlab.tsdb.head import Head

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_S = 30.0
_RETRY_S = 60.0
_PRUNE_EVERY_S = 3600.0
_MAX_BLOCK_MS = 31 * 86_400_000
_LAST_CUT_S = 4.0  # a stop waits no longer for a cut that is under way
_SHARE = 0.6  # of the time there is that writing blocks may be expected to take
# What it takes to write blocks of a head, in seconds: to begin, a series, a byte of chunks.
_BEGIN_S, _SERIES_S, _BYTE_S = 0.6, 4e-6, 5e-8


@dataclass
class Limits:
    """How much is kept; 0 for all of it. May be changed while the server runs."""

    retention_s: float = 0.0
    retention_bytes: int = 0
    retention_percentage: float = 0.0


@dataclass(frozen=True)
class Policies:
    """What is kept beyond, or less than, the rest; see docs/reference/storage.md."""

    # Selectors (each matcher as name, operator, value), and for how many ms they are kept.
    shorter: tuple[tuple[list[list[str]], int], ...] = ()
    # Resolution, age of the samples that are aggregated, for how long that is kept (0: ever).
    downsampling: tuple[tuple[int, int, int], ...] = ()


@dataclass
class KeeperStats:
    """Counters for /metrics."""

    compactions: int = 0
    failed: int = 0
    jobs: int = 0
    seconds: float = 0.0
    cuts: int = 0
    reloads: int = 0
    reload_failures: int = 0
    damaged: int = 0
    gone: dict[str, int] = field(default_factory=lambda: {"time": 0, "size": 0})
    last_error: str = ""


@dataclass
class _Running:
    """A child at work."""

    job: Mapping[str, Any]
    process: subprocess.Popen[Any]
    started_s: float
    done: Callable[[Any], None]
    failed: Callable[[StorageError], None]


class BlockKeeper:
    """Keeps the blocks of a head's directory. Made by `Head.open`; belongs to its thread."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._directory: Path = head.path
        options = head.options
        self.block_ms = max(1, int(options.block_s * 1000))
        self.limits = Limits(
            options.retention_s, options.retention_bytes, options.retention_percentage
        )
        self.stats = KeeperStats()
        self.policies = Policies()
        self._pruned_s = -1e18
        self.blocks: dict[str, Block] = {}
        self._versions: dict[str, int] = {}
        self._running: _Running | None = None
        self._asked: deque[tuple[Mapping[str, Any], Future[Any]]] = deque()
        self._cutter = Cutter(head)
        self._looked_s = self._failed_s = -1e18
        self._stopped = False
        folders.sweep(self._directory)
        self._reload()

    @property
    def metas(self) -> list[Meta]:
        """All blocks, oldest first."""
        found = [block.meta for block in self.blocks.values()]
        return sorted(found, key=lambda meta: (meta.min_time, meta.ulid))

    @property
    def max_block_ms(self) -> int:
        """Length of the longest blocks: a tenth of the retention, a month at most."""
        given = int(self._head.options.max_block_s * 1000)
        tenth = int(self.limits.retention_s * 100) or _MAX_BLOCK_MS
        return max(self.block_ms, given or min(_MAX_BLOCK_MS, tenth))

    def ask(self, job: Mapping[str, Any]) -> Future[Any]:
        """Have something done as soon as the child is free; the future has its result."""
        future: Future[Any] = Future()
        self._asked.append(({**job, "directory": str(self._directory)}, future))
        return future

    # --- steps --------------------------------------------------------------------------

    def step(self, now_s: float) -> None:
        """One step of whatever is due. Never raises StorageError."""
        if self._stopped:
            return
        try:
            if self._running is not None:
                self._poll(self._running)
            elif self._asked:
                job, future = self._asked.popleft()
                self._start(job, future.set_result, future.set_exception)
            elif self._cutter.sealing:
                if self._cutter.seal_some():
                    self._start(self._cutter.job(), self._cut_done)
            elif abs(now_s - self._looked_s) >= min(_LOOK_EVERY_S, self.block_ms / 20_000):
                self._looked_s = now_s
                self._look(now_s)
        except StorageError as error:
            self._failed(error)

    def _look(self, now_s: float) -> None:
        self._reload()
        self._cutter.drop_files()
        self._expire(now_s)
        if abs(now_s - self._failed_s) < _RETRY_S:
            return
        if self._cutter.begin(self.block_ms):
            return
        deleted = {
            name: len(set(block.tombstones.series.tolist()))
            for name, block in self.blocks.items()
            if block.tombstones
        }
        joined = next_compaction(self.metas, deleted, self.block_ms, self.max_block_ms)
        if not joined and self._prune(now_s):
            return
        due = None if joined else self._undersampled(now_s)
        if due is not None:
            job = {"kind": "downsample", "block": due[0], "resolution_ms": due[1]}
            self._start({**job, "directory": str(self._directory)}, self._compacted)
        if joined:
            job = {"kind": "compact", "blocks": [meta.ulid for meta in joined]}
            self._start({**job, "directory": str(self._directory)}, self._compacted)

    def _newest(self, now_s: float) -> int:
        metas = self.metas
        newest = max([meta.max_time for meta in metas], default=self._head.max_time)
        return min(max(newest, self._head.max_time), int(now_s * 1000))

    def _undersampled(self, now_s: float) -> tuple[str, int] | None:
        resolutions = [(res, after) for res, after, _ in self.policies.downsampling]
        return next_downsampling(self.metas, self._newest(now_s), resolutions)

    def _prune(self, now_s: float) -> bool:
        """Delete what policies keep for less time than the rest; whether a job was started."""
        if not self.policies.shorter or abs(now_s - self._pruned_s) < _PRUNE_EVERY_S:
            return False
        self._pruned_s = now_s
        newest = self._newest(now_s)
        for matchers, time_ms in self.policies.shorter:
            job = {"kind": "delete", "selectors": [matchers], "start_ms": -(2**62)}
            self.ask({**job, "end_ms": newest - time_ms}).add_done_callback(self._pruned)
        return True

    def _pruned(self, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            _LOG.error("%s: deleting by policy failed: %s", self._directory, error)

    def _reload(self) -> None:
        """Take in blocks that have come or gone; a damaged one is set aside."""
        names = block_names(self._directory)
        for name in names:
            version = version_of(self._directory / name)
            if name in self.blocks and self._versions[name] == version:
                continue
            try:
                self.blocks[name] = Block(self._directory / name)
                self._versions[name] = version
                self.stats.reloads += 1
            except StorageError as error:
                self._set_aside(name, error)
        for name in [name for name in self.blocks if name not in names]:
            del self.blocks[name], self._versions[name]
        # A child that was killed may have left the blocks that its own replaces.
        replaced = {parent for block in self.blocks.values() for parent in block.meta.parents}
        for name in replaced & set(self.blocks):
            folders.remove(self._directory, name)
            del self.blocks[name], self._versions[name]

    def _set_aside(self, name: str, error: StorageError) -> None:
        self.stats.damaged += 1
        self.stats.reload_failures += 1
        to = folders.set_aside(self._directory, name)
        _LOG.error("block %s is damaged and set aside as %s: %s", name, to.name, error)
        self.blocks.pop(name, None)
        self._versions.pop(name, None)

    def _expire(self, now_s: float) -> None:
        head = self._head
        metas = self.metas
        newest = self._newest(now_s)
        size = self.limits.retention_bytes
        if self.limits.retention_percentage:
            total = shutil.disk_usage(self._directory).total
            size = int(total * self.limits.retention_percentage / 100)
        facts = head.stats()
        other = facts.wal_bytes + facts.chunk_bytes + facts.series_bytes
        kept_ms = int(self.limits.retention_s * 1000)
        gone = expired([m for m in metas if not m.resolution_ms], newest, kept_ms, 0, 0)
        own = {resolution: retention for resolution, _, retention in self.policies.downsampling}
        for resolution in {meta.resolution_ms for meta in metas} - {0}:
            mine = [meta for meta in metas if meta.resolution_ms == resolution]
            gone += expired(mine, newest, own.get(resolution, kept_ms), 0, 0)
        old = {meta.ulid for meta, _ in gone}
        gone += expired([m for m in metas if m.ulid not in old], newest, 0, size, other)
        for meta, why in gone:
            _LOG.info("deleting block %s: beyond the retention by %s", meta.ulid, why)
            folders.remove(self._directory, meta.ulid)
            self.blocks.pop(meta.ulid, None)
            self._versions.pop(meta.ulid, None)
            self.stats.gone[why] += 1

    # --- jobs ---------------------------------------------------------------------------

    def _start(
        self,
        job: Mapping[str, Any],
        done: Callable[[Any], None],
        failed: Callable[[StorageError], None] | None = None,
    ) -> None:
        command = lifeline.python("promlab.tsdb.blocks.job", json.dumps(job))
        process = lifeline.spawn(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        started = time.monotonic()
        self._running = _Running(job, process, started, done, failed or self._failed)

    def _poll(self, running: _Running) -> None:
        if running.process.poll() is None:
            return
        self._running = None
        assert running.process.stdout is not None
        text = running.process.stdout.read()
        running.process.stdout.close()
        lifeline.release(running.process)
        took = time.monotonic() - running.started_s
        kind = running.job["kind"]
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"error": f"ended with exit code {running.process.returncode}"}
        if "error" in answer:
            running.failed(StorageError(f"{kind} of blocks failed: {answer['error']}"))
            return
        self.stats.jobs += 1
        self.stats.seconds += took
        _LOG.info("%s of blocks done in %.1f s: %s", kind, took, answer["result"])
        running.done(answer["result"])
        self._looked_s = -1e18
        touch(self._directory)

    def _cut_done(self, _names: Any) -> None:
        self.stats.cuts += 1
        self.stats.compactions += 1
        self._cutter.done()

    def _compacted(self, _name: Any) -> None:
        self.stats.compactions += 1

    def _failed(self, error: StorageError) -> None:
        self.stats.failed += 1
        self.stats.last_error = str(error)
        self._failed_s = self._looked_s
        self._cutter.give_up()
        _LOG.error("%s: %s", self._directory, error)

    def settle(self, within_s: float) -> None:
        """Put all that the head holds into blocks, if that saves much and is done in time.

        The head closes: everything is sealed. If it fails or takes too long, chunks stay, and
        become blocks in the next server's life. Raises StorageError if they can't be left as
        they were.
        """
        end_s, head = time.monotonic() + within_s, self._head
        if head.chunks.bytes < head.options.settle_bytes:
            return
        expected_s = _BEGIN_S + _SERIES_S * head.catalog.series_count + _BYTE_S * self._new_bytes()
        if expected_s > _SHARE * within_s:
            return
        write_newest(self._directory, *head.newest())
        long = self.max_block_ms >= layout.SEGMENT_MS >= self.block_ms
        self._cutter.begin_all(layout.SEGMENT_MS if long else self.block_ms)
        while not self._cutter.seal_some():
            pass
        self._start(self._cutter.job(), self._cut_done)
        self._wait(end_s - time.monotonic())
        self._kill()

    def _new_bytes(self) -> float:
        """About how much of the chunks no block has yet: a file's times are as if they had equal
        shares of it."""
        chunks, cut = self._head.chunks, self._head.cut
        new, first = 0.0, self._head.min_time
        for number, size in sorted(chunks.sizes.items()):
            last, share = chunks.last_of(number), 1.0
            if number <= cut.file:
                share = max(0, last - max(first, cut.time)) / max(1, last - first)
            new += share * size
            first = max(first, last)
        return new

    def _wait(self, at_most_s: float) -> None:
        """Give the child some time to end."""
        if self._running is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running.process.wait(max(0.0, at_most_s))
                self._poll(self._running)

    def stop(self) -> None:
        """Take no more steps. A cut that is being written is waited for, other work is ended,
        and what it has not finished is swept."""
        self._stopped = True
        try:
            if self._running is not None and self._running.job["kind"] == "cut":
                self._wait(_LAST_CUT_S)
        except StorageError as error:
            self._failed(error)
        self._kill()

    def _kill(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.process.kill()
            running.process.wait()
            if running.process.stdout is not None:
                running.process.stdout.close()
            lifeline.release(running.process)
            with contextlib.suppress(StorageError):
                folders.sweep(self._directory)  # what it had begun
        error = StorageError("the server is stopping")
        while self._asked:
            self._asked.popleft()[1].set_exception(error)
