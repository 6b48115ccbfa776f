"""The reader's knowledge of labels: columns of codes, postings, selections, places.

Tails the series log; only ever grows within one log, so a selection that was made once is
extended by the new series and never made again. Matchers judge distinct values, once each.
Not thread-safe: `Reader` holds a lock while it uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from promlab.model.bounded import Bounded
from promlab.model.labels import METRIC_NAME, Codes, LabelTable, Symbols
from promlab.model.matchers import Matcher, MatchType
from promlab.tsdb.plan import LATE_PLACE, RING_PLACE, Plan, make_plan
from promlab.tsdb.selections import Selection, Selections

Longs = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
VERDICT_BYTES = 64 << 20  # one a string and matcher
_MATCHERS = 1024
_TAIL = 4096  # series that may be searched one by one beside the postings


@dataclass(slots=True)
class Column:
    """Codes of one label, series by series, and postings for the first `indexed` series."""

    codes: Codes
    indexed: int = 0
    order: Longs = field(default_factory=lambda: np.zeros(0, np.int64))
    sorted_codes: Codes = field(default_factory=lambda: np.zeros(0, np.uint32))

    def series_with(self, code: int, count: int) -> Longs:
        """Series with this code, ascending."""
        if count - self.indexed > max(_TAIL, self.indexed // 4):
            self.index_all(count)
        wanted = np.uint32(code)
        low, high = np.searchsorted(self.sorted_codes, [wanted, wanted + np.uint32(1)])
        tail = np.flatnonzero(self.codes[self.indexed : count] == wanted) + self.indexed
        return np.concatenate([self.order[low:high], tail])

    def index_all(self, count: int) -> None:
        """Make postings for so many series."""
        if self.indexed < count:
            self.order = np.argsort(self.codes[:count], kind="stable")
            self.sorted_codes = self.codes[self.order]
            self.indexed = count


class Verdicts:
    """What matchers said of strings: of each distinct one, once; shared by indexes."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        # Each is at least so large that there are not too many of them.
        self._known: Bounded[Matcher, npt.NDArray[np.int8]] = Bounded(
            VERDICT_BYTES, lambda verdicts: max(verdicts.nbytes, VERDICT_BYTES // _MATCHERS)
        )

    @property
    def size(self) -> int:
        """Bytes of all."""
        return self._known.size

    def known(self, matcher: Matcher) -> npt.NDArray[np.int8]:
        """What is known of each code: -1, or whether it passes. What has no label is judged."""
        self.passes(matcher, np.zeros(1, np.uint32))
        known = self._known.get(matcher)
        assert known is not None
        return known

    def passes(self, matcher: Matcher, codes: Codes) -> npt.NDArray[np.bool_]:
        """Which of these strings pass."""
        verdicts = self._known.get(matcher)
        if verdicts is None or len(verdicts) < len(self.symbols):
            longer = np.full(len(self.symbols) * 5 // 4 + 16, -1, np.int8)
            if verdicts is not None:
                longer[: len(verdicts)] = verdicts
            verdicts = longer
            self._known.put(matcher, verdicts)
            self._judge_by_list(matcher, verdicts)
        open_codes = codes[verdicts[codes] < 0]
        for code in np.unique(open_codes).tolist():
            verdicts[code] = matcher.matches(self.symbols.text(code))
        passes: npt.NDArray[np.bool_] = verdicts[codes] == 1
        return passes

    def _judge_by_list(self, matcher: Matcher, verdicts: npt.NDArray[np.int8]) -> None:
        """Judge all strings there are at once, if the matcher lists those that it is about."""
        listed = matcher.alternatives
        if listed is None:
            return
        is_regex = matcher.type is MatchType.REGEX
        verdicts[: len(self.symbols)] = not is_regex
        codes = [code for code in map(self.symbols.find, listed) if code is not None]
        verdicts[[code for code in codes if code < len(verdicts)]] = is_regex


class SeriesIndex:
    """All series of a log, or of a block. Implements `SeriesLogReader`.

    Codes of a log count its own symbols; those of the index are those of `symbols`, which
    other indexes may share.
    """

    def __init__(
        self, verdicts: Verdicts | None = None, selections: Selections | None = None
    ) -> None:
        self.verdicts = verdicts or Verdicts(Symbols())
        self.symbols = self.verdicts.symbols
        self._codes = np.zeros(1024, np.uint32)  # of the log's symbols
        self._logged = 1
        self._same_codes = True
        self.count = 0
        self.records = 0  # grows with every record: what a plan depends on
        self._columns: dict[int, Column] = {}
        self._room = 1024
        self._selections = selections or Selections()
        self.groups = 0
        self.rings = 0
        self.ring_series: Longs = np.zeros(0, np.int64)  # of each ring
        # Series, group (or RING_PLACE, LATE_PLACE), slot or ring.
        self._places: list[tuple[Longs, Longs, Longs]] = []
        self._start_of: Longs = np.zeros(0, np.int64)  # the series with start times, -1: none
        self._hidden = np.zeros(0, np.bool_)

    # --- from the log -----------------------------------------------------------------

    def on_symbols(self, texts: Sequence[str]) -> None:
        """Symbols of the log."""
        first, end = self._logged, self._logged + len(texts)
        if end > len(self._codes):
            longer = np.zeros(end * 5 // 4, np.uint32)
            longer[:first] = self._codes[:first]
            self._codes = longer
        new = self._codes[first:end] = self.symbols.codes(texts)
        self._logged = end
        if self._same_codes and len(new):
            self._same_codes = int(new[0]) == first and int(new[-1]) == end - 1

    def on_series(self, n: int, names: U32, columns: U32) -> None:
        """Series of the log."""
        if not self._same_codes:
            names, columns = self._codes[names], self._codes[columns]
        self.add(n, names, columns)

    def add(self, n: int, names: U32, columns: Sequence[U32] | U32) -> None:
        """The next n series, in codes of `symbols`."""
        first, end = self.count, self.count + n
        if end > self._room:
            self._room = end * 5 // 4
            for column in self._columns.values():
                wider = np.zeros(self._room, np.uint32)
                wider[:first] = column.codes[:first]
                column.codes = wider
        for name, codes in zip(names.tolist(), columns, strict=True):
            if name not in self._columns:
                self._columns[name] = Column(np.zeros(self._room, np.uint32))
            self._columns[name].codes[first:end] = codes
        self.count = end
        self.records += 1

    def on_group(self, group: int, target: Mapping[str, str]) -> None:
        """A group of the log."""
        self.groups = group + 1

    def on_slots(self, group: int, first: int, series: U32) -> None:
        """Slots of the log."""
        n = len(series)
        slots = np.arange(first, first + n, dtype=np.int64)
        self._places.append((series.astype(np.int64), np.full(n, group, np.int64), slots))
        self.records += 1

    def on_rings(self, first: int, series: U32) -> None:
        """Rings of the log."""
        self._add_rings(first, series, RING_PLACE)

    def on_late_rings(self, first: int, series: U32) -> None:
        """Rings of the log for samples out of order."""
        self._add_rings(first, series, LATE_PLACE)

    def _add_rings(self, first: int, series: U32, kind: int) -> None:
        n = len(series)
        rings = np.arange(first, first + n, dtype=np.int64)
        self._places.append((series.astype(np.int64), np.full(n, kind, np.int64), rings))
        self.rings = first + n
        self.ring_series = np.concatenate([self.ring_series[:first], series.astype(np.int64)])
        self.records += 1

    def on_starts(self, first: int, series: U32) -> None:
        """Hidden series of the log, without labels, that hold start times of others."""
        n = len(series)
        self.on_series(n, np.zeros(0, np.uint32), np.zeros((0, n), np.uint32))
        grown = np.full(self.count, -1, np.int64)
        grown[: len(self._start_of)] = self._start_of
        grown[series] = np.arange(first, first + n)
        hidden = np.zeros(self.count, np.bool_)
        hidden[: len(self._hidden)] = self._hidden
        hidden[first : first + n] = True
        self._start_of, self._hidden = grown, hidden

    def visible(self) -> Longs:
        """All series that are not start times of others."""
        hidden = np.flatnonzero(self._hidden)
        return np.setdiff1d(np.arange(self.count), hidden).astype(np.int64)

    @property
    def columns(self) -> Mapping[int, Column]:
        """All labels, by the code of the name."""
        return self._columns

    # --- selection --------------------------------------------------------------------

    def labels(self, series: Longs) -> LabelTable:
        """Labels of some series; names that none of them has are left out."""
        text, taken = self.symbols.text, {}
        for name, column in self._columns.items():
            codes = column.codes[series]
            if codes.any():
                taken[text(name)] = codes
        return LabelTable(len(series), taken, self.symbols)

    def select(self, matchers: Sequence[Matcher]) -> Selection:
        """The series that pass every matcher, ascending."""
        key = tuple(matchers)
        found = self._selections.get(key)
        if found is None:
            found = Selection(self._search(key), self.count)
            self._selections.keep(key, found, self.count)
        elif found.looked_at < self.count:
            new = self._filter(np.arange(found.looked_at, self.count), key)
            if len(new):
                found = Selection(np.concatenate([found.series, new]), self.count)
                self._selections.keep(key, found, self.count)
            found.looked_at = self.count
        if found.labels is None:
            found.labels = self.labels(found.series)
        return found

    def selection_of(self, series: Longs) -> Selection:
        """These series, ascending."""
        return Selection(series, self.count, self.labels(series))

    def is_hidden(self, series: Longs) -> npt.NDArray[np.bool_]:
        """Which of these are start times of others."""
        known = series < len(self._hidden)
        hidden: npt.NDArray[np.bool_] = known.copy()
        hidden[known] = self._hidden[series[known]]
        return hidden

    def starts(self, selection: Selection) -> Selection | None:
        """The series with start times of a selection, None if it has none.

        `selection.starts_of` has, for each of them, the number of its series.
        """
        if not len(self._start_of):
            return None
        series = selection.series[selection.series < len(self._start_of)]
        hidden = self._start_of[series]
        of = np.flatnonzero(hidden >= 0)
        if not len(of):
            return None
        found = selection.starts
        if found is None or len(found.series) != len(of):
            order = np.argsort(hidden[of])
            found = Selection(hidden[of][order], self.count)
            found.labels = LabelTable(len(of), {}, self.symbols)
            selection.starts, selection.starts_of = found, of[order]
        return found

    def plan(self, selection: Selection) -> Plan:
        """Where the samples of a selection are."""
        if selection.plan is None or selection.plan.records != self.records:
            if len(self._places) > 1:
                joined = [np.concatenate(parts) for parts in zip(*self._places, strict=True)]
                order = np.argsort(joined[0], kind="stable")
                late = joined[1] == LATE_PLACE
                if late.any():  # last of their series: of equal times the one in order counts
                    order = np.lexsort((late, joined[0]))
                self._places = [(joined[0][order], joined[1][order], joined[2][order])]
            none = np.zeros(0, np.int64)
            places = self._places[0] if self._places else (none, none, none)
            selection.plan = make_plan(selection.series, *places, records=self.records)
        return selection.plan

    def _search(self, matchers: tuple[Matcher, ...]) -> Longs:
        exact = [m for m in matchers if m.type is MatchType.EQUAL and m.value]
        if not exact:
            return self._filter(np.arange(self.count), matchers)
        exact.sort(key=lambda m: m.name == METRIC_NAME, reverse=True)
        start = exact[0]
        column, code = self._column(start.name), self.symbols.find(start.value)
        if column is None or code is None:
            return np.zeros(0, np.int64)
        rest = tuple(matcher for matcher in matchers if matcher is not start)
        return self._filter(column.series_with(code, self.count), rest)

    def _column(self, name: str) -> Column | None:
        code = self.symbols.find(name)
        return None if code is None else self._columns.get(code)

    def _filter(self, series: Longs, matchers: tuple[Matcher, ...]) -> Longs:
        if len(self._hidden):
            known = series < len(self._hidden)
            series = series[~(known & self._hidden[np.where(known, series, 0)])]
        for matcher in matchers:
            column = self._column(matcher.name)
            if column is None:
                if not matcher.matches_empty:
                    return np.zeros(0, np.int64)
                continue
            codes = column.codes[series]
            series = series[self._passes(matcher, codes)]
        return series

    def _passes(self, matcher: Matcher, codes: Codes) -> npt.NDArray[np.bool_]:
        if matcher.type in (MatchType.EQUAL, MatchType.NOT_EQUAL):
            code = self.symbols.find(matcher.value)
            equal = codes == np.uint32(code) if code is not None else np.zeros(len(codes), bool)
            return equal if matcher.type is MatchType.EQUAL else ~equal
        return self.verdicts.passes(matcher, codes)
