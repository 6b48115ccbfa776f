"""What a duration of a query is in milliseconds, once step and range are known.

Plain literals are known at once; expressions need the step and the time range of the query,
both 0 for an instant query. Results are checked as Prometheus checks them.
"""

from __future__ import annotations

import math

from promlab.errors import PromQLSyntaxError
from promlab.promql.ast import (
    Duration,
    DurationBinary,
    DurationCall,
    DurationExpr,
    DurationParen,
    DurationUnary,
    NumberLiteral,
)

MAX_S = (2**63 - 1) / 1e9  # what fits in nanoseconds


def duration_ms(
    duration: Duration,
    *,
    step_ms: int = 0,
    range_ms: int = 0,
    positive: bool = True,
    query: str = "",
) -> int:
    """Milliseconds of a duration in a query with this step and time range.

    `positive` is for ranges and steps, which must be above zero; offsets may be negative.
    Raises PromQLSyntaxError at the duration's place in `query`.
    """
    if isinstance(duration, int):
        return duration
    seconds = evaluate_s(duration, step_ms / 1000, range_ms / 1000, query)
    check_s(seconds, duration, positive=positive, query=query)
    return to_ms(seconds)


def to_ms(seconds: float) -> int:
    """Whole milliseconds, cut towards zero; noise below a microsecond is rounded away."""
    microseconds = round(abs(seconds) * 1e6)
    return microseconds // 1000 if seconds >= 0 else -(microseconds // 1000)


def check_s(seconds: float, at: DurationExpr, *, positive: bool, query: str) -> None:
    """Raise PromQLSyntaxError for seconds that can't be a range, step or offset."""
    if positive and not seconds > 0:
        raise _error("duration must be greater than 0", at, query)
    if not abs(seconds) <= MAX_S:
        raise _error("duration out of range", at, query)


def evaluate_s(node: DurationExpr, step_s: float, range_s: float, query: str = "") -> float:
    """Seconds of a duration expression. Raises PromQLSyntaxError for a division by zero."""
    match node:
        case NumberLiteral():
            return node.value
        case DurationParen():
            return evaluate_s(node.expr, step_s, range_s, query)
        case DurationUnary():
            value = evaluate_s(node.expr, step_s, range_s, query)
            return -value if node.op == "-" else value
        case DurationCall():
            return _call(node, step_s, range_s, query)
        case DurationBinary():
            lhs = evaluate_s(node.lhs, step_s, range_s, query)
            return _binary(node, lhs, evaluate_s(node.rhs, step_s, range_s, query), query)


def _call(node: DurationCall, step_s: float, range_s: float, query: str) -> float:
    if node.function == "step":
        return step_s
    if node.function == "range":
        return range_s
    args = [evaluate_s(arg, step_s, range_s, query) for arg in node.args]
    return min(args) if node.function == "min_of" else max(args)


def _binary(node: DurationBinary, lhs: float, rhs: float, query: str) -> float:
    match node.op:
        case "+":
            return lhs + rhs
        case "-":
            return lhs - rhs
        case "*":
            return lhs * rhs
        case "^":
            return _power(lhs, rhs)
    if rhs == 0:
        what = "division" if node.op == "/" else "modulo"
        raise _error(f"{what} by zero", node.rhs, query)
    if node.op == "/":
        return lhs / rhs
    return math.fmod(lhs, rhs) if math.isfinite(lhs) else math.nan


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan


def _error(message: str, at: DurationExpr, query: str) -> PromQLSyntaxError:
    return PromQLSyntaxError(message, query=query, start=at.start, end=at.end)
