"""Log lines on stderr, in Prometheus's two formats: logfmt and JSON.

Facts are given apart from the message, `log.info("Listening", extra=facts(address=...))`, so
that untrusted text is always quoted.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_NAMES = {logging.WARNING: "WARN", logging.CRITICAL: "ERROR"}


def facts(**values: Any) -> dict[str, Any]:
    """The `extra` of a log call."""
    return {"facts": values}


def configure(level: str, form: str, component: str) -> None:
    """Send everything that is logged in this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(form, component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])
    # Libraries tell their own story one level later than promlab does; those that ask clouds would
    # tell of headers with tokens.
    for name in (
        "asyncio",
        "uvicorn",
        "aiohttp",
        "numba",
        "boto3",
        "botocore",
        "urllib3",
        "google",
    ):
        logging.getLogger(name).setLevel(max(LEVELS[level], logging.WARNING))


class _Formatter(logging.Formatter):
    def __init__(self, form: str, component: str) -> None:
        super().__init__()
        self._json, self._component = form == "json", component

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC)
        fields: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": _NAMES.get(record.levelno, record.levelname),
            "component": self._component,
            "msg": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["err"] = repr(record.exc_info[1])
            fields["trace"] = self.formatException(record.exc_info)
        if self._json:
            return json.dumps(fields, default=str)
        return " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())


def _quoted(value: Any) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "=\\')
    return text if plain and text else json.dumps(text)
