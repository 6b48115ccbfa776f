"""The writer's knowledge of labels: registry, groups with their slots, rings; all logged.

Rebuilt from the series log when the head opens. Numbers of series, groups, slots and rings
are given here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.model.labels import LabelTable, Symbols
from promlab.tsdb import head_kernels as k
from promlab.tsdb.loose import LooseStore
from promlab.tsdb.registry import Registry
from promlab.tsdb.rows import RowStore
from promlab.tsdb.series_log import SeriesLog

U32 = npt.NDArray[np.uint32]
NO_SERIES = 0xFFFFFFFF


class Catalog:
    """Who is who. Implements `SeriesLogReader` to load itself."""

    def __init__(self, head: Path, rows: RowStore, loose: LooseStore) -> None:
        self.symbols = Symbols()
        self._registry = Registry(self.symbols)
        self._log = SeriesLog(head / "series")
        self._rows, self._loose = rows, loose
        self._logged_symbols = 1  # the empty string is not logged
        self._slots: list[U32] = []  # of each group; longer than its width
        self._idle: dict[frozenset[tuple[str, str]], int] = {}
        self._targets: list[frozenset[tuple[str, str]]] = []
        self._start_of: U32 = np.zeros(0, np.uint32)  # nothing until a sample has a start time
        self.hidden_count = 0

    # --- from the log -----------------------------------------------------------------

    def load(self, warn: Callable[[str], None]) -> int:
        """Read the log; the number of damages in it."""
        damages = self._log.load(self, warn)
        self._logged_symbols = len(self.symbols)
        return damages

    def on_symbols(self, texts: Sequence[str]) -> None:
        """Symbols of the log."""
        for text in texts:
            self.symbols.code(text)

    def on_series(self, n: int, names: U32, columns: U32) -> None:
        """Series of the log."""
        mine = np.array(columns)
        codes = {int(name): mine[i] for i, name in enumerate(names.tolist())}
        self._registry.add_columns(n, codes)
        self._loose.know_series(self._registry.count)

    def on_group(self, group: int, target: Mapping[str, str]) -> None:
        """A group of the log: closed, since its writer is gone."""
        self._new_group(frozenset(target.items()))
        self._idle[self._targets[group]] = group

    def on_slots(self, group: int, first: int, series: U32) -> None:
        """Slots of the log."""
        self._put_slots(group, first, series)

    def on_rings(self, first: int, series: U32) -> None:
        """Rings of the log."""
        self._loose.add(series)

    def on_late_rings(self, first: int, series: U32) -> None:
        """Rings of the log for samples out of order."""
        self._loose.add(series, late=True)

    def on_starts(self, first: int, series: U32) -> None:
        """Series of the log for start times."""
        self._put_starts(series)

    # --- new ones ---------------------------------------------------------------------

    @property
    def series_count(self) -> int:
        """Number of series, hidden ones too: those that hold start times of others."""
        return self._registry.count

    def register(self, labels: LabelTable) -> U32:
        """Series of each label set of a small table, registering and logging what is new."""
        series, new_rows = self._registry.add(labels)
        if len(new_rows):
            columns = {
                self.symbols.code(name): np.ascontiguousarray(codes[new_rows], np.uint32)
                for name, codes in labels.columns.items()
            }
            used = {name: codes for name, codes in columns.items() if codes.any()}
            names = np.array(list(used), np.uint32)
            most = max([0, *used, *(int(codes.max()) for codes in used.values())])
            self._log_symbols(most + 1)
            self._log.series(len(new_rows), names, list(used.values()))
        return series

    def _log_symbols(self, end: int) -> None:
        """Log the symbols before `end`; more may be known, which nothing logged refers to."""
        if end > self._logged_symbols:
            self._log.symbols(self.symbols.texts(np.arange(self._logged_symbols, end)))
            self._logged_symbols = end

    def group(self, target: Mapping[str, str]) -> int:
        """A group for this target: the closed one it had, or a new one."""
        key = frozenset(target.items())
        group = self._idle.pop(key, None)
        if group is None:
            group = self._new_group(key)
            self._log.group(group, target)
        return group

    def release(self, group: int) -> None:
        """The group may be taken again."""
        self._idle[self._targets[group]] = group

    def _new_group(self, key: frozenset[tuple[str, str]]) -> int:
        self._slots.append(np.zeros(0, np.uint32))
        self._targets.append(key)
        return self._rows.add()

    def series_of(self, group: int) -> U32:
        """Series of each slot."""
        return self._slots[group][: int(self._rows.state[group, k.WIDTH])]

    def slots_of(self, group: int) -> tuple[U32, int]:
        """Series of each slot (and junk behind them), and an upper bound of the width."""
        slots = self._slots[group]
        return slots, len(slots)

    def add_slots(self, group: int, series: U32) -> None:
        """Append slots to a group."""
        first = int(self._rows.state[group, k.WIDTH])
        self._put_slots(group, first, series)
        self._log.slots(group, first, series)

    def _put_slots(self, group: int, first: int, series: U32) -> None:
        end = first + len(series)
        slots = self._slots[group]
        if end > len(slots):
            room = end if first == 0 else end * 5 // 4 + 8
            slots = np.concatenate([slots[:first], np.zeros(room - first, np.uint32)])
            self._slots[group] = slots
        slots[first:end] = series
        self._rows.state[group, k.WIDTH] = end

    def add_rings(self, series: U32, *, late: bool = False) -> None:
        """Rings for series that have none."""
        self._log.rings(self._loose.add(series, late=late), series, late=late)

    def starts_of(self, series: U32) -> U32:
        """For each series the hidden one with its samples' start times; made where missing."""
        if len(self._start_of) < self.series_count:
            more = self.series_count * 5 // 4 - len(self._start_of)
            none = np.full(more, NO_SERIES, np.uint32)
            self._start_of = np.concatenate([self._start_of, none])
        missing = np.unique(series[self._start_of[series] == NO_SERIES])
        if len(missing):
            self._log.starts(self._put_starts(missing), missing)
        return self._start_of[series]

    def _put_starts(self, series: U32) -> int:
        first = self._registry.reserve(len(series))
        self.hidden_count += len(series)
        self._loose.know_series(self._registry.count)
        if len(self._start_of) < self.series_count:
            none = np.full(self.series_count - len(self._start_of), NO_SERIES, np.uint32)
            self._start_of = np.concatenate([self._start_of, none])
        self._start_of[series] = np.arange(first, first + len(series), dtype=np.uint32)
        return first

    # --- durability -------------------------------------------------------------------

    @property
    def log_bytes(self) -> int:
        """Valid length of the series log."""
        return self._log.size

    def flush(self) -> None:
        """Write what is new to the log."""
        self._log.flush()

    def sync(self) -> None:
        """Force the log to the disk."""
        self._log.sync()

    def close(self) -> None:
        """Close the log."""
        self._log.close()
