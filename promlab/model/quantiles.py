"""A sliding window of observations, for summaries: quantiles of the last ten minutes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

MAX_AGE_S = 600.0
CAPACITY = 1000


class Window:
    """Count and sum of everything, quantiles of what came lately; cheap to add to."""

    __slots__ = ("_clock", "_recent", "count", "sum")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: deque[tuple[float, float]] = deque(maxlen=CAPACITY)
        self.count, self.sum = 0, 0.0

    @staticmethod
    def joined(windows: Sequence[Window]) -> Window:
        """One window of what is in several."""
        found = Window() if not windows else Window(windows[0]._clock)
        recent = sorted(each for window in windows for each in list(window._recent))
        found._recent.extend(recent)
        found.count = sum(window.count for window in windows)
        found.sum = sum(window.sum for window in windows)
        return found

    def add(self, value: float) -> None:
        """One observation."""
        self._recent.append((self._clock(), value))
        self.count += 1
        self.sum += value

    def quantiles(self, wanted: Sequence[float]) -> list[float]:
        """The value below which such a share of the window lies; NaN where it is empty."""
        after = self._clock() - MAX_AGE_S
        # A copy first: another thread may be adding.
        values = sorted(value for when, value in list(self._recent) if when >= after)
        if not values:
            return [float("nan")] * len(wanted)
        last = len(values) - 1
        return [values[min(last, round(share * last))] for share in wanted]
