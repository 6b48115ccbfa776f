"""/api/v1/admin/tsdb/*: deleting series, snapshots. Off unless --web.enable-admin-api."""

from __future__ import annotations

from promlab.server.context import Context
from promlab.server.envelope import ApiError, success
from promlab.server.moments import MAX_TIME_MS, MIN_TIME_MS
from promlab.server.params import bool_param, matcher_sets, time_param
from promlab.web.http import Request, Response


def _check_enabled(context: Context) -> None:
    if not context.settings.enable_admin:
        raise ApiError("unavailable", "admin APIs disabled")


async def delete_series(context: Context, request: Request) -> Response:
    """Delete the samples of some series from `start` to `end`."""
    form = await request.form()
    _check_enabled(context)
    start_ms = time_param(form, "start", MIN_TIME_MS)
    end_ms = time_param(form, "end", MAX_TIME_MS)
    sets = matcher_sets(form, required=True)
    matchers = [
        [[matcher.name, matcher.type.value, matcher.value] for matcher in each] for each in sets
    ]
    body = {"matchers": matchers, "start_ms": start_ms, "end_ms": end_ms}
    await context.writer.ask("delete_series", body)
    return Response(204, content_type="")


async def clean_tombstones(context: Context, _request: Request) -> Response:
    """Give the room of deleted samples back."""
    _check_enabled(context)
    await context.writer.ask("clean_tombstones")
    return Response(204, content_type="")


async def snapshot(context: Context, request: Request) -> Response:
    """Copy all that is stored to a new folder below the data directory."""
    _check_enabled(context)
    skip_head = bool_param(await request.form(), "skip_head")
    return success({"name": await context.writer.ask("snapshot", skip_head)})
