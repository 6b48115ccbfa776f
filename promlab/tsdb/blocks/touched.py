"""Label indexes of blocks: those that queries touched last stay in memory, others go.

A query over years touches the labels of all blocks; what it leaves must not grow with them.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable

from promlab.tsdb.blocks.block import Block

KEPT_SERIES = 4 << 20  # of all indexes; some 60 bytes each


class TouchedIndexes:
    """The blocks whose index is in memory, the one touched last at the end. Not thread-safe."""

    def __init__(self, kept_series: int = KEPT_SERIES) -> None:
        self._kept_series = kept_series
        # Weakly: a block that was joined with others must not be kept for its index.
        self._blocks: OrderedDict[int, weakref.ref[Block]] = OrderedDict()
        self.touches = 0  # grows with each
        self.on_forget: Callable[[], None] = lambda: None

    def touch(self, block: Block) -> None:
        """This block's index was used now; the ones not used for longest go if need be."""
        self.touches += 1
        self._blocks[id(block)] = weakref.ref(block)
        self._blocks.move_to_end(id(block))
        alive = self.blocks()
        total = sum(each.series_count for each in alive)
        while total > self._kept_series and len(alive) > 1:
            oldest = alive.pop(0)
            total -= oldest.series_count
            oldest.forget_index()
            del self._blocks[id(oldest)]
            self.on_forget()

    def blocks(self) -> list[Block]:
        """Those blocks, the one touched last at the end."""
        found = {key: reference() for key, reference in self._blocks.items()}
        for key in [key for key, block in found.items() if block is None]:
            del self._blocks[key]
        return [block for block in found.values() if block is not None]
