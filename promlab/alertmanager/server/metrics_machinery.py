"""/metrics of what is below the alerts: stores, HTTP, the cluster, the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from promlab import __version__
from promlab.alertmanager.measures import StoreMeasures
from promlab.alertmanager.server.context import Context
from promlab.alertmanager.server.metrics_text import (
    Sample,
    buckets,
    family,
    one,
    single,
    totals,
)
from promlab.web.own_process import OwnProcess

_SCRAPE = "/metrics"


def stores(context: Context) -> Iterable[str]:
    """Silences and the notification log."""
    am = context.am
    databases = (*context.databases, None, None)
    for name, what, measures, database, count in (
        ("silences", "silences", am.silences.measures, databases[0], len(am.silences)),
        ("nflog", "notification log", am.log.measures, databases[1], len(am.log)),
    ):
        yield from _store(f"alertmanager_{name}", what, measures)
        runs = context.maintenance
        help_ = f"Times that old entries of the {what} were looked for."
        yield single(f"alertmanager_{name}_maintenance_total", "counter", help_, runs[name])
        help_, errors = "Times that this failed.", runs[f"{name} errors"]
        yield single(f"alertmanager_{name}_maintenance_errors_total", "counter", help_, errors)
        yield single(f"alertmanager_{name}_entries", "gauge", f"Entries of the {what}.", count)
        if database is None:
            continue
        help_ = "Size of its file."
        size = database.size_bytes
        yield single(f"alertmanager_{name}_snapshot_size_bytes", "gauge", help_, size)
        help_, samples = "Time of writes to its file.", totals(database.write_s, {})
        yield family(f"alertmanager_{name}_snapshot_duration_seconds", "summary", help_, samples)
    yield from _silences(context)
    help_ = "Times that the notification log could not be written."
    yield single(
        "alertmanager_nflog_write_errors_total", "counter", help_, context.am.log.write_errors
    )


def _store(prefix: str, what: str, measures: StoreMeasures) -> Iterator[str]:
    for name, help_, value in (
        ("queries", f"Queries of the {what}.", measures.queries),
        ("query_errors", "Queries that failed, or found nothing to be there.",
         measures.query_errors),
        ("gossip_messages_propagated", "Changes that peers were told.", measures.propagated),
    ):  # fmt: skip
        yield single(f"{prefix}_{name}_total", "counter", help_, value)
    times = buckets(measures.query_s, {})
    yield family(f"{prefix}_query_duration_seconds", "histogram", "Time of queries.", times)
    times = totals(measures.gc_s, {})
    yield family(f"{prefix}_gc_duration_seconds", "summary", "Time to forget old ones.", times)


def _silences(context: Context) -> Iterator[str]:
    silences = context.am.silences
    measures, count = silences.measures, len(silences)
    prefix = "alertmanager_silences"
    for name, help_, value in (
        ("gc_errors", "Times that old silences could not be forgotten.", measures.gc_errors),
        ("query_silences_scanned", "Silences looked at by queries.", measures.scanned),
        ("query_silences_skipped", "Silences that queries needed not look at.", measures.skipped),
    ):
        yield single(f"{prefix}_{name}_total", "counter", help_, value)
    for name, help_ in (
        ("state_size", "Silences that are kept."),
        ("version_index_size", "Silences in the index of versions."),
        ("matcher_index_size", "Silences whose matchers are ready."),
    ):
        yield single(f"{prefix}_{name}", "gauge", help_, count)
    # A silence whose matchers don't compile is refused, and one on disk stops the start.
    stages: list[Sample] = [("", {"stage": s}, 0.0) for s in ("index", "load_snapshot")]
    help_ = "Matchers of silences that did not compile."
    yield family(f"{prefix}_matcher_compile_errors_total", "counter", help_, stages)


def http(context: Context) -> Iterable[str]:
    """Requests by handler."""
    samples: list[Sample] = []
    scrapes = dict.fromkeys((200, 500, 503), 0)
    for (handler, method, status), times in sorted(context.requests.items()):
        labels = {"code": str(status), "handler": handler, "method": method}
        samples += buckets(times, labels)
        if handler == _SCRAPE:
            scrapes[status] = scrapes.get(status, 0) + times.count
    yield family("alertmanager_http_request_duration_seconds", "histogram", "Times of requests.",
                 samples)  # fmt: skip
    samples = []
    for (handler, method), sizes in sorted(context.answers.items()):
        samples += buckets(sizes, {"handler": handler, "method": method})
    yield family("alertmanager_http_response_size_bytes", "histogram", "Sizes of answers.",
                 samples)  # fmt: skip
    yield family("alertmanager_http_requests_in_flight", "gauge", "GET requests being answered.",
                 [("", {"method": "get"}, context.in_flight)])  # fmt: skip
    yield family(
        "alertmanager_http_concurrency_limit_exceeded_total",
        "counter",
        "GET requests that were too many.",
        [("", {"method": "get"}, context.over_limit)],
    )
    yield family("promhttp_metric_handler_requests_total", "counter", "Scrapes by status code.",
                 [("", {"code": str(code)}, n) for code, n in scrapes.items()])  # fmt: skip
    yield single(
        "promhttp_metric_handler_requests_in_flight", "gauge", "Scrapes being answered.", 1
    )


def cluster(context: Context) -> Iterable[str]:
    """What the cluster counts."""
    families: dict[str, list[Sample]] = {}
    for name, labels, value in context.cluster.metrics():
        families.setdefault(name, []).append(("", labels, value))
    for name, samples in families.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        yield family(name, kind, "Of the cluster.", samples)


@cache
def _own_process() -> OwnProcess:
    return OwnProcess()


def process() -> Iterable[str]:
    """The process, and which promlab it is."""
    for fact in _own_process().facts():
        yield single(fact.name, fact.type, fact.help, fact.value)
    version = [("", {"version": __version__}, 1.0)]
    yield family("promlab_build_info", "gauge", "promlab's version.", version)


__all__ = ["cluster", "http", "one", "process", "stores"]
