"""What is in memory of blocks: that of those that queries touched last stays, the rest goes.

A query over years touches the labels and the rows of all blocks; what it leaves must not grow
with them.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable

from promlab.tsdb.blocks.block import Block

KEPT_BYTES = 256 << 20  # of all blocks together
_COUNTED = 16  # touches from one count to the next: it looks at all blocks


class TouchedBlocks:
    """Blocks of which something is in memory, the one touched last at the end. Not thread-safe."""

    def __init__(self, kept_bytes: int = KEPT_BYTES, counted: int = _COUNTED) -> None:
        self._kept_bytes, self._counted = kept_bytes, counted
        # Weakly: a block that was joined with others must not be kept for its index.
        self._blocks: OrderedDict[int, weakref.ref[Block]] = OrderedDict()
        self.touches = 0  # grows with each
        self.on_forget: Callable[[], None] = lambda: None

    def touch(self, block: Block) -> None:
        """This block was used now; what is in memory of those not used for longest may go."""
        self.touches += 1
        self._blocks[id(block)] = weakref.ref(block)
        self._blocks.move_to_end(id(block))
        if self.touches % self._counted == 0:
            self._forget()

    def _forget(self) -> None:
        alive = self.blocks()
        sizes = [each.kept_bytes for each in alive]
        total = sum(sizes)
        for oldest, size in zip(alive[:-1], sizes, strict=False):
            if total <= self._kept_bytes:
                break
            total -= size
            oldest.forget()
            del self._blocks[id(oldest)]
            self.on_forget()

    def blocks(self) -> list[Block]:
        """Those blocks, the one touched last at the end."""
        found = {key: reference() for key, reference in self._blocks.items()}
        for key in [key for key, block in found.items() if block is None]:
            del self._blocks[key]
        return [block for block in found.values() if block is not None]
