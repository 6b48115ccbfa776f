"""The moments at which an expression is evaluated."""

from __future__ import annotations

import msgspec
import numpy as np

from promlab.model.samples import Times, Values


class Steps(msgspec.Struct, frozen=True):
    """`count` moments from `start_ms` on, `step_ms` apart (0: the same moment each time)."""

    start_ms: int
    step_ms: int
    count: int

    @property
    def end_ms(self) -> int:
        """The last moment."""
        return self.start_ms + self.step_ms * (self.count - 1)

    @property
    def times(self) -> Times:
        """All moments, i64[count]."""
        return self.start_ms + self.step_ms * np.arange(self.count, dtype=np.int64)

    @property
    def seconds(self) -> Values:
        """All moments in seconds, f64[count]."""
        return self.times / 1000.0

    def first(self) -> Steps:
        """The first moment alone."""
        return Steps(self.start_ms, self.step_ms, 1)

    def moved(self, offset_ms: int, at_ms: int | None) -> Steps:
        """Where a selector with this offset and this fixed moment looks at each step."""
        if at_ms is None and not offset_ms:
            return self
        if at_ms is None:
            return Steps(self.start_ms - offset_ms, self.step_ms, self.count)
        return Steps(at_ms - offset_ms, 0, self.count)
