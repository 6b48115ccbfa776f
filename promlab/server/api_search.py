"""/api/v1/search/metric_names, /label_names, /label_values: names for whoever types one.

Prometheus has this behind the feature `search-api`, and so has this server. Answers are lines
of JSON: batches of results, then one line that says whether there are more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import Matcher
from promlab.model.storage import Querier
from promlab.server.context import Context
from promlab.server.envelope import ApiError, bad_parameter
from promlab.server.fuzzy import ALGORITHMS, Score
from promlab.server.moments import MAX_TIME_MS, MIN_TIME_MS
from promlab.server.params import bool_param, choice_param, matcher_sets, time_param, whole_param
from promlab.web.http import Request, Response

NDJSON = "application/x-ndjson; charset=utf-8"
FEATURE = "search-api"
_LIMIT, _BATCH = 100, 100
_encode = msgspec.json.Encoder().encode


class _Search(NamedTuple):
    """What is searched for."""

    terms: list[str]
    score: Score
    threshold: float
    by_score: bool
    descending: bool
    in_order: bool
    case_sensitive: bool

    def ranked(self, names: list[str]) -> list[tuple[str, float]]:
        """Names that match any term, with the best score of each, in the order asked for."""
        found = [(name, score) for name in names if (score := self._best(name)) > 0]
        if self.by_score:
            found.sort(key=lambda each: (-each[1], each[0]))
        elif self.in_order:
            found.sort(key=lambda each: each[0], reverse=self.descending)
        return found

    def _best(self, name: str) -> float:
        if not self.terms:
            return 1.0
        text = name if self.case_sensitive else name.lower()
        return max(self._scored(term, text) for term in self.terms)

    def _scored(self, term: str, text: str) -> float:
        if not term:
            return 1.0
        if term in text:  # what is there letter by letter is found whatever the threshold
            return 0.5 + 0.5 * len(term) / len(text)
        score = self.score(term, text)
        return score if score > 0 and score >= self.threshold else 0.0


async def metric_names(context: Context, request: Request) -> Response:
    """Metric names; with `include_metadata` their type, help and unit too."""
    with_metadata = bool_param(await request.form(), "include_metadata")
    metadata = await _metadata(context) if with_metadata else {}
    return await _search(context, request, "name", _values_of(METRIC_NAME), metadata)


async def label_names(context: Context, request: Request) -> Response:
    """Names of labels."""
    return await _search(
        context, request, "name", lambda querier, *where: querier.label_names(*where), {}
    )


async def label_values(context: Context, request: Request) -> Response:
    """Values of the label `label`."""
    label = await request.param("label")
    if not label:
        raise bad_parameter("label", "label is required")
    return await _search(context, request, "value", _values_of(label), {})


Names = Callable[[Querier, list[Matcher], int, int], list[str]]


def _values_of(label: str) -> Names:
    return lambda querier, *where: querier.label_values(label, *where)


async def _search(
    context: Context,
    request: Request,
    field: str,
    names: Names,
    metadata: dict[str, dict[str, str]],
) -> Response:
    form = await request.form()
    if FEATURE not in context.features:
        raise ApiError("unavailable", f"search API disabled: enable it by the feature {FEATURE}")
    search = await _asked(request)
    limit = whole_param(form, "limit", _LIMIT)
    limit = min(limit, context.settings.search_max_limit)
    batch = whole_param(form, "batch_size", _BATCH)
    include_score = bool_param(form, "include_score")
    start_ms = time_param(form, "start", MIN_TIME_MS)
    end_ms = time_param(form, "end", MAX_TIME_MS)
    sets = matcher_sets(form)
    querier = context.stored()

    def collect() -> list[tuple[str, float]]:
        found: set[str] = set()
        for matchers in sets or [[]]:
            found.update(names(querier, matchers, start_ms, end_ms))
        return search.ranked(sorted(found))

    ranked = await context.in_pool(collect)
    results = [
        {field: name, **({"score": score} if include_score else {}), **metadata.get(name, {})}
        for name, score in ranked[:limit]
    ]
    lines = _lines(results, batch, has_more=len(ranked) > limit)
    return Response(body=b"".join(lines), content_type=NDJSON)


def _lines(results: list[dict[str, Any]], batch: int, *, has_more: bool) -> Iterator[bytes]:
    for start in range(0, len(results), batch):
        yield _encode({"results": results[start : start + batch]}) + b"\n"
    yield _encode({"status": "success", "has_more": has_more}) + b"\n"


async def _asked(request: Request) -> _Search:
    form = await request.form()
    threshold = whole_param(form, "fuzz_threshold", 0, least=0)
    if threshold > 100:
        raise bad_parameter("fuzz_threshold", "must be between 0 and 100")
    algorithm = choice_param(form, "fuzz_alg", ["subsequence", "jarowinkler"])
    case_sensitive = bool_param(form, "case_sensitive", default=True)
    by_score = choice_param(form, "sort_by", ["", "alpha", "score"])
    direction = choice_param(form, "sort_dir", ["", "asc", "dsc"])
    if direction and by_score != "alpha":
        raise bad_parameter("sort_dir", "only valid with sort_by=alpha")
    terms = form.get("search[]", [])
    return _Search(
        terms if case_sensitive else [term.lower() for term in terms],
        ALGORITHMS[algorithm],
        threshold / 100,
        by_score == "score",
        direction == "dsc",
        by_score == "alpha",
        case_sensitive,
    )


async def _metadata(context: Context) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for target in await context.writer.ask("metadata", ""):
        for name, kind, help_text, unit in target["metrics"]:
            found.setdefault(name, {"type": kind, "help": help_text, "unit": unit})
    return found
