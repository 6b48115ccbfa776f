"""Files that tell of failed scrapes: one line of JSON for each."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

from promlab.errors import ConfigError

log = logging.getLogger(__name__)
_RETRY_S = 10.0


class FailureLog:
    """One file. It stays open, and a file that was moved away is made anew on `reopen`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: TextIO | None = None
        self._wait_until = 0.0

    def check(self) -> None:
        """Open the file now. Raises ConfigError if that can't be."""
        try:
            self._open()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ConfigError(f"scrape_failure_log_file: {reason}", path=self.path) from None

    def write(self, error: str, job_name: str, target: str) -> None:
        """One failed scrape. A full disk costs lines, never scrapes."""
        if time.monotonic() < self._wait_until:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "ERROR",
            "msg": error,
            "job_name": job_name,
            "target": target,
        }
        try:
            file = self._open()
            file.write(msgspec.json.encode(line).decode() + "\n")
            file.flush()
        except OSError as failure:
            self.close()
            self._wait_until = time.monotonic() + _RETRY_S
            log.error("failed scrapes can't be written to %s: %s", self.path, failure)

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as failure:
                log.error("%s could not be closed: %s", self.path, failure)

    def _open(self) -> TextIO:
        if self._file is None:
            self._file = Path(self.path).open("a", encoding="utf-8")  # noqa: SIM115  (kept open)
        return self._file


class FailureLogs:
    """The files of all jobs, each once."""

    def __init__(self) -> None:
        self._files: dict[str, FailureLog] = {}

    def get(self, path: str) -> FailureLog | None:
        """The log at a path, None for no path. Raises ConfigError if it can't be written."""
        if not path:
            return None
        if path not in self._files:
            fresh = FailureLog(path)
            fresh.check()
            self._files[path] = fresh
        return self._files[path]

    def reopen(self, wanted: set[str]) -> None:
        """Close all files, so that moved ones are made anew; forget those not wanted."""
        for path in list(self._files):
            self._files[path].close()
            if path not in wanted:
                del self._files[path]
