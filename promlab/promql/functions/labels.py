"""Functions that make labels: label_replace and label_join.

They work on distinct values, never on series; what they make up lives as long as the query.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.model.labels import METRIC_NAME, Codes, LabelTable
from promlab.model.matchers import BadRegex, compile_regex
from promlab.promql.ast import Call
from promlab.promql.functions.attach import implements
from promlab.promql.grouping import code_matrix, group_matrix
from promlab.promql.naming import merge_same
from promlab.promql.steps import Steps
from promlab.promql.vector import Mask, Vector, unnamed_mask

if TYPE_CHECKING:
    from promlab.promql.evaluator import Evaluator

NO_TARGET = "invalid destination label name in {function}(): {{name}}"
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))", re.ASCII)


@implements("label_replace")
def label_replace(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Set a label from a match of an expression with another label's whole value."""
    ctx = ev.ctx
    replacement, source, pattern = (ev.string(part) for part in node.args[2:])
    try:
        regex = compile_regex(pattern)
    except BadRegex as error:
        message = f"invalid regular expression in label_replace(): {pattern}"
        raise ctx.error(message, node.args[4], hint=str(error)) from None
    target = ev.label_name(node.args[1], NO_TARGET.format(function="label_replace"))
    vector = ev.vector(node.args[0], steps)
    distinct, inverse = np.unique(vector.labels.column(source), return_inverse=True)
    found = [regex.fullmatch(text) for text in vector.labels.symbols.texts(distinct)]
    texts = [expand(replacement, match, regex) if match else "" for match in found]
    matched = np.array([match is not None for match in found], np.bool_)[inverse]
    made = ctx.symbols.codes(texts)[inverse]
    codes = np.where(matched, made, vector.labels.column(target)).astype(np.uint32)
    return _relabelled(ev, node, vector, target, codes, matched)


def expand(template: str, match: Any, regex: Any) -> str:
    """The template with `$1`, `${1}`, `$name`, `${name}` replaced by what they matched."""

    def group(reference: re.Match[str]) -> str:
        dollar, braced, plain = reference.groups()
        if dollar:
            return "$"
        name = braced or plain
        if name.isdigit():
            return match.group(int(name)) or "" if int(name) <= regex.groups else ""
        return match.group(name) or "" if name in regex.groupindex else ""

    return _REFERENCE.sub(group, template)


@implements("label_join")
def label_join(ev: Evaluator, node: Call, steps: Steps) -> Vector:
    """Set a label to the values of others, joined."""
    ctx = ev.ctx
    target = ev.label_name(node.args[1], NO_TARGET.format(function="label_join"))
    separator = ev.string(node.args[2])
    refusal = "invalid source label name in label_join(): {name}"
    sources = [ev.label_name(argument, refusal) for argument in node.args[3:]]
    vector = ev.vector(node.args[0], steps)
    matrix = code_matrix(vector.labels, sources)
    of_row, first = group_matrix(matrix)
    text = vector.labels.symbols.text
    texts = [separator.join(map(text, row)) for row in matrix[first].tolist()]
    codes = ctx.symbols.codes(texts)[of_row] if texts else np.zeros(0, np.uint32)
    return _relabelled(ev, node, vector, target, codes, np.ones(vector.n, np.bool_))


def _relabelled(
    ev: Evaluator, node: Call, vector: Vector, target: str, codes: Codes, changed: Mask
) -> Vector:
    columns = {**vector.labels.columns, target: codes}
    labels = LabelTable(vector.n, columns, ev.ctx.symbols)
    unnamed = vector.unnamed
    if target == METRIC_NAME and unnamed is not None:
        unnamed = unnamed_mask(vector) & ~changed
    made = vector._replace(labels=labels, unnamed=unnamed)
    return merge_same(ev.ctx, made, node)
