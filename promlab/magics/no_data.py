"""Why a query found nothing: the first reason that the server's own index shows.

In order: the metric is unknown (nearest names), one matcher leaves nothing, the newest sample
is older than the lookback, a range is shorter than two samples, or there is data and the query
itself filters it all.
"""

from __future__ import annotations

import difflib
from itertools import islice

from promlab.client import Client, InstantVector, RangeVector
from promlab.client.tables import printable
from promlab.errors import PromlabError
from promlab.model.durations import format_duration_ms
from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import Matcher, MatchType
from promlab.promql.ast import Subquery, VectorSelector, walk
from promlab.promql.short_ranges import advice, spacing_ms, windows_of_two

LOOKBACK_MS = 300_000
_DAY_MS = 86_400_000
_MAX_SELECTORS = 5
_MAX_SHOWN = 5


def why_empty(client: Client, query: str, at_ms: int) -> str:
    """A sentence that says why nothing was found; empty where no reason can be seen."""
    from promlab.promql import parse

    try:
        tree = parse(query)
        selectors = [node for node in walk(tree) if isinstance(node, VectorSelector)]
        for selector in selectors[:_MAX_SELECTORS]:
            reason = _why(client, selector, _moment(selector, at_ms))
            if reason:
                return f"no data: {reason}"
        has_windows = any(isinstance(node, Subquery) for node in walk(tree)) or "[" in query
        for window in islice(windows_of_two(tree), _MAX_SELECTORS):
            if reason := advice(window, _spacing_ms(client, window.selector, at_ms)):
                return f"no data: {reason}"
    except PromlabError:
        return ""
    if not selectors:
        return ""
    if has_windows:
        return (
            "no data: every selector finds series, but a window may hold fewer samples than its "
            "function needs (rate needs two), or a comparison or a join leaves nothing"
        )
    return "no data: every selector finds series, but a comparison, a filter or a join leaves none"


def _why(client: Client, selector: VectorSelector, at_ms: int) -> str:
    start, end = (at_ms - _DAY_MS) / 1000, at_ms / 1000
    shown = _selector_text(selector.matchers)
    if client.series(shown, start, end):
        return _why_not_now(client, shown, at_ms)
    name = next(
        (m.value for m in selector.matchers if m.name == METRIC_NAME and m.type is MatchType.EQUAL),
        "",
    )
    if name and not client.series(_selector_text([_equal(METRIC_NAME, name)]), start, end):
        return _unknown_metric(client, name)
    return _emptying_matcher(client, selector.matchers, start, end)


def _why_not_now(client: Client, shown: str, at_ms: int) -> str:
    """There are series of the last day: is their newest sample too old, or marked stale?"""
    at = at_ms / 1000
    if _value(client, f"count({shown})", at) is not None:
        return ""
    newest = _value(client, f"max(max_over_time(timestamp({shown})[1d:1m]))", at)
    if newest is None:
        return f"{printable(shown)} has series, but no sample in the day before"
    age_ms = max(0, at_ms - round(newest * 1000)) // 1000 * 1000
    age = format_duration_ms(age_ms)
    if age_ms < LOOKBACK_MS:
        return (
            f"{printable(shown)} ended, its last sample is {age} old: "
            "the target is gone, or does not expose it any more"
        )
    return (
        f"the last sample of {printable(shown)} is {age} old, "
        "and a sample counts for 5m (the lookback delta)"
    )


def _moment(selector: VectorSelector, at_ms: int) -> int:
    """When a selector looks, for a query at this time."""
    offset = selector.offset if isinstance(selector.offset, int) else 0
    return (selector.at if isinstance(selector.at, int) else at_ms) - offset


def _spacing_ms(client: Client, selector: VectorSelector, at_ms: int) -> int:
    """How far apart the samples of one of its series are, most of the time; 0 if unknown."""
    at = _moment(selector, at_ms) / 1000
    one = client.query(f"topk(1, {_selector_text(selector.matchers)})", at)
    if not isinstance(one, InstantVector) or not len(one):
        return 0
    exactly = _selector_text([_equal(name, value) for name, value in one.series[0].labels.items()])
    found = client.query(f"{exactly}[1h]", at)
    return spacing_ms(found.batch.t_ms) if isinstance(found, RangeVector) else 0


def _value(client: Client, query: str, at: float) -> float | None:
    """The one value that a query finds, or None."""
    found = client.query(query, at)
    if isinstance(found, InstantVector) and len(found):
        return float(found.values[0])
    return None


def _unknown_metric(client: Client, name: str) -> str:
    names = client.label_values(METRIC_NAME)
    if name in names:
        return f"the first samples of {printable(name)!r} have only just come in: ask again"
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    near = near or [known for known in names if name in known][:3]
    if near:
        return f"there is no metric {printable(name)!r}: did you mean {', '.join(near)}?"
    if not names:
        return "the server has no series yet: its first scrapes may still be to come"
    return f"there is no metric {printable(name)!r} on this server"


def _emptying_matcher(
    client: Client, matchers: tuple[Matcher, ...], start: float, end: float
) -> str:
    """Name the first matcher after which no series is left."""
    kept: list[Matcher] = []
    for matcher in sorted(matchers, key=lambda m: m.name != METRIC_NAME):
        others = _selector_text(kept) if kept else ""
        kept.append(matcher)
        if all(m.matches_empty for m in kept) or client.series(_selector_text(kept), start, end):
            continue
        values = client.label_values(matcher.name, others or (), start, end)
        if not values:
            return f"{matcher} leaves nothing: these series have no label {matcher.name!r}"
        near = difflib.get_close_matches(matcher.value, values, n=_MAX_SHOWN, cutoff=0.5)
        some = ", ".join(printable(value, 40) for value in (near or values[:_MAX_SHOWN]))
        more = f" (of {len(values)})" if len(values) > _MAX_SHOWN else ""
        return f"{printable(str(matcher))} leaves nothing: {matcher.name} is {some}{more}"
    return ""


def _selector_text(matchers: list[Matcher] | tuple[Matcher, ...]) -> str:
    return "{" + ", ".join(map(str, matchers)) + "}"


def _equal(name: str, value: str) -> Matcher:
    return Matcher(name, MatchType.EQUAL, value)
