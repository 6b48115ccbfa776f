"""The table of all paths: what answers each, to which methods."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from promlab.server import (
    api_admin,
    api_assets,
    api_consoles,
    api_exemplars,
    api_features,
    api_federate,
    api_lab,
    api_labels,
    api_notifications,
    api_parse,
    api_query,
    api_read,
    api_rules,
    api_search,
    api_self_metrics,
    api_status,
    api_targets,
    api_tsdb,
    pages,
)
from promlab.server.api_otlp import OtlpReceiver
from promlab.server.api_write import WriteReceiver
from promlab.server.context import Context
from promlab.web.http import Request, Response

Handler = Callable[[Context, Request], Coroutine[Any, Any, Response]]
Methods = frozenset[str]

GET = frozenset({"GET"})
FORM = frozenset({"GET", "POST"})
# HEAD is for what load balancers ask; all else refuses it, as Prometheus does.
_PROBE = frozenset({"GET", "HEAD"})
DELETE = frozenset({"DELETE"})
POST = frozenset({"POST"})
_CHANGE = frozenset({"POST", "PUT"})
# These say themselves what they take, in plain text.
_ANY = frozenset({"GET", "POST", "PUT"})
_SERIES = FORM | DELETE

API = "/api/v1/"

# Answered also before the server is ready: what tells how far it is.
EARLY = frozenset(
    {
        "/api/v1/status/walreplay",
        "/api/v1/notifications",
        "/api/v1/notifications/live",
    }
)

# Answered without a task of their own where nothing has to wait: what dashboards ask for.
AT_ONCE = frozenset(
    f"/api/v1/{path}"
    for path in ("query", "query_range", "labels", "label/{name}/values", "series")
)

# Queries and lookups, which need nothing but what is stored.
_OF_READING = frozenset(
    {"query", "query_range", "query_exemplars", "format_query", "parse_query", "labels", "series"}
    | {"label/{name}/values"}
)

# An agent stores nothing that could be asked for.
_OF_QUERIES = (
    "query", "format_query", "parse_query", "label", "series", "search/", "rules", "alerts",
    "alertmanagers", "status/tsdb", "admin/", "lab/rules", "lab/queries", "lab/alert_history",
)  # fmt: skip
# These answer so in plain text, with the words of Prometheus.
_READING = frozenset({"/api/v1/read", "/federate"})
# These are for other servers: no page of a browser asks them.
_OF_SERVERS = frozenset(f"{API}{path}" for path in ("read", "write", "otlp/v1/metrics"))


@dataclass(frozen=True)
class Route:
    """What answers a path; `name` is its label in metrics."""

    name: str
    handler: Handler
    methods: Methods

    @cached_property
    def is_api(self) -> bool:
        """Whether it is part of the HTTP API."""
        return self.name.startswith(API)

    @cached_property
    def is_shared(self) -> bool:
        """Whether pages of other servers may read what it answers."""
        return self.is_api and self.name not in _OF_SERVERS

    @cached_property
    def serves_queries(self) -> bool:
        """Whether an agent has no answer to it."""
        path = self.name.removeprefix("/api/v1/")
        return self.is_api and path.startswith(_OF_QUERIES)

    @property
    def reads(self) -> bool:
        """Whether it reads what is stored for another server."""
        return self.name in _READING

    @cached_property
    def reads_only(self) -> bool:
        """Whether it can be answered from what is stored, whatever else is not there yet."""
        return self.is_api and self.name.removeprefix("/api/v1/") in _OF_READING

    @cached_property
    def waits(self) -> bool:
        """Whether it is refused until the server is ready."""
        waiting = self.is_api or self.name == "/federate" or self.name.startswith("/consoles/")
        return waiting and self.name not in EARLY


async def _to_pprof(context: Context, request: Request) -> Response:
    # Loaded when somebody wants it: it takes as long as all that queries need.
    from promlab.server import api_pprof

    return await api_pprof.to_index(context, request)


async def _pprof(context: Context, request: Request) -> Response:
    from promlab.server import api_pprof

    return await api_pprof.pprof(context, request)


_QUERIES: dict[str, tuple[Handler, Methods]] = {
    "query": (api_query.query, FORM),
    "query_range": (api_query.query_range, FORM),
    "query_exemplars": (api_exemplars.query_exemplars, FORM),
    "format_query": (api_parse.format_query, FORM),
    "parse_query": (api_parse.parse_query_, FORM),
    "labels": (api_labels.labels, FORM),
    "label/{name}/values": (api_labels.label_values, GET),
    "series": (api_labels.series, _SERIES),
    "search/metric_names": (api_search.metric_names, FORM),
    "search/label_names": (api_search.label_names, FORM),
    "search/label_values": (api_search.label_values, FORM),
}
_STATE: dict[str, tuple[Handler, Methods]] = {
    "metadata": (api_targets.metadata, GET),
    "targets": (api_targets.targets, GET),
    "targets/metadata": (api_targets.target_metadata, GET),
    "targets/relabel_steps": (api_targets.relabel_steps, GET),
    "scrape_pools": (api_targets.scrape_pools, GET),
    "scrape_pools/config": (api_targets.scrape_pool_config, GET),
    "rules": (api_rules.rules, GET),
    "alerts": (api_rules.alerts, GET),
    "alertmanagers": (api_rules.alertmanagers, GET),
    "status/buildinfo": (api_status.buildinfo, GET),
    "status/flags": (api_status.flags, GET),
    "status/config": (api_status.config, GET),
    "status/runtimeinfo": (api_status.runtimeinfo, GET),
    "status/tsdb": (api_status.tsdb, GET),
    "status/tsdb/blocks": (api_status.blocks, GET),
    "status/walreplay": (api_status.walreplay, GET),
    "status/self_metrics": (api_self_metrics.self_metrics, GET),
    "features": (api_features.features, GET),
    "notifications": (api_notifications.notifications, GET),
    "notifications/live": (api_notifications.live, GET),
}
_CHANGES: dict[str, tuple[Handler, Methods]] = {
    "admin/tsdb/delete_series": (api_tsdb.delete_series, _CHANGE),
    "admin/tsdb/clean_tombstones": (api_tsdb.clean_tombstones, _CHANGE),
    "admin/tsdb/snapshot": (api_tsdb.snapshot, _CHANGE),
}
_LAB: dict[str, tuple[Handler, Methods]] = {
    "queries": (api_lab.queries, GET),
    "queries/{id}": (api_lab.stop_query, DELETE),
    "targets": (api_lab.targets, FORM),
    "targets/{name}": (api_lab.remove_target, DELETE),
    "rules": (api_lab.rules, FORM),
    "rules/{name}": (api_lab.remove_rules, DELETE),
    "alert_history": (api_lab.alert_history, GET),
}
_OTHER: dict[str, tuple[Handler, Methods]] = {
    "/-/healthy": (api_admin.healthy, _PROBE),
    "/-/ready": (api_admin.ready, _PROBE),
    "/-/reload": (api_admin.reload, _ANY),
    "/-/quit": (api_admin.quit_, _ANY),
    "/metrics": (api_status.metrics, GET),
    "/version": (api_status.version, GET),
    "/federate": (api_federate.federate, GET),
    "/consoles/{path*}": (api_consoles.console, GET),
    "/debug/pprof": (_to_pprof, FORM),
    "/debug/pprof/{name*}": (_pprof, FORM),
    "/debug/{path*}": (pages.missing, FORM),
    "/static/{path*}": (pages.missing, GET),
    "/favicon.ico": (pages.missing, GET),
    "/manifest.json": (pages.missing, GET),
}
_ASSETS: dict[str, tuple[Handler, Methods]] = {"/user/{path*}": (api_assets.user_asset, GET)}
_RECEIVED: dict[str, tuple[Handler, Methods]] = {
    "read": (api_read.read, POST),
}


def routes(*, agent: bool = False, assets: bool = True) -> dict[str, Route]:
    """All paths of a server, or of an agent; those of user assets, if it has `assets`.

    `{name}` stands for one variable segment, `{name*}` for all that follow, or none.
    """
    received = {"write": (WriteReceiver(), POST), "otlp/v1/metrics": (OtlpReceiver(), POST)}
    api = _QUERIES | _STATE | _CHANGES | _RECEIVED | received
    api |= {f"lab/{path}": found for path, found in _LAB.items()}
    everything = {f"/api/v1/{path}": found for path, found in api.items()} | _OTHER
    if assets:
        everything |= _ASSETS
    everything |= {path: (handler, GET) for path, handler in pages.pages(agent=agent).items()}
    return {path: Route(path, *found) for path, found in everything.items()}
