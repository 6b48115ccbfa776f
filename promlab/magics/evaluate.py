"""A query of a magic, from options to a result: which call, which times, which step."""

from __future__ import annotations

from typing import NamedTuple

from promlab.client import Client, InstantVector, RangeVector, Result
from promlab.client.charts import MAX_POINTS, MAX_POINTS_A_SERIES, MAX_SERIES
from promlab.client.client import choose_step_ms
from promlab.client.times import to_duration_ms, to_ms
from promlab.errors import PromQLError, PromQLSyntaxError, QueryError
from promlab.magics.connection import Cache, clock_ms, scrape_interval_ms
from promlab.magics.no_data import why_empty
from promlab.magics.options import Options
from promlab.magics.query_text import second_expression

DEFAULT_LENGTH_MS = 15 * 60_000


class Window(NamedTuple):
    """The times of a range query, aligned to its step; `note` says what was changed."""

    start_ms: int
    end_ms: int
    step_ms: int
    note: str = ""

    @property
    def length_ms(self) -> int:
        """From the first point to the last."""
        return self.end_ms - self.start_ms


def instant(client: Client, query: str, options: Options) -> Result:
    """Evaluate at one time."""
    at_ms = to_ms(options.at or None, clock_ms(client))
    try:
        found = client.query(query, at_ms / 1000)
    except PromQLError as error:
        raise explained(error, query) from None
    return _with_reason(found, client, query, at_ms)


def over_time(client: Client, query: str, window: Window) -> Result:
    """Evaluate over a window; what is no vector at each step is evaluated at its end."""
    start, end, step = window.start_ms / 1000, window.end_ms / 1000, window.step_ms / 1000
    try:
        found = client.query_range(query, start, end, step)
    except QueryError as error:
        if "must be Scalar or instant Vector" not in error.message:
            raise explained(error, query) from None
        found = client.query(query, end)
    except PromQLError as error:
        raise explained(error, query) from None
    return _with_reason(found, client, query, window.end_ms)


def window_of(options: Options, client: Client, cache: Cache) -> Window:
    """The window that options ask for, 15 minutes up to now by default."""
    now = clock_ms(client)
    end = to_ms(options.end or None, now)
    length = to_duration_ms(options.last) if options.last else DEFAULT_LENGTH_MS
    start = to_ms(options.start, now) if options.start else end - length
    if options.step:
        step = to_duration_ms(options.step)
    else:
        points = options.max_points or MAX_POINTS_A_SERIES
        step = choose_step_ms(end - start, points, at_least_ms=scrape_interval_ms(client, cache))
    return aligned(start, end, step)


def aligned(start_ms: int, end_ms: int, step_ms: int, note: str = "") -> Window:
    """A window on multiples of its step, so that a live graph's points stay where they are."""
    start = -(-start_ms // step_ms) * step_ms
    end = max(start, end_ms // step_ms * step_ms)
    return Window(start, end, step_ms, note)


def drawable(client: Client, query: str, window: Window, found: RangeVector) -> RangeVector:
    """The same result with so long a step that a chart can draw it all."""
    each = MAX_POINTS // max(1, min(len(found), MAX_SERIES))
    if window.length_ms // window.step_ms < each:
        return found
    step = choose_step_ms(window.length_ms, each, at_least_ms=window.step_ms)
    wider = aligned(window.start_ms, window.end_ms, step)
    again = over_time(client, query, wider)
    return again if isinstance(again, RangeVector) else found


def explained(error: PromQLError, query: str) -> PromQLError:
    """The server's error, with the place and the hint that our own parser finds."""
    if not isinstance(error, PromQLSyntaxError):
        error.query = error.query or query
        return error
    second = second_expression(query)
    if second is not None:
        start = sum(len(line) + 1 for line in query.split("\n")[: second - 1])
        return PromQLSyntaxError(
            f"one expression a cell: line {second} starts a second one",
            query=query, start=start, end=len(query),
            hint="Put it into a cell of its own, or join both with `or`.",
        )  # fmt: skip
    from promlab.promql import parse

    try:
        parse(query)
    except PromQLSyntaxError as own:
        error.hint = error.hint or own.hint
        error.expected = own.expected
        if error.start == error.end and own.start <= error.start <= own.end:
            error.start, error.end = own.start, own.end
    return error


def _with_reason(found: Result, client: Client, query: str, at_ms: int) -> Result:
    if isinstance(found, InstantVector | RangeVector) and not found:
        found.why_empty = why_empty(client, query, at_ms)
    return found
