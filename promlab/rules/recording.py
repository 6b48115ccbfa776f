"""Recording rules: the result of an expression, under another name."""

from __future__ import annotations

from collections.abc import Mapping

from promlab.promql.result import QueryResult
from promlab.rules.errors import RuleError
from promlab.rules.rows import has_duplicates, histograms_of, recorded, vector_of
from promlab.rules.rule import Output, Rule, RuleContext


class RecordingRule(Rule):
    """Writes what its expression gives as `name` with `labels`."""

    kind = "recording"

    def __init__(self, name: str, expr: str, labels: Mapping[str, str]) -> None:
        super().__init__(name, expr, labels)

    def evaluate(self, ctx: RuleContext) -> Output:
        """The series to be written. Raises RuleError, PromQLError."""
        result: QueryResult = ctx.query(self.expr)
        table, values = vector_of(result, ctx.symbols)
        series = recorded(table, self.name, self.labels)
        if has_duplicates(series):
            raise RuleError(
                "vector contains metrics with the same labelset after applying rule labels"
            )
        if 0 < ctx.limit < series.n:
            raise RuleError(f"exceeded limit of {ctx.limit} with {series.n} series")
        return Output(series, values, histograms_of(result))
