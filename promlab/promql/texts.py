"""Values and label sets as Prometheus writes them in labels and messages."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal

from promlab.model.float_text import go_number


def label_set_text(labels: Mapping[str, str]) -> str:
    """`{__name__="up", job="node"}`, names sorted."""
    pairs = (f"{name}={json.dumps(labels[name], ensure_ascii=False)}" for name in sorted(labels))
    return "{" + ", ".join(pairs) + "}"


def float_text(value: float) -> str:
    """The shortest digits that give this value back, never with an exponent: a label's value."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == int(value) and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{Decimal(repr(value)):f}".removesuffix(".0")


def short_float_text(value: float) -> str:
    """A value in a message: as Go's `%g` writes it."""
    return go_number(value)


def quantile_text(value: float) -> str:
    """A value of a `quantile` label: as `float_text`, whole numbers with a point."""
    text = float_text(value)
    return f"{text}.0" if text.lstrip("-").isdigit() else text
