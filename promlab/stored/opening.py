"""`promlab.open("data/")`: a data directory, read from anywhere, with selectors as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from promlab.model.matchers import Matcher
from promlab.stored.selectors import matchers_of
from promlab.tsdb.data import DataReader

if TYPE_CHECKING:
    import polars as pl

ALWAYS_MS = (-(2**62), 2**62)
Moment = datetime | int | float | None


def milliseconds(moment: Moment, default_ms: int) -> int:
    """ms UTC of a date, or of a number: int in ms, float in seconds; None is the default."""
    if moment is None:
        return default_ms
    if isinstance(moment, datetime):
        return round(moment.timestamp() * 1000)
    return round(moment * 1000) if isinstance(moment, float) else int(moment)


class DataFrames(DataReader):
    """A data directory that gives frames; it is a `Querier` too."""

    def frame(
        self,
        matchers: str | Sequence[Matcher] = "",
        start_ms: Moment = None,
        end_ms: Moment = None,
    ) -> pl.DataFrame:
        """Samples as a frame, one row a sample: timestamp (UTC), value, a column a label.

        `matchers` is a selector, as `up{job="node"}`, or matchers. Times are dates, ms as int
        or seconds as float. Staleness markers are left out; labels that a series lacks are
        null.
        """
        start, end = ALWAYS_MS
        return super().frame(
            matchers_of(matchers), milliseconds(start_ms, start), milliseconds(end_ms, end)
        )


def open(path: str | Path) -> DataFrames:
    """A reader of a data directory, running or not. Raises StorageError if it is none."""
    return DataFrames(path)
