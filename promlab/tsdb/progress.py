"""How far a head is that opens: set by the thread that opens it, read by any other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """Where replay stands. Segments are numbers of the write-ahead log's, as it goes on."""

    stage: str = "series"  # then "chunks", "wal" and "ready"
    first_segment: int = 0
    last_segment: int = 0
    segment: int = 0  # the one that is read, or was read last
    bytes_done: int = 0
    bytes_total: int = 0

    @property
    def share(self) -> float:
        """How much of the log is read, from 0 to 1; 1 when the head is open."""
        if self.stage == "ready":
            return 1.0
        return min(1.0, self.bytes_done / self.bytes_total) if self.bytes_total else 0.0
