"""Which blocks a query reads: samples as they came, or aggregates of them.

Where there are samples, they are read, unless the query's windows or steps are so long that an
aggregate gives the same but for the edges. Where only aggregates are left they are read for
any query: the one that the function asks for, else `last`.
"""

from __future__ import annotations

from collections.abc import Sequence

from promlab.model.storage import SelectHints
from promlab.tsdb.blocks.block import Block
from promlab.tsdb.blocks.downsample import BY_FUNCTION, aggregate_of, usable

Choice = tuple[Block, int, int]


def chosen(blocks: Sequence[Block], start_ms: int, end_ms: int, hints: SelectHints) -> list[Choice]:
    """Blocks, and of each the range of times that is read, both ends included."""
    raw = [block for block in blocks if not block.meta.resolution_ms]
    if len(raw) == len(blocks):
        return [(block, start_ms, end_ms) for block in raw]
    resolutions = sorted({block.meta.resolution_ms for block in blocks} - {0})
    for resolution in reversed(resolutions):
        aggregate = usable(hints.func, hints.step_ms, hints.range_ms, resolution)
        mine = _of(blocks, resolution, aggregate) if aggregate else []
        if mine and not any(block.meta.histograms for block in raw):
            return _joined(mine, raw, start_ms, end_ms)
    # As they came, and before those the finest aggregates that are left.
    choice = [(block, start_ms, end_ms) for block in raw]
    before = min([block.meta.min_time for block in raw], default=end_ms + 1) - 1
    wanted = BY_FUNCTION.get(hints.func, "last")
    for resolution in resolutions:
        mine = [b for b in _of(blocks, resolution, wanted) if b.meta.min_time <= before]
        choice += [(block, start_ms, min(end_ms, before)) for block in mine]
        before = min([before, *(block.meta.min_time - 1 for block in mine)])
    return choice


def _of(blocks: Sequence[Block], resolution: int, aggregate: str) -> list[Block]:
    return [
        block
        for block in blocks
        if block.meta.resolution_ms == resolution and aggregate_of(block.meta) == aggregate
    ]


def _joined(
    mine: Sequence[Block], raw: Sequence[Block], start_ms: int, end_ms: int
) -> list[Choice]:
    """Aggregates, and samples as they came before and after them."""
    first = min(block.meta.min_time for block in mine)
    last = max(block.meta.max_time for block in mine)
    choice = [(block, start_ms, end_ms) for block in mine]
    choice += [(block, start_ms, first - 1) for block in raw if block.meta.min_time < first]
    choice += [(block, last, end_ms) for block in raw if block.meta.max_time > last]
    return choice
