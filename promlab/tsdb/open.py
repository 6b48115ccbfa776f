"""`promlab.open("data/")`: read a data directory from anywhere, without a server."""

from __future__ import annotations

from pathlib import Path

from promlab.tsdb.reader import Reader


def open(path: str | Path) -> Reader:
    """A reader of a data directory, running or not. Raises StorageError if it is none."""
    return Reader(path)
