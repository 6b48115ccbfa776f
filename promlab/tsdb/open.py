"""`promlab.open("data/")`: read a data directory from anywhere, without a server."""

from __future__ import annotations

from pathlib import Path

from promlab.tsdb.data import DataReader


def open(path: str | Path) -> DataReader:
    """A reader of a data directory, running or not. Raises StorageError if it is none."""
    return DataReader(path)
