"""The file that global.query_log_file names: a line of JSON for each query, also for failed ones.

Lines have Prometheus's fields. The file is opened again with each reload of the configuration,
so that it can be rotated. A file that can't be written stops no query: that is counted.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from typing import Any

import msgspec

from promlab.server.times import rfc3339
from promlab.web.log import facts

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode


class QueryLog:
    """Where queries are noted; nowhere until `use` names a file. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: io.FileIO | None = None
        self.failures = 0

    @property
    def enabled(self) -> bool:
        """Whether queries are noted."""
        return self._file is not None

    def use(self, path: str) -> None:
        """Append to this file from now on; "" for none."""
        opened = None
        if path:
            try:
                opened = io.FileIO(path, "a")
            except OSError as error:
                self.failures += 1
                reason = f"{path}: {error.strerror or error}"
                log.error("The query log can't be opened", extra=facts(err=reason))
        with self._lock:
            before, self._file = self._file, opened
        if before is not None:
            before.close()

    def note(
        self,
        text: str,
        times_ms: tuple[int, int, int],
        stats: dict[str, Any] | None,
        error: str = "",
        **origin: dict[str, str] | str,
    ) -> None:
        """One query: its times (start, end, step), its statistics, and who asked."""
        if self._file is None:
            return
        start_ms, end_ms, step_ms = times_ms
        line = {
            "time": rfc3339(time.time()),
            "level": "INFO",
            "msg": "promql query logged",
            "params": {
                "end": _moment(end_ms),
                "query": text,
                "start": _moment(start_ms),
                "step": step_ms // 1000,
            },
            **({"error": error} if error else {}),
            **({"stats": stats} if stats else {}),
            **origin,
        }
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(_encode(line) + b"\n")
            except OSError:
                self.failures += 1


def _moment(t_ms: int) -> str:
    text = rfc3339(t_ms / 1000) if t_ms else "1970-01-01T00:00:00.000000Z"
    return text[:-4] + "Z"
