"""/api/v1/lab/*: what promlab has beyond Prometheus's API, for notebooks and people who learn.

Queries are listed and stopped, jobs and rules come and go without a file, and what alerts did
is told. Off on a network address unless --web.enable-lab-api=true. A page of another site
that somebody has open in a browser may not use it: requests that such a page makes are told by
their Origin, and by a host name that is none of this server's.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

import msgspec

from promlab.errors import PromlabError
from promlab.server.context import Context
from promlab.server.envelope import ApiError, bad_parameter, success
from promlab.server.params import limit_param, time_param
from promlab.server.times import rfc3339
from promlab.web.http import Request, Response

_MAX_BODY = 4 << 20


def _check_allowed(context: Context, request: Request) -> None:
    if not context.settings.enable_lab:
        raise ApiError("unavailable", "lab APIs disabled: start with --web.enable-lab-api=true")
    host = request.header("host")
    origin = request.header("origin")
    if origin and urlsplit(origin).netloc != host:
        raise ApiError("bad_data", f"lab APIs are not for pages of other sites: {origin}")
    name = (urlsplit(f"//{host}").hostname or "").lower()
    own = urlsplit(context.settings.external_url).hostname or ""
    if name in ("localhost", own.lower(), socket.gethostname().lower()):
        return
    try:
        ipaddress.ip_address(name)
    except ValueError:
        reason = f"lab APIs are not answered under the host name {name!r}"
        raise ApiError("bad_data", reason) from None


async def queries(context: Context, request: Request) -> Response:
    """Queries that are being evaluated, the oldest first."""
    _check_allowed(context, request)
    engine, _ = context.evaluator()
    found = [
        {
            "id": query.id,
            "query": query.text,
            "start": query.start_ms / 1000,
            "end": query.end_ms / 1000,
            "step": query.step_ms / 1000,
            "started": rfc3339(query.started),
            "runningSeconds": round(query.running_s, 3),
        }
        for query in engine.running.list()
    ]
    return success({"queries": found})


async def stop_query(context: Context, request: Request) -> Response:
    """Stop one query: whoever asked for it is told that it was canceled."""
    _check_allowed(context, request)
    text = request.path_args["id"]
    engine, _ = context.evaluator()
    known = text.isascii() and text.isdigit() and len(text) < 19
    if not known or not engine.running.stop(int(text)):
        raise ApiError("not_found", f"no query with the id {text!r} is running")
    return success({"stopped": int(text)})


async def targets(context: Context, request: Request) -> Response:
    """Jobs that were added at run time, as YAML; or one more: {"job", "targets", "labels"}.

    Instead of `targets`, a whole `scrape_config` may be given.
    """
    _check_allowed(context, request)
    if request.method == "GET":
        return success({"jobs": await context.writer.ask("lab_listing", "targets")})
    given = await _document(request)
    name = given.get("job") or (given.get("scrape_config") or {}).get("job_name") or ""
    await _put(context, "targets", str(name), {"scrape_configs": [_scrape_config(given)]})
    return success({"job": name})


async def rules(context: Context, request: Request) -> Response:
    """Rules that were added at run time, as YAML; or more: {"name", "groups"}."""
    _check_allowed(context, request)
    if request.method == "GET":
        return success({"rules": await context.writer.ask("lab_listing", "rules")})
    given = await _document(request)
    name = str(given.get("name", ""))
    if not given.get("groups"):
        raise bad_parameter("groups", "a list of rule groups, as in a rule file, is needed")
    await _put(context, "rules", name, {"groups": given["groups"]})
    return success({"name": name})


async def remove_target(context: Context, request: Request) -> Response:
    """Remove a job that was added at run time."""
    return await _remove(context, request, "targets")


async def remove_rules(context: Context, request: Request) -> Response:
    """Remove rules that were added at run time."""
    return await _remove(context, request, "rules")


async def alert_history(context: Context, request: Request) -> Response:
    """Changes of alerts' states, oldest first: `rule`, `start`, `end`, `limit` (newest)."""
    form = await request.form()
    _check_allowed(context, request)
    rule = await request.param("rule")
    start_ms = time_param(form, "start", 0)
    end_ms = time_param(form, "end", 2**53)
    limit = limit_param(form)
    history = (await context.evaluated()).manager.history
    changes = [each for each in history.changes(start_ms, rule) if each.t_ms <= end_ms]
    found = [each.plain() for each in (changes[-limit:] if limit else changes)]
    return success({"changes": found})


async def _document(request: Request) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(await request.body(_MAX_BODY))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError("bad_data", f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ApiError("bad_data", "the body is not a JSON object")
    return found


def _scrape_config(given: dict[str, Any]) -> Any:
    if "scrape_config" in given:
        return given["scrape_config"]
    if not given.get("targets"):
        raise bad_parameter("targets", "a list of addresses is needed: host:port")
    group = {"targets": given["targets"], "labels": given.get("labels") or {}}
    config: dict[str, Any] = {"job_name": given.get("job"), "static_configs": [group]}
    more = ("scrape_interval", "scrape_timeout", "metrics_path", "scheme")
    return config | {name: given[name] for name in more if name in given}


async def _put(context: Context, kind: str, name: str, document: Any) -> None:
    body = {"kind": kind, "name": name, "document": document}
    await _changed(context, "lab_put", body)


async def _remove(context: Context, request: Request, kind: str) -> Response:
    _check_allowed(context, request)
    name = request.path_args["name"]
    if not await _changed(context, "lab_remove", {"kind": kind, "name": name}):
        raise ApiError("not_found", f"nothing was added under the name {name!r}")
    return success({"removed": name})


async def _changed(context: Context, kind: str, body: Any) -> Any:
    try:
        found = await context.writer.ask(kind, body)
        await context.following.refresh()
    except PromlabError as error:
        # The other process's error comes as its class and text.
        message = str(error).partition(": ")[2] or str(error)
        raise ApiError("bad_data", message) from None
    return found
