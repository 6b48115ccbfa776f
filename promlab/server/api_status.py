"""/api/v1/status/*, /version, /metrics, /notifications: about the server itself."""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from promlab import __version__
from promlab.errors import PromlabError
from promlab.model.durations import format_duration_ms
from promlab.model.labels import METRIC_NAME, LabelTable
from promlab.server.context import Context
from promlab.server.discovery_metrics import Row, discovery_metrics
from promlab.server.envelope import ApiError, success, text_success
from promlab.server.moments import MAX_TIME_MS, MIN_TIME_MS
from promlab.server.notifications import Notifications
from promlab.server.remote_metrics import read_metrics, remote_metrics
from promlab.server.rule_metrics import rule_metrics
from promlab.server.self_metrics import process_metrics
from promlab.server.text_metrics import MetricText
from promlab.server.times import rfc3339
from promlab.web.http import TEXT, Request, Response

METRICS = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
_MAX_TOP = 10_000


def build_info() -> dict[str, str]:
    """The version, in the fields that Prometheus has for it."""
    return {
        "version": __version__,
        "revision": "promlab",
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": f"python{platform.python_version()}",
    }


async def buildinfo(_context: Context, _request: Request) -> Response:
    """The version."""
    return success(build_info())


async def version(_context: Context, _request: Request) -> Response:
    """The version, without an envelope."""
    return Response(body=msgspec.json.encode(build_info()), content_type=TEXT)


async def flags(context: Context, _request: Request) -> Response:
    """Flags in effect."""
    return success(dict(sorted(context.settings.flags.items())))


async def config(context: Context, _request: Request) -> Response:
    """The configuration in effect; secrets are not shown."""
    return text_success({"yaml": (await context.writer.ask("config"))["yaml"]})


async def runtimeinfo(context: Context, _request: Request) -> Response:
    """When it was started, where it runs, how the last reload went."""
    state = await context.writer.ask("config")
    retention = context.settings.retention_ms
    return success(
        {
            "startTime": rfc3339(context.settings.started_ms / 1000),
            "CWD": str(Path.cwd()),
            "hostname": socket.gethostname(),
            "serverTime": rfc3339(time.time()),
            "reloadConfigSuccess": state["reload_successful"],
            "lastConfigTime": rfc3339(state["reloaded_s"]),
            "corruptionCount": 0,
            "goroutineCount": threading.active_count(),
            "GOMAXPROCS": os.cpu_count() or 1,
            "GOMEMLIMIT": 0,
            "GOGC": "",
            "GODEBUG": "",
            "storageRetention": "" if context.settings.agent else _retention(retention),
        }
    )


def _retention(retention_ms: int) -> str:
    return format_duration_ms(retention_ms) if retention_ms else "unlimited"


async def tsdb(context: Context, request: Request) -> Response:
    """How many series there are, and which names and labels they have most of."""
    text = (await request.param("limit") or "10").removeprefix("+")
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MAX_TOP:
        raise ApiError("bad_data", "limit must be a positive number")
    head = await context.writer.ask("head_stats")
    table = context.stored().series([], MIN_TIME_MS, MAX_TIME_MS)
    return success({"headStats": head, **cardinality(table, int(text))})


def cardinality(table: LabelTable, top: int) -> dict[str, list[dict[str, Any]]]:
    """The four lists of /status/tsdb."""
    values: dict[str, int] = {}
    size: dict[str, int] = {}
    pairs: dict[str, int] = {}
    metrics: dict[str, int] = {}
    for name, codes in table.columns.items():
        distinct, counts = np.unique(codes, return_counts=True)
        distinct, counts = distinct[distinct != 0], counts[distinct != 0]
        texts = table.symbols.texts(distinct)
        values[name] = len(texts)
        size[name] = sum(len(text.encode()) for text in texts) + len(name.encode()) * len(texts)
        if name == METRIC_NAME:
            metrics = dict(zip(texts, counts.tolist(), strict=True))
        best = np.argsort(-counts, kind="stable")[:top]
        pairs.update((f"{name}={texts[i]}", int(counts[i])) for i in best.tolist())
    return {
        "seriesCountByMetricName": _top(metrics, top),
        "labelValueCountByLabelName": _top({k: n for k, n in values.items() if n}, top),
        "memoryInBytesByLabelName": _top({k: n for k, n in size.items() if n}, top),
        "seriesCountByLabelValuePair": _top(pairs, top),
    }


def _top(counts: dict[str, int], top: int) -> list[dict[str, Any]]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]
    return [{"name": name, "value": value} for name, value in ranked]


async def blocks(context: Context, _request: Request) -> Response:
    """Blocks on disk, the oldest first."""
    return success({"blocks": await context.writer.ask("blocks")})


async def walreplay(context: Context, _request: Request) -> Response:
    """Segments of the log that is read at the start: first, last, and the one being read."""
    try:
        return success(await context.writer.ask("replay"))
    except PromlabError:  # The writer is not there yet: nothing has been read.
        return success({"min": 0, "max": 0, "current": 0})


async def metrics(context: Context, _request: Request) -> Response:
    """Metrics of all processes of this server."""
    return Response(body=await metrics_text(context), content_type=METRICS)


def _notification_metrics(notifications: Notifications) -> bytes:
    out, prefix = MetricText(), "prometheus_api_notification_updates_"
    out.counter(prefix + "sent_total", "Changes that somebody was told of.", notifications.sent)
    out.counter(prefix + "dropped_total", "Those lost on slow readers.", notifications.dropped)
    return out.text().encode()


async def metrics_text(context: Context) -> bytes:
    """Metrics of all processes, as text."""
    context.metrics.active.set(context.runner.active)
    context.metrics.ready.set(context.is_ready)
    context.metrics.subscribers.set(context.notifications.subscribers)
    rows: list[Row] = []
    text = _notification_metrics(context.notifications)
    if context.rules is not None:
        context.metrics.query_log_state(context.rules.query_log)
        text += rule_metrics(context.rules)
        rows += context.rules.discovery_rows()
    if context.remote_write is not None:
        text += remote_metrics(context.remote_write)
    if context.sources is not None and context.sources.remote is not None:
        text += read_metrics(context.sources.remote.readers)
    text = context.metrics.render() + text
    pids = [os.getpid(), os.getppid()]
    tasks: dict[str, float] = {"reader": len(asyncio.all_tasks())}
    try:
        answer = await context.writer.ask("metrics")
        text += answer["text"].encode()
        rows += answer["discovery"]
        pids.append(answer["pid"])
        tasks["writer"] = answer["tasks"]
    except PromlabError:
        pass  # The writer is being started again: what is known is still worth having.
    text += discovery_metrics(rows)
    out = MetricText()
    out.labelled("promlab_asyncio_tasks", "gauge", "Tasks of event loops.", "process", tasks)
    text += out.text().encode()
    return text + process_metrics(pids, context.settings.started_ms / 1000)
