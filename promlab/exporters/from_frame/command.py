"""`promlab exporter from-frame`: a table in a file, read again whenever it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promlab.errors import ConfigError, PromlabError
from promlab.exporters.families import Family, gauge
from promlab.exporters.from_frame.frames import Shape, families_of_frame
from promlab.exporters.served import Flags, Served

if TYPE_CHECKING:
    import polars as pl

PORT = 9180
ARGUMENT = ("file", "table: .parquet, .csv, .tsv, .json, .ndjson, .arrow, .feather")
FLAGS: Flags = {
    "prefix": ("", "put this before the names of all metrics"),
    "value": ([], "column that is a metric; repeatable; default: all of numbers"),
    "label": ([], "column that is a label; repeatable; default: all of text"),
    "metric-column": ("", "column that holds the metrics' names, in a long table"),
    "help-text": ("From a table.", "HELP of the metrics"),
}


def make(flags: Mapping[str, Any]) -> Served:
    """The exporter by its flags. Raises ConfigError where the file can't be read."""
    shape = Shape(
        flags["prefix"],
        flags.get("value", ()),
        flags.get("label", ()),
        flags["metric-column"],
        flags["help-text"],
    )
    watched = WatchedTable(Path(flags["file"]), shape)
    watched.families()
    return Served(f"Metrics of {watched.path.name}", lambda _: watched.report())


def _readers() -> Mapping[str, Callable[[Path], pl.DataFrame]]:
    import polars as pl

    return {
        ".parquet": pl.read_parquet,
        ".csv": pl.read_csv,
        ".tsv": lambda path: pl.read_csv(path, separator="\t"),
        ".json": pl.read_json,
        ".ndjson": pl.read_ndjson,
        ".jsonl": pl.read_ndjson,
        ".arrow": pl.read_ipc,
        ".feather": pl.read_ipc,
    }


class WatchedTable:
    """A table in a file. A file that is broken or gone keeps what was read last."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path, self._shape = path, shape
        self._lock = threading.Lock()
        self._version: tuple[int, int, int] | None = None
        self._families: list[Family] = []

    def families(self) -> list[Family]:
        """The families of the file as it is. Raises ConfigError."""
        with self._lock:
            try:
                found = self.path.stat()
            except OSError as error:
                raise ConfigError(error.strerror or str(error), path=str(self.path)) from None
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            if version != self._version:
                self._families = self._read()
                self._version = version
            return self._families

    def report(self) -> list[Family]:
        """The families, and whether the file could be read, and its age."""
        good = gauge("frame_file_read_success", "Whether the table could be read.")
        when = gauge("frame_file_mtime_seconds", "When the table was written.")
        labels = {"file": str(self.path)}
        try:
            self.families()
            good.add(1, labels)
        except PromlabError:
            good.add(0, labels)
        if self._version is not None:
            when.add(self._version[0] / 1e9, labels)
        return [*self._families, good, when]

    def _read(self) -> list[Family]:
        readers = _readers()
        reader = readers.get(self.path.suffix.lower())
        if reader is None:
            known = ", ".join(sorted(readers))
            raise ConfigError(f"not a table by its name: one of {known}", path=str(self.path))
        try:
            return families_of_frame(reader(self.path), self._shape)
        except PromlabError as error:
            raise ConfigError(str(error), path=str(self.path)) from None
        except Exception as error:  # whatever the reader of a format raises
            reason = str(error).partition("\n")[0][:300]
            raise ConfigError(f"the table can't be read: {reason}", path=str(self.path)) from None
