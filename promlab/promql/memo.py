"""What the engine remembers about label tables between queries.

Storage gives equal selections the very same label table as long as its series stay the same.
Group codes, match indices and sort orders depend on tables alone, so they are kept by the
identity of the tables they were made from; keeping the tables alive keeps identities unique.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from promlab.model.labels import LabelTable

T = TypeVar("T")

MAX_ROWS = 2_000_000
MAX_ENTRIES = 2_000


class TableMemo:
    """Values derived from label tables, the least used forgotten first. Thread-safe."""

    def __init__(self, max_rows: int = MAX_ROWS, max_entries: int = MAX_ENTRIES) -> None:
        self._max_rows, self._max_entries = max_rows, max_entries
        self._rows = 0
        self._kept: OrderedDict[Hashable, tuple[tuple[LabelTable, ...], Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, tables: tuple[LabelTable, ...], key: Hashable, make: Callable[[], T]) -> T:
        """What `make` made of these tables under this key, now or earlier."""
        found_by = (*map(id, tables), key)
        found = self._kept.get(found_by)
        if found is not None:
            if 2 * len(self._kept) > self._max_entries or 2 * self._rows > self._max_rows:
                self._use(found_by)  # else none is forgotten soon
            return found[1]  # type: ignore[no-any-return]  # the key says what it is
        made = make()
        rows = sum(table.n for table in tables) + 1
        if rows > self._max_rows:
            return made
        with self._lock:
            if found_by not in self._kept:
                self._kept[found_by] = (tables, made)
                self._rows += rows
            while self._rows > self._max_rows or len(self._kept) > self._max_entries:
                _, (gone, _) = self._kept.popitem(last=False)
                self._rows -= sum(table.n for table in gone) + 1
        return made

    def _use(self, found_by: Hashable) -> None:
        with self._lock:
            if found_by in self._kept:
                self._kept.move_to_end(found_by)
