"""What remote write and remote read count, under Prometheus's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from promlab.server.text_metrics import MetricText

if TYPE_CHECKING:
    from promlab.remote.queue import Queue, QueueStats
    from promlab.remote.read_client import RemoteReader
    from promlab.remote.sender import RemoteWrite

_PREFIX = "prometheus_remote_storage_"
_STATS: dict[str, tuple[str, str, Callable[[QueueStats], float]]] = {
    "samples_total": ("counter", "Samples sent.", lambda s: s.samples),
    "histograms_total": ("counter", "Native histograms sent.", lambda s: s.histograms),
    "metadata_total": ("counter", "Metadata sent.", lambda s: s.metadata),
    "samples_failed_total": ("counter", "Samples that were refused.", lambda s: s.samples_failed),
    "samples_retried_total": ("counter", "Samples sent once more.", lambda s: s.samples_retried),
    "samples_dropped_total": ("counter", "Samples that rules or their age drop.",
                              lambda s: s.samples_dropped),
    "exemplars_total": ("counter", "Exemplars sent.", lambda s: s.exemplars),
    "exemplars_failed_total": ("counter", "Exemplars that were refused.",
                               lambda s: s.exemplars_failed),
    "exemplars_retried_total": ("counter", "Exemplars sent once more.",
                                lambda s: s.exemplars_retried),
    "exemplars_dropped_total": ("counter", "Exemplars that rules or their age drop.",
                                lambda s: s.exemplars_dropped),
    "bytes_total": ("counter", "Compressed bytes sent.", lambda s: s.bytes),
    "samples_pending": ("gauge", "Samples that wait for being sent.", lambda s: s.samples_pending),
    "shards": ("gauge", "Shards that send.", lambda s: s.shards),
    "shards_desired": ("gauge", "Shards that would do.", lambda s: s.shards_desired),
    "queue_highest_timestamp_seconds": ("gauge", "Newest sample that was looked up.",
                                        lambda s: s.highest_ms / 1000),
    "queue_highest_sent_timestamp_seconds": ("gauge", "Newest sample that was sent.",
                                             lambda s: s.highest_sent_ms / 1000),
}  # fmt: skip


def remote_metrics(remote: RemoteWrite) -> bytes:
    """The part of /metrics about remote write."""
    out = MetricText()
    queues = remote.queues
    for name, (kind, text, value) in _STATS.items():
        found = [(queue, value(queue.stats)) for queue in queues]
        _family(out, name, kind, text, found)
    for name, text, field in (
        ("shards_max", "Shards at most.", "max_shards"),
        ("shards_min", "Shards at least.", "min_shards"),
        ("max_samples_per_send", "Samples of one request at most.", "max_samples_per_send"),
    ):
        limits = [(queue, float(getattr(queue.config.queue_config, field))) for queue in queues]
        _family(out, name, "gauge", text, limits)
    name = f"{_PREFIX}sent_batch_duration_seconds"
    samples = []
    for queue in queues:
        labels = _labels(queue)
        samples.append((f"{name}_sum", labels, queue.stats.batch_s))
        samples.append((f"{name}_count", labels, float(queue.stats.batches)))
    if samples:
        out.family(name, "summary", "Time that requests took.", samples)
    return out.text().encode()


def _family(
    out: MetricText, name: str, kind: str, text: str, found: list[tuple[Queue, float]]
) -> None:
    if found:
        name = _PREFIX + name
        out.family(name, kind, text, [(name, _labels(queue), value) for queue, value in found])


def _labels(queue: Queue | RemoteReader) -> dict[str, str]:
    return {"remote_name": queue.name, "url": queue.url}


def read_metrics(readers: Sequence[RemoteReader]) -> bytes:
    """The part of /metrics about the endpoints of remote read."""
    out, prefix = MetricText(), "prometheus_remote_read_client_"
    if not readers:
        return b""
    name = f"{prefix}queries"
    running = [(name, _labels(reader), float(reader.stats.running)) for reader in readers]
    out.family(name, "gauge", "Remote read queries in flight.", running)
    name = f"{prefix}queries_total"
    by_code = [
        (name, {**_labels(reader), "code": code}, float(count))
        for reader in readers
        for code, count in reader.stats.by_code.items()
    ]
    if by_code:
        out.family(name, "counter", "Remote read queries by status of their answers.", by_code)
    name = f"{prefix}request_duration_seconds"
    took = []
    for reader in readers:
        took.append((f"{name}_sum", _labels(reader), reader.stats.seconds))
        took.append((f"{name}_count", _labels(reader), float(reader.stats.requests)))
    out.family(name, "summary", "Time that remote read requests took.", took)
    return out.text().encode()
