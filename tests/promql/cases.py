"""Small cases: series a minute apart, a query, what it gives, all in the scripts' notation."""

from __future__ import annotations

from promlab.promql.engine import Engine
from promlab.promqltest.memory import MemoryQuerier
from promlab.promqltest.runner import OPTIONS, load, run_eval
from promlab.promqltest.script import Eval, Expectation, Load, read_starts
from promlab.promqltest.series import read_series

MINUTE = 60_000


def engine_with(*lines: str) -> Engine:
    """An engine over these series; `@st ...` gives the start times of the one after it."""
    querier, starts = MemoryQuerier(), []
    for line in lines:
        if line.startswith("@st "):
            starts = read_starts(line.removeprefix("@st "))
            continue
        series = read_series(line)
        series.starts, starts = starts, []
        load(querier, Load(MINUTE, False, [series]))
    return Engine(querier, OPTIONS)


def check(
    lines: tuple[str, ...] | list[str],
    query: str,
    *expected: str,
    at_min: float = 0,
    warn: str = "",
    info: str = "",
    fails: str = "",
) -> None:
    """The query gives these series at that minute, also as a step of a range query and with
    `@`; `warn` and `info` are parts of its only annotations, `fails` of its error."""
    at = int(at_min * MINUTE)
    case = Eval(0, query, at, at, 0)
    for kind, text in (("warn", warn), ("info", info)):
        if text:
            case.expectations.append(Expectation(kind, "regex", text))
        elif not fails:
            case.expectations.append(Expectation(f"no_{kind}"))
    if fails:
        case.expectations.append(Expectation("fail", "regex", fails))
    for text in expected:
        if text.startswith("scalar "):
            case.scalar = float(text.removeprefix("scalar "))
        else:
            case.series.append(read_series(text))
    run_eval(engine_with(*lines), case)
