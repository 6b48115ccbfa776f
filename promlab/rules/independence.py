"""Which rules of a group may be evaluated at the same time.

A rule depends on another one whose series its expression may select: by name, or because a
selector has no name that could be told. Rules that depend on none, and that none depends on,
go first and together; all others follow in their order, as Prometheus has it.
"""

from __future__ import annotations

from collections.abc import Sequence

from promlab.model.labels import METRIC_NAME
from promlab.model.matchers import MatchType
from promlab.promql import ast
from promlab.promql.parser import parse
from promlab.rules.alerting import ALERTS, ALERTS_FOR_STATE, AlertingRule
from promlab.rules.rule import Rule


def batches(rules: Sequence[Rule]) -> list[list[int]]:
    """Indices of the rules, in batches to be evaluated one after the other."""
    selected = [_selected(rule) for rule in rules]
    if any(names is None for names in selected):
        return [[i] for i in range(len(rules))]
    written = [_written(rule) for rule in rules]
    together: list[int] = []
    alone: list[int] = []
    for i in range(len(rules)):
        others = [j for j in range(len(rules)) if j != i]
        reads = any((selected[i] or set()) & written[j] for j in others)
        is_read = any((selected[j] or set()) & written[i] for j in others)
        (alone if reads or is_read else together).append(i)
    first = [together] if together else []
    return first + [[i] for i in alone]


def _selected(rule: Rule) -> set[str] | None:
    """Names that a rule's expression selects; None if that can't be told."""
    names = set()
    for node in ast.walk(parse(rule.expr)):
        if not isinstance(node, ast.VectorSelector):
            continue
        named = [
            matcher.value
            for matcher in node.matchers
            if matcher.name == METRIC_NAME and matcher.type is MatchType.EQUAL
        ]
        if not named:
            return None
        names.update(named)
    return names


def _written(rule: Rule) -> set[str]:
    if isinstance(rule, AlertingRule):
        return {ALERTS, ALERTS_FOR_STATE}
    return {rule.name}
