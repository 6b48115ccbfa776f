"""What the reader counts about itself, under Prometheus's names.

Samples of the writer come as text over the channel and are put behind these.
"""

from __future__ import annotations

import gc
import platform
from collections.abc import Iterator
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from promlab import __version__
from promlab.model.quantiles import Window
from promlab.server.queries import Ran
from promlab.server.query_log import QueryLog
from promlab.server.text_metrics import MetricText
from promlab.tsdb.chunk_file import ChunkFile

disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations

_SECONDS = (0.1, 0.2, 0.4, 1, 3, 8, 20, 60, 120)
_BYTES = tuple(10.0**e for e in range(2, 10))


class ReaderMetrics:
    """Counters of one reader."""

    def __init__(self, max_concurrency: int) -> None:
        self._registry = CollectorRegistry()
        more: Any = {"registry": self._registry}
        self._requests = Counter(
            "prometheus_http_requests", "HTTP requests.", ["handler", "code"], **more
        )
        self._seconds = Histogram(
            "prometheus_http_request_duration_seconds",
            "Latencies of HTTP requests.",
            ["handler"],
            buckets=_SECONDS,
            **more,
        )
        self._bytes = Histogram(
            "prometheus_http_response_size_bytes",
            "Sizes of HTTP answers.",
            ["handler"],
            buckets=_BYTES,
            **more,
        )
        self.active = Gauge(
            "prometheus_engine_queries", "Queries that are evaluated or wait for it.", **more
        )
        Gauge(
            "prometheus_engine_queries_concurrent_max", "Most queries at the same time.", **more
        ).set(max_concurrency)
        names = ("inner_eval", "prepare_time", "queue_time", "result_sort")
        self._query_seconds = {name: Window() for name in names}
        self._samples = Counter(
            "prometheus_engine_query_samples", "Samples that queries loaded.", **more
        )
        self._samples_read = Counter(
            "prometheus_engine_query_samples_read", "Samples that queries read.", **more
        )
        self._log_enabled = Gauge(
            "prometheus_engine_query_log_enabled", "Whether queries are logged to a file.", **more
        )
        self._log_failures = Counter(
            "prometheus_engine_query_log_failures", "Lines that were not written.", **more
        )
        self._log_failures_seen = 0
        self.subscribers = Gauge(
            "prometheus_api_notification_active_subscribers", "Who is told at once.", **more
        )
        self.ready = Gauge("prometheus_ready", "Whether queries can be answered.", **more)
        self.received = Counter(
            "prometheus_api_remote_write_samples", "Samples received by remote write.", **more
        )
        self.refused = Counter(
            "prometheus_api_remote_write_invalid_labels_samples",
            "Samples received by remote write that were dropped for their labels.",
            **more,
        )
        self.federation_errors = Counter(
            "prometheus_web_federation_errors", "Errors while federation was answered.", **more
        )
        self.federation_warnings = Counter(
            "prometheus_web_federation_warnings", "Warnings while federation was answered.", **more
        )
        self.reads = Gauge(
            "prometheus_remote_read_handler_queries", "Remote reads that are answered now.", **more
        )
        self.pages = Counter(
            "promhttp_metric_handler_requests", "Answers of /metrics.", ["code"], **more
        )
        for code in ("200", "500", "503"):
            self.pages.labels(code)
        Gauge(
            "promhttp_metric_handler_requests_in_flight", "/metrics being answered now.", **more
        ).set(1)  # whoever reads this
        python = platform.python_version()
        Info("prometheus_build", "The version that runs.", **more).info(
            {
                "version": __version__,
                "revision": "promlab",
                "branch": "",
                "goversion": f"python{python}",
                "goos": platform.system().lower(),
                "goarch": platform.machine(),
                "tags": "",
                "python": python,
            }
        )
        Info("python", "The interpreter.", **more).info(
            {"implementation": platform.python_implementation(), "version": python}
        )
        self._handles: dict[tuple[str, int], Counter] = {}

    def request_done(self, handler: str, status: int, took_s: float, size: int) -> None:
        """One HTTP request has been answered."""
        key = handler, status
        counter = self._handles.get(key)
        if counter is None:
            counter = self._handles[key] = self._requests.labels(handler, str(status))
        counter.inc()
        if handler == "/metrics":
            self.pages.labels(str(status)).inc()
        self._seconds.labels(handler).observe(took_s)
        self._bytes.labels(handler).observe(size)

    def query_ran(self, ran: Ran) -> None:
        """One query has been evaluated."""
        stats = ran.result.stats
        slices = {
            "queue_time": ran.queue_s,
            "prepare_time": stats.prepare_s,
            "inner_eval": stats.eval_s,
            "result_sort": 0.0,
        }
        for name, seconds in slices.items():
            self._query_seconds[name].add(seconds)
        self._samples.inc(stats.samples_read)
        self._samples_read.inc(stats.samples_read)

    def query_log_state(self, log: QueryLog) -> None:
        """Whether queries are logged, and how often that failed."""
        self._log_enabled.set(log.enabled)
        self._log_failures.inc(log.failures - self._log_failures_seen)
        self._log_failures_seen = log.failures

    def render(self) -> bytes:
        """The text that /metrics begins with."""
        out = MetricText()
        name = "prometheus_engine_query_duration_seconds"
        out.windows(name, "Times of queries.", "slice", self._query_seconds)
        out.labelled("python_gc_collections_total", "counter", "Collections of garbage.",
                     "generation", {str(i): each["collections"]
                                    for i, each in enumerate(gc.get_stats())})  # fmt: skip
        out.counter("promlab_tsdb_reader_chunks_damaged_total",
                    "Damaged chunks that queries leave out.", ChunkFile.all_damaged)  # fmt: skip
        text: bytes = generate_latest(self._registry)
        return text + out.text().encode()


def process_metrics(pids: Iterator[int] | list[int], started_s: float) -> bytes:
    """`process_*` of the server: the sums over its processes."""
    import resource

    import psutil

    cpu = resident = virtual = fds = threads = 0.0
    network = psutil.net_io_counters(nowrap=False)
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    for pid in pids:
        try:
            process = psutil.Process(pid)
            times, memory = process.cpu_times(), process.memory_info()
            cpu += times.user + times.system
            resident += memory.rss
            virtual += memory.vms
            fds += process.num_fds()
            threads += process.num_threads()
        except psutil.Error:
            continue
    lines = []
    for name, kind, help_text, value in (
        ("process_cpu_seconds_total", "counter", "CPU time of the server's processes.", cpu),
        ("process_resident_memory_bytes", "gauge", "Resident memory, summed.", resident),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory, summed.", virtual),
        ("process_open_fds", "gauge", "Open file descriptors, summed.", fds),
        (
            "process_max_fds",
            "gauge",
            "Most open file descriptors of one process.",
            float(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        ),
        ("python_threads", "gauge", "Threads of the server's processes.", threads),
        (
            "process_virtual_memory_max_bytes",
            "gauge",
            "Most virtual memory of one process.",
            float(2**64 if limit == resource.RLIM_INFINITY else limit),
        ),
        (
            "process_network_receive_bytes_total",
            "counter",
            "Bytes that all network interfaces received.",
            float(network.bytes_recv if network else 0),
        ),
        (
            "process_network_transmit_bytes_total",
            "counter",
            "Bytes that all network interfaces sent.",
            float(network.bytes_sent if network else 0),
        ),
        ("process_start_time_seconds", "gauge", "When the server was started.", started_s),
    ):
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", f"{name} {value!r}"]
    return ("\n".join(lines) + "\n").encode()
