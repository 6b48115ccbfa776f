"""The data points of a request: which metric each belongs to, when it is, and its labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from promlab.config.otlp import OTLPConfig
from promlab.model.labels import Symbols
from promlab.model.wire import Decoded
from promlab.remote.otlp.labels import (
    Columns,
    Resources,
    attribute_columns,
    identified,
    read_resources,
    scope_columns,
)
from promlab.remote.otlp.names import (
    COUNTER,
    GAUGE,
    OTHER,
    Style,
    label_name,
    metric_name,
    unit_name,
)

Index = npt.NDArray[np.int64]
KINDS = ("gauge", "sum", "histogram", "exponential", "summary")
LEFT_OUT, ADDED_UP, AS_THEY_ARE = range(3)  # what becomes of differences
_DELTA, _CUMULATIVE = 1, 2
_TYPES = {"histogram": "histogram", "exponential": "histogram", "summary": "summary"}
_NO_VALUE = 1  # flag: the series has ended


class Metrics(NamedTuple):
    """The metrics of a request, with what is around them."""

    names: list[str]
    scope: Index
    resource: Index
    resources: Resources
    scopes: Columns  # {} where scopes are no labels
    types: Columns  # `__type__` and `__unit__`, {} where these are no labels


class Points(NamedTuple):
    """The data points of one kind that are stored; `at` are their ordinals."""

    kind: str
    at: Index
    metric: Index
    t_ms: Index
    start_ms: Index
    ended: npt.NDArray[np.bool_]
    delta: npt.NDArray[np.bool_]
    labels: Columns

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.at)


def read_metrics(
    body: Decoded, config: OTLPConfig, symbols: Symbols, *, typed: bool = False
) -> Metrics:
    """The metrics of a request; `typed`: their types and units are labels. Raises BadMessage."""
    style = Style.of(config)
    n = body.count("scope_metrics.metric")
    texts = []
    for field in ("metric.name", "metric.unit"):
        found = np.array([*body.texts(field), ""], object)
        texts.append(found[body.inside(field, n)].tolist())
    kinds = np.full(n, OTHER)
    kinds[body.field("metric.gauge").owners] = GAUGE
    sums = body.field("metric.sum").owners
    monotonic = body.words("sum.monotonic", len(sums)) != 0
    kinds[sums[monotonic]] = COUNTER
    each = zip(*texts, kinds.tolist(), strict=True)
    names = [metric_name(name, unit, kind, style) for name, unit, kind in each]
    scope = body.field("scope_metrics.metric").owners.astype(np.int64)
    resource = body.field("resource_metrics.scope").owners.astype(np.int64)[scope]
    resources = read_resources(body, config, style, symbols)
    scopes = scope_columns(body, style, symbols) if config.promote_scope_metadata else {}
    types = _types(body, kinds, texts[1], style, symbols) if typed else {}
    return Metrics(names, scope, resource, resources, scopes, types)


def _types(
    body: Decoded, kinds: Index, units: list[str], style: Style, symbols: Symbols
) -> Columns:
    types = np.full(len(kinds), symbols.code("gauge"), np.uint32)  # sums that go down, too
    types[kinds == COUNTER] = symbols.code("counter")
    for kind, name in _TYPES.items():
        types[body.field(f"metric.{kind}").owners] = symbols.code(name)
    return {"__type__": types, "__unit__": symbols.codes(unit_name(each, style) for each in units)}


def read_points(
    body: Decoded, kind: str, metrics: Metrics, config: OTLPConfig, symbols: Symbols, *, delta: int
) -> Points:
    """The points of one kind; those that are differences as `delta` says."""
    n = body.count(f"{kind}.point")
    around = body.field(f"{kind}.point").owners.astype(np.int64)
    metric = body.field(f"metric.{kind}").owners.astype(np.int64)[around]
    wanted = np.array([bool(name) for name in metrics.names], np.bool_)[metric]
    differences = np.zeros(n, np.bool_)
    if kind in ("sum", "histogram", "exponential"):
        temporality = body.integers(f"{kind}.temporality", body.count(f"metric.{kind}"))[around]
        differences = temporality == _DELTA
        wanted &= (temporality == _CUMULATIVE) | (differences if delta else np.False_)
    at = np.flatnonzero(wanted)
    t_ms = (body.words(f"{kind}_point.t_ns", n) // np.uint64(1_000_000)).astype(np.int64)
    start_ms = (body.words(f"{kind}_point.start_ns", n) // np.uint64(1_000_000)).astype(np.int64)
    ended = (body.integers(f"{kind}_point.flags", n) & _NO_VALUE) != 0
    labels = _labels(body, kind, metrics, metric, config, symbols)
    if delta == AS_THEY_ARE and "__type__" in labels:
        # As in Prometheus: no type says that these are differences.
        labels["__type__"] = np.where(differences, np.uint32(0), labels["__type__"])
    taken = {name: codes[at] for name, codes in labels.items()}
    return Points(kind, at, metric[at], t_ms[at], start_ms[at], ended[at], differences[at], taken)


def _labels(
    body: Decoded,
    kind: str,
    metrics: Metrics,
    metric: Index,
    config: OTLPConfig,
    symbols: Symbols,
) -> Columns:
    """Labels of all points of one kind, but for their names."""
    style = Style.of(config)
    columns = attribute_columns(
        body, f"{kind}_point", len(metric), symbols, lambda key: label_name(key, style)
    )
    resource = metrics.resource[metric]
    for name, codes in metrics.resources.promoted.items():
        own = columns.get(name)
        promoted = codes[resource]
        columns[name] = promoted if own is None else np.where(own != 0, own, promoted)
    for name, codes in metrics.types.items():
        columns[name] = codes[metric]
    for name, codes in metrics.scopes.items():
        columns[name] = codes[metrics.scope[metric]]
    resources = metrics.resources
    return identified(columns, resources.job[resource], resources.instance[resource])
