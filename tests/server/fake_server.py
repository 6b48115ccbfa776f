"""An application in this process, on a querier of plain Python and a writer that is a dict."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
import yaml

from promlab.config import load_text
from promlab.errors import ServerError
from promlab.model.labels import LabelTable, Symbols
from promlab.model.matchers import Matcher
from promlab.model.samples import SeriesBatch
from promlab.model.storage import NO_HINTS, SelectHints
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.server.app import App
from promlab.server.context import Context
from promlab.server.following import Following
from promlab.server.queries import QueryRunner
from promlab.server.rules import Rules
from promlab.server.self_metrics import ReaderMetrics
from promlab.server.settings import Settings

Sample = tuple[int, float]

SERIES: list[tuple[dict[str, str], list[Sample]]] = [
    (
        {"__name__": "up", "job": "api", "instance": "a:1"},
        [(t, 1) for t in range(0, 100_000, 5000)],
    ),
    (
        {"__name__": "up", "job": "api", "instance": "b:1"},
        [(t, 0) for t in range(0, 100_000, 5000)],
    ),
    (
        {
            "__name__": "evil",
            "html": '<img src=x onerror="alert(1)">',
            "quote": 'a"b\\c\nd',
            "é": "ü",
        },
        [(50_000, float("nan")), (55_000, float("inf")), (60_000, 1e-7)],
    ),
    ({"__name__": "hits_total", "job": "api"}, [(t, t / 8) for t in range(0, 100_000, 5000)]),
]


class FakeQuerier:
    """All series in a list."""

    def __init__(self, series: Sequence[tuple[dict[str, str], list[Sample]]]) -> None:
        self.symbols = Symbols()
        self.generation = 1
        self._series = series

    def _passing(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[tuple[dict[str, str], list[Sample]]]:
        found = []
        for labels, samples in self._series:
            kept = [(t, v) for t, v in samples if start_ms <= t <= end_ms]
            if kept and all(m.matches(labels.get(m.name, "")) for m in matchers):
                found.append((labels, kept))
        return found

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: SelectHints = NO_HINTS,
    ) -> SeriesBatch:
        found = self._passing(matchers, start_ms, end_ms)
        if not found:
            return SeriesBatch.empty(self.symbols)
        table = LabelTable.from_dicts([labels for labels, _ in found], self.symbols)
        return SeriesBatch.from_series(
            table, [[t for t, _ in s] for _, s in found], [[v for _, v in s] for _, s in found]
        )

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> LabelTable:
        found = self._passing(matchers, start_ms, end_ms)
        return LabelTable.from_dicts([labels for labels, _ in found], self.symbols)

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        found = self._passing(matchers, start_ms, end_ms)
        return sorted({name for labels, _ in found for name in labels})

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        found = self._passing(matchers, start_ms, end_ms)
        return sorted({labels[name] for labels, _ in found if name in labels})


class FakeWriter:
    """Answers from a dict, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any, Mapping[str, Any]]] = []

    async def ask(self, kind: str, body: Any = None, columns: Any = None) -> Any:
        self.asked.append((kind, body, columns or {}))
        answer = self.answers.get(kind)
        if isinstance(answer, list) and answer and isinstance(answer[0], tuple):
            answer = answer.pop(0)[0]
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            raise ServerError(f"no answer to {kind}")
        return answer(body, columns) if callable(answer) else answer


def make_context(settings: Settings, series: Any = SERIES, config: str = "") -> Context:
    writer: Any = FakeWriter()
    context = Context(
        settings,
        QueryRunner(settings.max_concurrency),
        writer,
        ReaderMetrics(settings.max_concurrency),
    )
    querier = FakeQuerier(series)
    options = EngineOptions(max_samples=settings.max_samples, lookback_ms=settings.lookback_ms)
    engine = Engine(querier, options)
    context.answer_from(querier, engine)
    context.become_ready()
    context.rules = Rules(settings, writer, querier, engine)
    context.following = Following(settings, writer, load_text(config))
    return context


@pytest.fixture
def settings() -> Settings:
    return Settings(
        flags={"log.level": "info"},
        route_prefix="",
        enable_remote_write=True,
        max_samples=1000,
    )


@pytest.fixture
def context(settings: Settings) -> Context:
    return make_context(settings)


def client_of(context: Context, address: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(App(context), client=(address, 4000))
    return httpx.AsyncClient(transport=transport, base_url="http://server")


@pytest.fixture
async def client(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(context) as found:
        yield found


@pytest.fixture(scope="session")
def valid(shared: Any) -> Any:
    """Checks an answer against the schema of its path in the API's OpenAPI document."""
    document = yaml.safe_load((shared / "contract" / "openapi_3.1.yaml").read_text())
    schemas = {"components": document["components"]}

    def check(answer: httpx.Response, path: str) -> Any:
        operations = document["paths"][path]
        operation = operations.get(answer.request.method.lower()) or operations["get"]
        responses = operation["responses"]
        response = responses.get(str(answer.status_code), responses["default"])
        schema = response["content"]["application/json"]["schema"]
        assert answer.headers["content-type"] == "application/json"
        jsonschema.validate(answer.json(), {**schema, **schemas})
        return answer.json()

    return check


def points(t_ms: Any) -> Any:
    return np.asarray(t_ms, np.int64)
