"""textfile: metrics that other programs leave in *.prom files.

For batch jobs and shell scripts, which are gone when the scrape comes. A file counts as a
whole: one that does not parse, or that has timestamps, is left out and
node_textfile_scrape_error says so. Writers should write aside and rename.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from promlab.errors import ExpositionError
from promlab.exporters.families import Family, gauge
from promlab.exporters.node.host import Flag, Host, read
from promlab.exporters.text import parse

logger = logging.getLogger(__name__)

_MAX_FILE_BYTES = 8 << 20
_MTIME = "When a text file was last written, in Unix time."
_ERROR = "Whether any text file could not be used."


class Collector:
    """The files' own families, with their times and an error flag."""

    flags: ClassVar[Mapping[str, Flag]] = {
        "directory": Flag([], "folder to read *.prom files from; may be a glob; repeatable"),
    }

    def __init__(self, host: Host) -> None:
        self._folders: list[str] = list(host.flag("textfile", "directory", []))
        self._parsed: dict[str, tuple[tuple[int, int, int], list[Family]]] = {}
        self._told: dict[str, str] = {}

    def collect(self) -> Iterator[Family]:
        """Families of all good files; a family in two files is joined."""
        mtimes = gauge("node_textfile_mtime_seconds", _MTIME)
        merged: dict[str, Family] = {}
        failed = False
        for path in self._paths():
            try:
                families, mtime_s = self._load(path)
                for family in families:
                    failed |= not self._merge(merged, family, path)
                mtimes.add(mtime_s, {"file": path})
            except (OSError, ValueError, ExpositionError) as error:
                self._tell(path, str(error))
                failed = True
        yield from merged.values()
        yield mtimes
        yield gauge("node_textfile_scrape_error", _ERROR, 1 if failed else 0)

    def _paths(self) -> Iterator[str]:
        # The folder itself may be a glob, relative or absolute, which pathlib can't do.
        folders = (found for each in self._folders for found in sorted(glob.glob(each)))  # noqa: PTH207
        for folder in dict.fromkeys(folders):
            yield from sorted(str(path) for path in Path(folder).glob("*.prom"))

    def _load(self, path: str) -> tuple[list[Family], float]:
        stat = Path(path).stat()
        if stat.st_size > _MAX_FILE_BYTES:
            raise ValueError(f"larger than {_MAX_FILE_BYTES} bytes")
        version = stat.st_ino, stat.st_size, stat.st_mtime_ns
        known = self._parsed.get(path)
        if known is None or known[0] != version:
            known = version, parse(read(path), allow_timestamps=False)
            self._parsed[path] = known
        return known[1], stat.st_mtime

    def _merge(self, merged: dict[str, Family], family: Family, path: str) -> bool:
        first = merged.get(family.name)
        if first is None:
            first = merged[family.name] = Family(family.name, family.type, family.help)
            first.help = first.help or f"From text file {path}."
        if first.type != family.type:
            self._tell(path, f"{family.name} is a {first.type} elsewhere, a {family.type} here")
            return False
        elif family.help and first.help != family.help:
            self._tell(path, f"{family.name} has another HELP elsewhere; the first one counts")
        taken = {(name, *sorted(labels.items())) for name, labels, _ in first.samples}
        for name, labels, value in family.samples:
            if (name, *sorted(labels.items())) not in taken:
                first.samples.append((name, labels, value))
        return True

    def _tell(self, path: str, reason: str) -> None:
        if self._told.get(path) != reason:
            self._told[path] = reason
            logger.warning("text file %s: %s", path, reason)
