"""What remote write and remote read count, under Prometheus's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING

from promlab.model.float_text import format_float
from promlab.remote.queue_stats import BOUNDS_S, KINDS
from promlab.server.text_metrics import MetricText

if TYPE_CHECKING:
    from promlab.remote.queue import Queue
    from promlab.remote.read_client import RemoteReader
    from promlab.remote.sender import RemoteWrite

_PREFIX = "prometheus_remote_storage_"
_GAUGES: dict[str, tuple[str, Callable[[Queue], float]]] = {
    "shards": ("Shards that send.", lambda q: q.stats.shards),
    "shards_desired": ("Shards that would do.", lambda q: q.stats.shards_desired),
    "shards_max": ("Shards at most.", lambda q: q.config.queue_config.max_shards),
    "shards_min": ("Shards at least.", lambda q: q.config.queue_config.min_shards),
    "shard_capacity": ("Capacity of a shard, as configured.",
                       lambda q: q.config.queue_config.capacity),
    "max_samples_per_send": ("Samples of one request at most.",
                             lambda q: q.config.queue_config.max_samples_per_send),
    "queue_highest_timestamp_seconds": ("Newest sample that was looked up.",
                                        lambda q: q.stats.highest_ms / 1000),
    "queue_highest_sent_timestamp_seconds": ("Newest sample that was sent.",
                                             lambda q: q.stats.highest_sent_ms / 1000),
}  # fmt: skip
_COUNTERS: dict[str, tuple[str, Callable[[Queue], float]]] = {
    "bytes_total": ("Compressed bytes sent.", lambda q: q.stats.bytes),
    "metadata_bytes_total": ("Compressed bytes of metadata sent.",
                             lambda q: q.stats.metadata_bytes),
    "enqueue_retries_total": ("Times a shard was full: never, storage is the queue.", lambda q: 0),
}  # fmt: skip


def remote_metrics(remote: RemoteWrite) -> bytes:
    """The part of /metrics about remote write."""
    out = MetricText()
    queues = remote.queues
    if not queues:
        return b""
    for name, (text, value) in _GAUGES.items():
        _family(out, name, "gauge", text, [(queue, value(queue)) for queue in queues])
    for name, (text, value) in _COUNTERS.items():
        _family(out, name, "counter", text, [(queue, value(queue)) for queue in queues])
    pending = [queue.pending() for queue in queues]
    for kind in KINDS:
        _of_kind(out, kind, queues)
        if kind != "metadata":
            found = [(q, getattr(n, kind)) for q, n in zip(queues, pending, strict=True)]
            _family(out, f"{kind}_pending", "gauge", f"{kind.title()} that wait.", found)
            came = max(getattr(queue.stats.came, kind) for queue in queues)
            out.counter(f"{_PREFIX}{kind}_in_total", f"{kind.title()} that came.", came)
    newest_ms = max(queue.newest_ms() for queue in queues)
    out.gauge(f"{_PREFIX}highest_timestamp_in_seconds", "Newest sample stored.", newest_ms / 1000)
    _durations(out, queues)
    return out.text().encode()


def _of_kind(out: MetricText, kind: str, queues: list[Queue]) -> None:
    """How many of a kind were sent, and what became of the others."""
    for name, text, field in (
        (f"{kind}_total", "sent, each attempt", "sent"),
        (f"{kind}_failed_total", "that were refused", "failed"),
        (f"{kind}_retried_total", "sent once more", "retried"),
    ):
        found = [(queue, getattr(getattr(queue.stats, field), kind)) for queue in queues]
        _family(out, name, "counter", f"{kind.title()} {text}.", found)
    name = f"{_PREFIX}{kind}_dropped_total"
    dropped = [
        (name, {**_labels(queue), "reason": reason}, float(getattr(counts, kind)))
        for queue in queues
        for reason, counts in queue.stats.dropped.items()
        if getattr(counts, kind)
    ]
    if dropped:
        out.family(name, "counter", f"{kind.title()} that were not sent.", dropped)


def _durations(out: MetricText, queues: list[Queue]) -> None:
    name = f"{_PREFIX}sent_batch_duration_seconds"
    samples: list[tuple[str, dict[str, str], float]] = []
    for queue in queues:
        labels, requests = _labels(queue), queue.stats.requests
        counts = list(accumulate(requests.buckets))
        for bound, count in zip((*BOUNDS_S, inf), counts, strict=True):
            edge = {**labels, "le": format_float(bound)}
            samples.append((f"{name}_bucket", edge, float(count)))
        samples.append((f"{name}_sum", labels, requests.seconds))
        samples.append((f"{name}_count", labels, float(counts[-1])))
    out.family(name, "histogram", "Time that requests took.", samples)


def _family(
    out: MetricText, name: str, kind: str, text: str, found: list[tuple[Queue, float]]
) -> None:
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
