"""What recording and alerting rules have in common: identity, health, timings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from promlab.model.histograms import HistogramColumn
from promlab.model.labels import LabelTable, Symbols
from promlab.model.samples import Values
from promlab.promql.result import QueryResult


class Output(NamedTuple):
    """Series to be written, one sample each, all at the time of the query."""

    labels: LabelTable
    values: Values
    histograms: HistogramColumn | None = None  # where its index is not -1, that is the sample


@dataclass(frozen=True, slots=True)
class RuleContext:
    """One evaluation: `t_ms` is the group's time, `query_ms` that time minus its offset.

    `query` evaluates at `query_ms`; `symbols` are those of the storage; `limit` is how many
    series or alerts a rule may give (0 for any number).
    """

    t_ms: int
    query_ms: int
    query: Callable[[str], QueryResult]
    symbols: Symbols
    limit: int = 0


class Rule(ABC):
    """One rule of a group, and how its last evaluation went."""

    kind = ""

    def __init__(self, name: str, expr: str, labels: Mapping[str, str]) -> None:
        from promlab.promql import parse

        self.name, self.labels = name, dict(sorted(labels.items()))
        # As Prometheus shows it, and asks it: formatted from the tree.
        self.expr = str(parse(expr))
        self.health = "unknown"
        self.last_error = ""
        self.evaluation_s = 0.0
        self.last_evaluation_ms = 0

    @abstractmethod
    def evaluate(self, ctx: RuleContext) -> Output:
        """Evaluate once, in whatever thread. Raises PromlabError."""

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What makes it the same rule after a reload: kind, name and labels."""
        return self.kind, self.name, tuple(self.labels.items())

    def succeeded(self) -> None:
        """Note a good evaluation."""
        self.health, self.last_error = "ok", ""

    def failed(self, error: str) -> None:
        """Note a failed one."""
        self.health, self.last_error = "err", error
