"""The head's sealed samples become blocks.

What comes late, after the stretch of time that it belongs to was cut off, is in later chunk
files, and is part of the next cut.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promlab.tsdb.blocks.cut_record import NEVER, read_cut
from promlab.tsdb.blocks.head_source import HeadSource
from promlab.tsdb.blocks.meta import Meta
from promlab.tsdb.blocks.rewrite import Rewriter


def cut_head(
    directory: Path,
    before_ms: int,
    block_ms: int,
    progress: Callable[[float], None] = lambda _: None,
) -> list[Meta]:
    """Write blocks of all samples older than `before_ms` that are in none. Raises StorageError."""
    cut = read_cut(directory)
    metas = []
    with HeadSource(directory) as head:
        metas += _blocks(directory, head, cut.time, before_ms, block_ms, progress)
    if cut.file:
        with HeadSource(directory, after_file=cut.file, sealed=True) as late:
            metas += _blocks(directory, late, NEVER, cut.time, block_ms, progress)
    return metas


def _blocks(
    directory: Path,
    head: HeadSource,
    start_ms: int,
    end_ms: int,
    block_ms: int,
    progress: Callable[[float], None],
) -> list[Meta]:
    starts = head.ranges(start_ms, end_ms, block_ms)
    if not starts:
        return []
    rewriter = Rewriter(directory, head.verdicts, head=head)
    metas = []
    for done, start in enumerate(starts):
        writer = rewriter.write(max(start, start_ms), min(start + block_ms, end_ms))
        meta = writer.finish()
        metas += [meta] if meta is not None else []
        progress((done + 1) / len(starts))
    return metas
