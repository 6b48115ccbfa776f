"""What /metrics and /status/tsdb show of a head."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from promlab.tsdb import head_kernels as k

if TYPE_CHECKING:
    from promlab.tsdb.head import Head


class HeadStats(NamedTuple):
    """Counters of one moment; times in ms, None without samples."""

    series: int
    groups: int
    rings: int
    chunks: int
    appended: int
    duplicate: int
    out_of_order: int
    too_old: int
    min_time: int | None
    max_time: int | None
    wal_segment: int
    wal_bytes: int
    chunk_bytes: int
    series_bytes: int
    wal_corruptions: int
    chunk_corruptions: int
    clean_start: bool
    replay_s: float


def stats_of(head: Head) -> HeadStats:
    """Counters of now."""
    has = head.max_time != k.NEVER
    return HeadStats(
        series=head.catalog.series_count - head.catalog.hidden_count,
        groups=head.rows.count,
        rings=head.loose.count,
        chunks=head.chunks.total,
        appended=head.appended,
        duplicate=head.duplicate,
        out_of_order=head.out_of_order,
        too_old=head.too_old,
        min_time=max(head.min_time, head.cut.time) if has else None,
        max_time=head.max_time if has else None,
        wal_segment=head.wal.segment,
        wal_bytes=head.wal.bytes,
        chunk_bytes=head.chunks.bytes,
        series_bytes=head.catalog.log_bytes,
        wal_corruptions=head.wal_corruptions,
        chunk_corruptions=head.chunks.corruptions,
        clean_start=head.clean_start,
        replay_s=head.replay_s,
    )
