"""/api/v1/labels, /label/<name>/values, /series: what series there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np

from promlab.model.labels import LabelTable
from promlab.model.matchers import Matcher
from promlab.model.storage import Querier
from promlab.server.context import Context
from promlab.server.envelope import TRUNCATED, ApiError, success
from promlab.server.json_answer import encode_series
from promlab.server.moments import MAX_TIME_MS, MIN_TIME_MS
from promlab.server.params import limit_param, matcher_sets, refuse_unreadable, time_param
from promlab.server.sources import ApiScope
from promlab.web.http import Form, Request, Response

T = TypeVar("T")


async def labels(context: Context, request: Request) -> Response:
    """Names of labels."""
    return await _strings(context, request, lambda querier, *where: querier.label_names(*where))


async def label_values(context: Context, request: Request) -> Response:
    """Values of one label."""
    name = unescape_name(request.path_args["name"])
    if not name or "\ufffd" in name or "\x00" in name:
        raise ApiError("bad_data", f'invalid label name: "{name}"')
    return await _strings(
        context, request, lambda querier, *where: querier.label_values(name, *where)
    )


async def series(context: Context, request: Request) -> Response:
    """Label sets of series. Deleting them is the admin API's, which says so in 500."""
    if request.method == "DELETE":
        raise ApiError("internal", "not implemented")
    sets, start_ms, end_ms, limit = (await request.form()).once(_of_these)
    scope = _scope(context)
    querier = context.within(scope)
    tables = await _looked_up(
        context, request, lambda: [querier.series(matchers, start_ms, end_ms) for matchers in sets]
    )
    _, label_text = context.evaluator()
    rows = list(_distinct(tables)) if len(tables) > 1 else None
    table = tables[0] if rows is None else LabelTable.from_dicts(rows, querier.symbols.overlay())
    table = context.tables.get((table,), "sorted", partial(_sorted, table))
    truncated = 0 < limit < table.n
    if truncated:
        table = table.take(np.arange(limit, dtype=np.int64))
    warnings = [*scope.warnings, *([TRUNCATED] if truncated else [])]
    return Response(body=b"".join(encode_series(table, label_text, warnings)))


def unescape_name(name: str) -> str:
    """`U__a_2e_b` is `a.b`: how names that need quoting may be written in a path."""
    if not name.startswith("U__"):
        return name
    found, rest = "", name[3:].replace("__", "\0")
    while rest:
        plain, underscore, rest = rest.partition("_")
        found += plain
        if underscore:
            code, closed, rest = rest.partition("_")
            if not closed or not 1 <= len(code) <= 6 or set(code.lower()) - set("0123456789abcdef"):
                return name
            if int(code, 16) > 0x10FFFF:
                return name
            found += chr(int(code, 16))
    return found.replace("\0", "_")


Ask = Callable[[Querier, list[Matcher], int, int], list[str]]


async def _strings(context: Context, request: Request, ask: Ask) -> Response:
    sets, start_ms, end_ms, limit = (await request.form()).once(_of_any)
    scope = _scope(context)
    querier = context.within(scope)

    def collect() -> list[str]:
        parts = [ask(querier, matchers, start_ms, end_ms) for matchers in sets or [[]]]
        return parts[0] if len(parts) == 1 else sorted(set().union(*parts))

    names = await _looked_up(context, request, collect)
    if 0 < limit < len(names):
        return success(names[:limit], [*scope.warnings, TRUNCATED])
    return success(names, scope.warnings)


def _scope(context: Context) -> ApiScope:
    deadline = time.monotonic() + context.settings.query_timeout_s
    return ApiScope(context.stored(), deadline)


class _Where(NamedTuple):
    """What is looked for: series by one of these sets of matchers, in a range, so many."""

    sets: list[list[Matcher]]
    start_ms: int
    end_ms: int
    limit: int


def _of_any(form: Form) -> _Where:
    return _where(form, required=False)


def _of_these(form: Form) -> _Where:
    return _where(form, required=True)


def _where(form: Form, *, required: bool) -> _Where:
    if required:
        refuse_unreadable(form)
    limit = limit_param(form)
    if required and not form.get("match[]"):
        raise ApiError("bad_data", "no match[] parameter provided")
    start_ms = time_param(form, "start", MIN_TIME_MS)
    end_ms = time_param(form, "end", MAX_TIME_MS)
    sets = matcher_sets(form, required=required, named=required)
    return _Where(sets, start_ms, end_ms, limit)


async def _looked_up(context: Context, request: Request, work: Callable[[], T]) -> T:
    """What `work` gives: in a thread, unless it was quick the last time it was asked for."""
    key = request.scope["path"], *(await request.form()).get("match[]", ())
    return await context.runner.call(key, work, at_once=request.at_once)


def _distinct(tables: list[LabelTable]) -> Iterator[dict[str, str]]:
    """Label sets of several selectors, each once."""
    seen: set[Any] = set()
    for table in tables:
        for row in table.rows():
            key = tuple(row.items())
            if key not in seen:
                seen.add(key)
                yield row


def _sorted(table: LabelTable) -> LabelTable:
    """Rows in the order of their labels: name by name, values as text."""
    names = sorted((name for name in table.columns), reverse=True)
    keys = []
    for name in names:
        distinct, inverse = np.unique(table.columns[name], return_inverse=True)
        texts = np.array(table.symbols.texts(distinct), object)
        rank = np.empty(len(distinct), np.int64)
        rank[np.argsort(texts, kind="stable")] = np.arange(len(distinct))
        keys.append(rank[inverse])
    return table.take(np.lexsort(keys)) if keys and table.n > 1 else table
