"""`Bounded`: values by key; those that were not used for longest go where there is no room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, ItemsView, ValuesView
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """`size` is that of all values together, by `size_of`, and at most `most`.

    The value put last always stays. Not thread-safe.
    """

    def __init__(self, most: int, size_of: Callable[[V], int]) -> None:
        self.most, self.size = most, 0
        self._size_of = size_of
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """What was put there, if it still is."""
        found = self._kept.get(key)
        if found is not None and 2 * self.size > self.most:  # else none is forgotten soon
            self._kept.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Keep a value, in the place of an earlier one."""
        before = self._kept.pop(key, None)
        self.size += self._size_of(value) - (self._size_of(before) if before is not None else 0)
        self._kept[key] = value
        while self.size > self.most and len(self._kept) > 1:
            self.size -= self._size_of(self._kept.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self.size = 0

    def items(self) -> ItemsView[K, V]:
        """Keys and values, the one not used for longest first."""
        return self._kept.items()

    def values(self) -> ValuesView[V]:
        """Values, in the same order."""
        return self._kept.values()
