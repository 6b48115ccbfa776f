"""What the storage of a server, or of an agent, counts, under Prometheus's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promlab.server.text_metrics import MetricText

if TYPE_CHECKING:
    from promlab.tsdb.head import Head
    from promlab.tsdb.head_stats import HeadStats

_NO_CHECKPOINTS = "Checkpoints of the log: never, its samples are sealed instead."
_CHECKPOINTS = ("creations", "creations_failed", "deletions", "deletions_failed")


def _exemplar_metrics(out: MetricText, head: Head) -> None:
    kept, prefix = head.exemplars, "prometheus_tsdb_exemplar_"
    out.gauge(prefix + "exemplars_in_storage", "Exemplars that are kept.", kept.count)
    out.gauge(prefix + "max_exemplars", "Most exemplars that are kept.", kept.most)
    out.counter(prefix + "exemplars_appended_total", "Exemplars appended.", kept.appended)
    out.counter(
        prefix + "out_of_order_exemplars_total",
        "Exemplars refused: out of order.",
        kept.out_of_order,
    )


def head_metrics(out: MetricText, head: Head, commit_failures: int) -> None:
    """What a server's storage counts."""
    stats = head.stats()
    prefix = "prometheus_tsdb_"
    _log_metrics(out, stats)
    gauges: dict[str, tuple[str, float]] = {
        "head_series": ("Series in the head.", stats.series),
        "head_chunks": ("Chunks in the head.", stats.chunks),
        "head_min_time": ("Oldest sample, ms.", stats.min_time or 0),
        "head_max_time": ("Newest sample, ms.", stats.max_time or 0),
        "head_min_time_seconds": ("Oldest sample.", (stats.min_time or 0) / 1000),
        "head_max_time_seconds": ("Newest sample.", (stats.max_time or 0) / 1000),
        "head_chunks_storage_size_bytes": ("Bytes of sealed samples.", stats.chunk_bytes),
        "clean_start": ("Whether the last stop was orderly.", int(stats.clean_start)),
        "data_replay_duration_seconds": ("Time that replay took.", stats.replay_s),
        "retention_limit_seconds": ("How long samples are kept.", head.options.retention_s),
    }
    out.gauges(prefix, gauges)
    counters: dict[str, tuple[str, float]] = {
        "head_samples_appended_total": ("Samples appended.", stats.appended),
        "head_series_created_total": ("Series ever created.", stats.series),
        "out_of_order_samples_total": ("Samples refused: out of order.", stats.out_of_order),
        "too_old_samples_total": ("Samples refused: too old.", stats.too_old),
        "wal_corruptions_total": ("Damaged records in the log.", stats.wal_corruptions),
        "mmap_chunk_corruptions_total": (
            "Damaged chunks, set aside when the head was opened.",
            stats.chunk_corruptions,
        ),
        "wal_writes_failed_total": ("Writes to the log that failed.", commit_failures),
        "commit_failures_total": ("Commits that failed.", commit_failures),
        **{f"checkpoint_{what}_total": (_NO_CHECKPOINTS, 0) for what in _CHECKPOINTS},
    }
    out.counters(prefix, counters)

    _block_metrics(out, head)
    _exemplar_metrics(out, head)


def _log_metrics(out: MetricText, stats: HeadStats) -> None:
    prefix = "prometheus_tsdb_wal_"
    out.gauge(prefix + "segment_current", "Segment of the log that is written.", stats.wal_segment)
    out.gauge(prefix + "storage_size_bytes", "Size of the log.", stats.wal_bytes)


def agent_metrics(out: MetricText, head: Head, commit_failures: int) -> None:
    """What an agent's storage counts, under the names that Prometheus gives it."""
    stats = head.stats()
    prefix = "prometheus_agent_"
    _log_metrics(out, stats)
    gauges: dict[str, tuple[str, float]] = {
        "active_series": ("Series that are kept.", stats.series),
        "deleted_series": ("Series that are about to be forgotten: none is kept so.", 0),
        "clean_start": ("Whether the last stop was orderly.", int(stats.clean_start)),
        "data_replay_duration_seconds": ("Time that replay took.", stats.replay_s),
    }
    out.gauges(prefix, gauges)
    out.labelled(prefix + "samples_appended_total", "counter", "Samples appended.",
                 "type", {"float": stats.appended})  # fmt: skip
    counters: dict[str, tuple[str, float]] = {
        "out_of_order_samples_total": ("Samples refused: out of order.", stats.out_of_order),
        "exemplars_appended_total": ("Exemplars appended.", head.exemplars.appended),
        "corruptions_total": ("Damaged records in the log.", stats.wal_corruptions),
        **{f"checkpoint_{what}_total": (_NO_CHECKPOINTS, 0) for what in _CHECKPOINTS},
    }
    out.counters(prefix, counters)
    name = prefix + "truncate_duration_seconds"
    out.summary(name, "Times of deletions of what was sent.", "",
                {"": head.drops_s.sum}, {"": head.drops_s.count})  # fmt: skip
    out.counter("promlab_agent_commit_failures_total", "Commits that failed.", commit_failures)
    size = stats.chunk_bytes + stats.wal_bytes + stats.series_bytes
    out.gauge("promlab_agent_storage_bytes", "Size of what is kept.", size)


def _block_metrics(out: MetricText, head: Head) -> None:
    """What the keeper of blocks counts."""
    keeper = head.blocks
    metas = keeper.metas if keeper is not None else []
    head_first = head.stats().min_time
    first = [meta.min_time for meta in metas] + ([head_first] if head_first is not None else [])
    prefix = "prometheus_tsdb_"
    out.gauge(prefix + "blocks_loaded", "Blocks on disk.", len(metas))
    out.gauge(prefix + "storage_blocks_bytes", "Bytes of blocks.", sum(m.bytes for m in metas))
    out.gauge(
        prefix + "lowest_timestamp_seconds", "Oldest sample of all.", min(first, default=0) / 1000
    )
    out.gauge(prefix + "lowest_timestamp", "Oldest sample of all, ms.", min(first, default=0))
    if keeper is None:
        return
    stats, limits = keeper.stats, keeper.limits
    out.gauge(prefix + "retention_limit_bytes", "How much is kept, 0: all.", limits.retention_bytes)
    counters: dict[str, tuple[str, float]] = {
        "compactions_total": ("Blocks written: cuts of the head and joins.", stats.compactions),
        "compactions_failed_total": ("Jobs on blocks that failed.", stats.failed),
        "compactions_triggered_total": (
            "Jobs on blocks that were started.",
            stats.compactions + stats.failed,
        ),
        "compactions_skipped_total": ("Jobs on blocks that were not allowed.", 0),
        "head_truncations_total": ("Cuts of the head into blocks.", stats.cuts),
        "reloads_total": ("Blocks taken in.", stats.reloads),
        "reloads_failures_total": ("Blocks that could not be read.", stats.reload_failures),
        "time_retentions_total": ("Blocks deleted for their age.", stats.gone["time"]),
        "size_retentions_total": ("Blocks deleted for the size of all.", stats.gone["size"]),
    }
    out.counters(prefix, counters)
    out.counter("promlab_tsdb_blocks_damaged_total", "Blocks set aside.", stats.damaged)
    name = prefix + "compaction_duration_seconds"
    samples: list[tuple[str, dict[str, str], float]] = [
        (name + "_sum", {}, stats.seconds),
        (name + "_count", {}, stats.jobs),
    ]
    out.family(name, "summary", "Time of jobs on blocks.", samples)
