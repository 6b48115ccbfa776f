"""The storage engine: head, write-ahead log, sealed chunks; one writer, any number of readers.

    options.py         what the head can be told
    lock.py, files.py  the directory's lock; append-only and mapped files
    control.py         the page of counters through which the writer publishes
    series_log.py      append-only log of symbols, series, groups: the truth about labels
    registry.py        label sets → series, by keyed 128-bit fingerprints (writer)
    wal.py, replay.py  the write-ahead log, and rebuilding the head from it
    rows.py, loose.py  unsealed samples: rows of a target, rings of single series
    chunks.py          sealed samples: append-only files with an index
    head.py, group.py  `Head`, the Appender; loose_appends.py: what is no row of a target
    extras.py          histograms to references, start times to hidden series
    histogram_*.py     stored native histograms
    exemplar_*.py      stored exemplars
    index.py           labels → series (reader)
    reader.py, open.py `Reader`, the Querier
    few.py             few series, in one call
    locating.py        where samples are
    head_tiles.py      what was located, decoded a few series at a time ...
    decoding.py        ... or to a batch at once

docs/reference/storage.md tells how they play together, docs/format.md what is on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promlab.tsdb.frame_writer import write_frame

__all__ = ["write_frame"]


def __getattr__(name: str) -> Any:
    if name != "write_frame":
        raise AttributeError(f"module 'promlab.tsdb' has no attribute {name!r}")
    from promlab.tsdb.frame_writer import write_frame

    return write_frame
