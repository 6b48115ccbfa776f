"""The writer's end of exemplars: which are taken, and appending them.

As in Prometheus, of a series each exemplar has to be newer than the one before, and the
oldest of all make room for new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from promlab.errors import StorageError
from promlab.model.labels import LabelTable
from promlab.model.storage import ExemplarBatch, ExemplarOutcome
from promlab.tsdb.exemplar_files import Exemplars, file_path, files, frames, pack
from promlab.tsdb.files import AppendFile, Longs, failed

Bools = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

MAX_LABEL_CHARACTERS = 128
_FILES = 4  # that the exemplars are spread over: as a whole the oldest goes
_LEAST = 256
_MOST_PENDING = 10_000
_NEVER = -(2**63)


class ExemplarStore:
    """Exemplars of one data directory; no folder until there is one."""

    def __init__(self, directory: Path, most: int, warn: Callable[[str], None]) -> None:
        self.directory, self._warn = directory, warn
        self.most = most  # 0: none are kept
        self.appended = self.out_of_order = 0
        self._counts: dict[int, int] = {}
        self._file: AppendFile | None = None
        self._pending: list[Exemplars] = []
        self._t_ms: Longs = np.zeros(0, np.int64)  # of each series' newest one
        self._values = np.zeros(0)
        self._hashes: Hashes = np.zeros(0, np.uint64)
        for number in files(directory) if directory.is_dir() else []:
            self._load(number)

    def _load(self, number: int) -> None:
        """What is the newest of each series; what is torn is cut off."""
        path = file_path(self.directory, number)
        data, end, count = path.read_bytes(), 0, 0
        for batch, behind in frames(data):
            series = batch.series.astype(np.int64)
            self._know_series(series)
            self._note(series, batch.t_ms, batch.values, _hashes(batch.labels))
            end, count = behind, count + len(series)
        self._counts[number] = count
        if self._file is not None:
            self._file.close()
        self._file = AppendFile(path)
        if end < len(data):
            self._warn(
                f"exemplar file {path.name}: {len(data) - end} bytes cut off from byte {end}"
            )
            self._file.cut(end)

    def _know_series(self, series: Longs) -> None:
        more = int(series.max(initial=-1)) + 1 - len(self._t_ms)
        if more > 0:
            more += len(self._t_ms) // 4
            self._t_ms = np.concatenate([self._t_ms, np.full(more, _NEVER)])
            self._values = np.concatenate([self._values, np.zeros(more)])
            self._hashes = np.concatenate([self._hashes, np.zeros(more, np.uint64)])

    def _note(self, series: Longs, t_ms: Longs, values: npt.NDArray[np.float64],
              hashes: Hashes) -> None:  # fmt: skip
        self._t_ms[series], self._values[series], self._hashes[series] = t_ms, values, hashes

    def append(self, batch: ExemplarBatch) -> ExemplarOutcome:
        """Take what is new; see `Appender.append_exemplars`."""
        if not self.most or not batch.n:
            return ExemplarOutcome()
        if len(self._pending) > _MOST_PENDING:
            raise StorageError("exemplars can't be written: none are taken until they can")
        labels = batch.labels
        short = _characters(labels) <= MAX_LABEL_CHARACTERS
        taken, duplicate = self._judge(batch, short, _hashes(labels))
        if len(taken):
            some = Exemplars(
                batch.refs[taken].astype(np.uint32),
                batch.t_ms[taken],
                batch.values[taken],
                labels.take(taken),
            )
            self._pending.append(some)
            self.appended += len(taken)
        too_long = int((~short).sum())
        late = batch.n - len(taken) - duplicate - too_long
        self.out_of_order += late
        return ExemplarOutcome(len(taken), duplicate, late, too_long)

    def _judge(self, batch: ExemplarBatch, usable: Bools, hashes: Hashes) -> tuple[Longs, int]:
        """Rows that are newer than what their series has, and how many are its newest again."""
        series = batch.refs.astype(np.int64)
        self._know_series(series)
        rows = np.flatnonzero(usable)
        rows = rows[np.argsort(series[rows], kind="stable")]
        begins = np.flatnonzero(np.diff(series[rows], prepend=-1))
        place = np.arange(len(rows)) - np.repeat(begins, np.diff(np.append(begins, len(rows))))
        taken, duplicate = [], 0
        for n in range(int(place.max(initial=-1)) + 1):  # the n-th of each series
            at = rows[place == n]
            owner, t, v, h = series[at], batch.t_ms[at], batch.values[at], hashes[at]
            old_t, old_v, old_h = self._t_ms[owner], self._values[owner], self._hashes[owner]
            same_t, same_v = t == old_t, v.view(np.int64) == old_v.view(np.int64)
            same = same_t & same_v & (h == old_h)
            later = (t > old_t) | same_t & ((v > old_v) | same_v & (h > old_h))
            duplicate += int(same.sum())
            new = later & ~same
            self._note(owner[new], t[new], v[new], h[new])
            taken.append(at[new])
        return np.sort(np.concatenate([np.zeros(0, np.int64), *taken])), duplicate

    # --- files ------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what is pending; on StorageError it stays so."""
        while self._pending:
            some = self._pending[0]
            if self._file is None or self._counts[max(self._counts)] >= self._share:
                self._start_file()
            assert self._file is not None
            self._file.write(pack(some))
            self._counts[max(self._counts)] += len(some.series)
            self._pending.pop(0)

    @property
    def _share(self) -> int:
        return max(_LEAST, self.most // _FILES)

    def _start_file(self) -> None:
        number = max(self._counts, default=0) + 1
        try:
            self.directory.mkdir(exist_ok=True)
        except OSError as error:
            raise failed("create", self.directory, error) from None
        file = AppendFile(file_path(self.directory, number))
        if self._file is not None:
            self._file.close()
        self._file, self._counts[number] = file, 0
        for old in sorted(self._counts):
            if sum(n for other, n in self._counts.items() if other > old) < self.most:
                break
            try:
                file_path(self.directory, old).unlink(missing_ok=True)
            except OSError as error:
                raise failed("delete", file_path(self.directory, old), error) from None
            del self._counts[old]

    @property
    def count(self) -> int:
        """How many are kept."""
        return min(self.most, sum(self._counts.values()))

    def sync(self) -> None:
        """Force everything to the disk."""
        if self._file is not None:
            self._file.sync()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _characters(labels: LabelTable) -> Longs:
    """Characters of all names and values of each label set."""
    total = np.zeros(labels.n, np.int64)
    for name, codes in labels.columns.items():
        distinct, inverse = np.unique(codes, return_inverse=True)
        lengths = [len(text) + len(name) if text else 0 for text in labels.symbols.texts(distinct)]
        total += np.array(lengths, np.int64)[inverse]
    return total


def _hashes(labels: LabelTable) -> Hashes:
    """A hash of each label set that does not depend on the order of names."""
    total = np.zeros(labels.n, np.uint64)
    for name, codes in labels.columns.items():
        distinct, inverse = np.unique(codes, return_inverse=True)
        texts = labels.symbols.texts(distinct)
        hashes = [hash((name, text)) & 0xFFFFFFFFFFFFFFFF if text else 0 for text in texts]
        total += np.array(hashes, np.uint64)[inverse]
    return total
