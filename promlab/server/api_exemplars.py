"""/api/v1/query_exemplars: exemplars of all series that a query selects."""

from __future__ import annotations

from promlab.model.float_text import format_float
from promlab.model.storage import ExemplarQuerier, SeriesExemplars
from promlab.promql import ast
from promlab.server.context import Context
from promlab.server.envelope import ApiError, success
from promlab.server.moments import FIRST_NS, LAST_NS, MAX_TIME_MS, MIN_TIME_MS, storage_ms
from promlab.server.params import moment_param
from promlab.server.promql import parse_query
from promlab.web.http import Request, Response


async def query_exemplars(context: Context, request: Request) -> Response:
    """Exemplars between two times."""
    form = await request.form()
    start, end = moment_param(form, "start"), moment_param(form, "end")
    if (LAST_NS if end is None else end) < (FIRST_NS if start is None else start):
        raise ApiError("bad_data", "end timestamp must not be before start timestamp")
    try:
        expr = parse_query(await request.param("query"), context.features)
    except ApiError as error:
        raise error.unnamed("query") from None
    selectors = [node.matchers for node in ast.walk(expr) if isinstance(node, ast.VectorSelector)]
    start_ms = MIN_TIME_MS if start is None else storage_ms(start)
    end_ms = MAX_TIME_MS if end is None else storage_ms(end)
    querier = context.stored()
    if not selectors:
        return Response(204, content_type="")
    if not isinstance(querier, ExemplarQuerier):
        return success([])

    def printed() -> list[dict[str, object]]:
        return [_series(found) for found in querier.exemplars(selectors, start_ms, end_ms)]

    return success(await context.runner.call((request.scope["path"],), printed))


def _series(found: SeriesExemplars) -> dict[str, object]:
    exemplars = [
        {"labels": labels, "value": format_float(value), "timestamp": _seconds(t_ms)}
        for labels, t_ms, value in found.exemplars
    ]
    return {"seriesLabels": found.labels, "exemplars": exemplars}


def _seconds(t_ms: int) -> float | int:
    return t_ms / 1000 if t_ms % 1000 else t_ms // 1000
