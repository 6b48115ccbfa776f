"""The flags of an agent's storage: it keeps what it could not send, and no more than it is told."""

from __future__ import annotations

from typing import Any

from promlab.errors import ServerError
from promlab.server.settings import duration_ms, size_of

# What Prometheus does where a flag says 0.
_LEAST_MS, _MOST_MS, _TRUNCATE_MS = 5 * 60_000, 4 * 3_600_000, 2 * 3_600_000
_SEGMENT_BYTES = 10 << 20, 256 << 20  # a segment may be as small, and as large
_RETENTION = "storage.agent.retention"
_TRUNCATE = "storage.agent.wal-truncate-frequency"
_SEGMENT = "storage.agent.wal-segment-size"


def agent_storage(flags: dict[str, Any]) -> dict[str, Any]:
    """Settings from the flags. Raises ServerError naming the flag."""
    least_ms = duration_ms(f"{_RETENTION}.min-time", flags[f"{_RETENTION}.min-time"]) or _LEAST_MS
    most_ms = duration_ms(f"{_RETENTION}.max-time", flags[f"{_RETENTION}.max-time"]) or _MOST_MS
    segment = size_of(_SEGMENT, flags[_SEGMENT])
    if segment and not _SEGMENT_BYTES[0] <= segment <= _SEGMENT_BYTES[1]:
        raise ServerError(f"flag '{_SEGMENT}' must be set between 10MB and 256MB")
    return {
        "keep_sent_ms": least_ms,
        "retention_ms": max(least_ms, most_ms),
        "truncate_ms": duration_ms(_TRUNCATE, flags[_TRUNCATE]) or _TRUNCATE_MS,
        "wal_segment_bytes": segment,
        "min_block_ms": 0,
    }
