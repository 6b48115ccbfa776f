"""Times as the API prints them."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """A time since the epoch; the zero time of Go where there is none."""
    if not seconds:
        return "0001-01-01T00:00:00Z"
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")
