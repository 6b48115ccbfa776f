"""Joining blocks into one, leaving out what is deleted; and the head's copy in a snapshot."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from promlab.errors import StorageError
from promlab.model.labels import Symbols
from promlab.tsdb.blocks import folders, layout
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.catalog import block_names
from promlab.tsdb.blocks.cut_record import read_cut
from promlab.tsdb.blocks.head_source import HeadSource
from promlab.tsdb.blocks.meta import Meta
from promlab.tsdb.blocks.rewrite import Rewriter
from promlab.tsdb.files import failed, sync_directory
from promlab.tsdb.index import Verdicts

_LEVEL = 6  # of zstd: a block that is joined stays


def compact(directory: Path, names: Sequence[str]) -> Meta | None:
    """Write these blocks as one and delete them; None if nothing is left of them.

    Raises StorageError; the old blocks stay then.
    """
    blocks = [Block(directory / name) for name in names]
    metas = [block.meta for block in blocks]
    verdicts = Verdicts(Symbols())
    start = min(meta.min_time for meta in metas)
    end = max(meta.max_time for meta in metas)
    resolution = metas[0].resolution_ms
    segment_ms = 1_440 * resolution if resolution else layout.SEGMENT_MS
    rewriter = Rewriter(directory, verdicts, blocks)
    writer = rewriter.write(start, end, level=_LEVEL, segment_ms=segment_ms)
    sources = sorted({source for meta in metas for source in meta.sources})
    meta = writer.finish(
        level=max(meta.level for meta in metas) + (len(metas) > 1),
        sources=sources,
        parents=list(names),
        resolution_ms=metas[0].resolution_ms,
        hints=metas[0].hints,
    )
    for name in names:
        folders.remove(directory, name)
    return meta


def clean_tombstones(directory: Path) -> int:
    """Write every block that has tombstones anew, without what is deleted; how many."""
    cleaned = 0
    for name in block_names(directory):
        if (directory / name / layout.TOMBSTONES).exists():
            compact(directory, [name])
            cleaned += 1
    return cleaned


def snapshot(directory: Path, name: str, *, skip_head: bool = False) -> None:
    """A copy of all blocks by hard links, and of the head as a block, in snapshots/NAME.

    It is a data directory of its own. Raises StorageError; nothing is left behind then.
    """
    to = directory / "snapshots" / name
    try:
        to.mkdir(parents=True)
        for block in block_names(directory):
            _link(directory / block, to / block)
        if not skip_head:
            _head_block(directory, to)
        sync_directory(to)
        sync_directory(to.parent)
    except OSError as error:
        raise failed("write", to, error) from None


def _link(block: Path, to: Path) -> None:
    to.mkdir()
    for file in block.iterdir():
        if file.suffix != ".tmp":
            os.link(file, to / file.name)
    sync_directory(to)


def _head_block(directory: Path, to: Path) -> None:
    """Blocks of all that is in none; of what came late too."""
    cut = read_cut(directory)
    with HeadSource(directory) as head:
        times = head.time_range()
        if times is None:
            return
        starts = head.all_ranges(times, layout.SEGMENT_MS)
        rewriter = Rewriter(to, head.verdicts, head=head)
        for start in starts:
            end = start + layout.SEGMENT_MS
            if end > cut.time:
                rewriter.write(max(start, cut.time), end).finish()
    if cut.file:
        with HeadSource(directory, after_file=cut.file) as late:
            rewriter = Rewriter(to, late.verdicts, head=late)
            for start in late.all_ranges((times[0], cut.time - 1), layout.SEGMENT_MS):
                end = min(start + layout.SEGMENT_MS, cut.time)
                rewriter.write(start, end).finish()


def check(directory: Path) -> dict[str, str]:
    """What is wrong with each damaged block."""
    wrong = {}
    for name in block_names(directory):
        try:
            Block(directory / name).verify()
        except StorageError as error:
            wrong[name] = str(error)
    return wrong
