"""What the head can be told: how durable, how long, how much."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """Options of `Head.open`; the defaults are those of the server.

    `sync` says when what was committed is forced to the disk: "interval" (by a helper thread,
    every `sync_interval_s`: at most that much is lost when the power fails), "always" (before
    `commit` returns) or "never" (when the system likes). A killed process loses nothing
    that was committed under any of them.
    """

    sync: str = "interval"
    sync_interval_s: float = 0.1
    retention_s: float = 15 * 86_400.0  # sealed files with nothing younger go; 0 keeps all
    window_s: float = 3_600.0  # samples older than the newest by more are too old
    late_window_s: float = 0.0  # samples that are not older may come out of order; 0: none may
    max_exemplars: int = 0  # the newest that are kept; 0: none
    segment_bytes: int = 16 << 20  # a WAL segment ends when it is larger
    wal_bytes: int = 64 << 20  # sealing is hurried when the WAL is larger
    chunk_file_bytes: int = 128 << 20  # a chunk file ends when it is larger ...
    chunk_file_s: float = 7_200.0  # ... or older
    block_s: float = 0.0  # stretch of time that a block begins with; 0: no blocks are made
    settle_bytes: int = 4 << 20  # a head that closes with more in chunks leaves blocks instead
    max_block_s: float = 0.0  # the longest that blocks grow to; 0: a tenth of the retention
    retention_bytes: int = 0  # blocks go, oldest first, when all is larger; 0: never
    retention_percentage: float = 0.0  # the same as a share of the disk
    clock: Callable[[], float] = time.time  # seconds since the epoch, for ages and retention
