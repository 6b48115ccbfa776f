"""Runs test scripts against an engine in this process, and says which cases fail.

Every instant case is also asked as a step of a range query, and with `@` on its selectors at
other times: both have to give the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from promlab.errors import PromlabError
from promlab.model.matchers import compile_regex
from promlab.promql.ast import Call, Expr, Node, Subquery, VectorSelector, rewrite, walk
from promlab.promql.checks import ALL_FEATURES
from promlab.promql.engine import Engine
from promlab.promql.options import EngineOptions
from promlab.promql.plan import STEP_DEPENDENT
from promlab.promql.result import InstantVector, Matrix, QueryResult, RawMatrix, Scalar, String
from promlab.promqltest.classic import custom_series
from promlab.promqltest.compare import (
    Mismatch,
    Rows,
    compare,
    expect,
    matrix_rows,
    on_grid,
    same,
    with_histograms,
)
from promlab.promqltest.memory import MemoryQuerier
from promlab.promqltest.script import Clear, Eval, Load, read_script, time_ms

FEATURES = ALL_FEATURES | {"promql-duration-expr", "promql-delayed-name-removal"}
OPTIONS = EngineOptions(
    max_samples=10_000,
    delayed_name_removal=True,
    subquery_step_ms=60_000,
    features=FEATURES,
    start_timestamps=True,
)
OF_QUERY = frozenset({"start", "end", "range", "step"})


class Case(NamedTuple):
    """One `eval` that was run: where it stands, and what is wrong ("" where nothing is)."""

    line: int
    query: str
    problem: str


def run_cases(path: Path, options: EngineOptions = OPTIONS) -> Iterator[Case]:
    """Every case of a script, in its order. Raises ScriptError."""
    querier = MemoryQuerier()
    engine = Engine(querier, options)
    for command in read_script(path):
        match command:
            case Clear():
                querier.clear()
            case Load():
                load(querier, command)
            case Eval():
                yield Case(command.line, command.query, _problem(engine, command))


def run_script(path: Path) -> Iterator[tuple[str, str]]:
    """`file:line` and what is wrong, for every case that does not pass."""
    for case in run_cases(path):
        if case.problem:
            yield f"{path.name}:{case.line}", case.problem


def _problem(engine: Engine, case: Eval) -> str:
    try:
        run_eval(engine, case)
    except Mismatch as error:
        return str(error)
    except PromlabError as error:
        return f"failed: {error}"
    return ""


def load(querier: MemoryQuerier, command: Load) -> None:
    """Store what a `load` says."""
    for series in command.series:
        samples = [
            (i * command.step_ms, value)
            for i, value in enumerate(series.values)
            if value is not None
        ]
        starts = {
            i * command.step_ms: i * command.step_ms + offset
            for i, offset in enumerate(series.starts)
            if offset is not None
        }
        querier.add(series.labels, samples, starts)
    if command.with_custom:
        for labels, histograms in custom_series(command):
            querier.add(labels, histograms)


def run_eval(engine: Engine, case: Eval) -> None:
    """Check one `eval`, also as a range query and with `@`. Raises Mismatch."""
    if case.expects("fail"):
        check_failure(engine, case)
        return
    result = ask(engine, case)
    check_annotations(case, result)
    if case.step_ms:
        check_range(case, result.value)
        return
    check_instant(case, result.value)
    expr = engine.plan(case.query).expr
    if not isinstance(result.value, InstantVector | Scalar):
        return
    calls = {node.function for node in walk(expr) if isinstance(node, Call)}
    if not case.expects("ordered") and not calls & OF_QUERY and "sort" not in calls:
        check_as_range(engine, case)
    if not calls & (STEP_DEPENDENT | OF_QUERY) and "start()" not in case.query:
        check_fixed(engine, case, expr)


def ask(engine: Engine, case: Eval) -> QueryResult:
    """The answer to the query of an `eval`."""
    if case.step_ms:
        return engine.range(case.query, case.start_ms, case.end_ms, case.step_ms)
    return engine.instant(case.query, case.start_ms)


def check_failure(engine: Engine, case: Eval) -> None:
    """The query has to fail, with the expected message."""
    try:
        ask(engine, case)
    except PromlabError as error:
        message = getattr(error, "message", str(error))
        for expected in case.expectations:
            if expected.how == "msg" and expected.text != message:
                raise Mismatch(f"failed with {message!r}, not {expected.text!r}") from None
            if expected.how == "regex" and not compile_regex(expected.text).search(message):
                raise Mismatch(f"failed with {message!r}, not {expected.text!r}") from None
        return
    raise Mismatch("did not fail")


def check_annotations(case: Eval, result: QueryResult) -> None:
    """Warnings and infos have to be the expected ones."""
    for kind, found in (("warn", result.warnings), ("info", result.infos)):
        if case.expects(f"no_{kind}") and found:
            raise Mismatch(f"unexpected {kind}: {found}")
        expected = [e for e in case.expectations if e.kind == kind]
        if not expected:
            continue
        if not found:
            raise Mismatch(f"no {kind}")
        for wanted in expected:
            if wanted.how and not any(annotated(wanted, text) for text in found):
                raise Mismatch(f"no {kind} {wanted.text!r} among {found}")
        if any(e.how for e in expected):
            for text in found:
                if not any(annotated(wanted, text) for wanted in expected if wanted.how):
                    raise Mismatch(f"unexpected {kind}: {text!r}")


def annotated(expected: Any, text: str) -> bool:
    """Whether an annotation is an expected one."""
    if expected.how == "regex":
        return compile_regex(expected.text).search(text) is not None
    return bool(expected.text == text)


def check_instant(case: Eval, value: object) -> None:
    """The answer to an instant query has to be the expected one."""
    t = case.start_ms
    for expected in case.expectations:
        if expected.kind == "string":
            found_text = value.value if isinstance(value, String) else f"{value}"
            expect(found_text == expected.text, f"{found_text!r} instead of {expected.text!r}")
            return
        if expected.kind == "range vector":
            check_raw(case, expected.text, value)
            return
    if case.scalar is not None:
        if not isinstance(value, Scalar):
            raise Mismatch(f"{value} instead of a scalar")
        if not same(case.scalar, value.value):
            raise Mismatch(f"{value.value} instead of {case.scalar}")
        return
    if not isinstance(value, InstantVector):
        raise Mismatch(f"{value} instead of an instant vector")
    samples = with_histograms(value.values, value.histograms)
    found: Rows = [(value.labels.row(i), {t: x}) for i, x in enumerate(samples)]
    wanted = on_grid(case, range(t, t + 1))
    compare(found, wanted, ordered=case.expects("ordered"))


def check_raw(case: Eval, times: str, value: object) -> None:
    """The samples of a range vector have to be the expected ones."""
    if not isinstance(value, RawMatrix):
        raise Mismatch(f"{value} instead of a range vector")
    _, start, _, end, _, step = times.split()
    found: Rows = []
    for s in range(value.batch.n):
        at, values = value.batch.series(s)
        column = value.batch.histograms
        if column is not None:
            inside = slice(int(value.batch.offsets[s]), int(value.batch.offsets[s + 1]))
            column = replace(column, index=column.index[inside])
        samples = with_histograms(values, column)
        found.append((value.batch.labels.row(s), dict(zip(at.tolist(), samples, strict=True))))
    grid = range(time_ms(start), time_ms(end) + 1, time_ms(step))
    compare(found, on_grid(case, grid), ordered=False)


def check_range(case: Eval, value: object) -> None:
    """The answer to a range query has to be the expected one."""
    if not isinstance(value, Matrix):
        raise Mismatch(f"{value} instead of a matrix")
    grid = range(case.start_ms, case.end_ms + 1, case.step_ms)
    if case.scalar is not None:
        wanted: Rows = [({}, dict.fromkeys(grid, case.scalar))]
    else:
        wanted = on_grid(case, grid)
    found = matrix_rows(value)
    keys = [sorted(labels.items()) for labels, _ in found]
    expect(keys == sorted(keys), "the series are not sorted by their labels")
    compare(found, wanted, ordered=False)


def check_as_range(engine: Engine, case: Eval) -> None:
    """The same as the middle step of a range query."""
    t = case.start_ms
    value = engine.range(case.query, t - 60_000, t + 60_000, 60_000).value
    if not isinstance(value, Matrix):
        raise Mismatch(f"{value} instead of a matrix")
    middle = [(labels, {t: row[t]}) for labels, row in matrix_rows(value) if t in row]
    if case.scalar is not None:
        compare(middle, [({}, {t: case.scalar})], ordered=False)
        return
    wanted = on_grid(case, range(t, t + 1))
    compare(middle, wanted, ordered=False)


def check_fixed(engine: Engine, case: Eval, expr: Expr) -> None:
    """The same at other times, with `@` on all selectors."""
    t = case.start_ms
    query = str(fixed(expr, t))
    times = [0, t // 5, t, 10 * t, -10 * t] if t else [-1000, 0, 1000]
    for at in times:
        moved = Eval(case.line, query, at, at, 0, case.expectations, case.series, case.scalar)
        try:
            check_instant(moved, engine.instant(query, at).value)
        except (Mismatch, PromlabError) as error:
            raise Mismatch(f"{query} at {at}: {error}") from error


def fixed(expr: Expr, t_ms: int) -> Node:
    """The expression with every selector and outermost subquery at this moment."""
    inside: set[int] = set()
    for node in walk(expr):
        if isinstance(node, Subquery):
            inside.update(id(below) for below in walk(node.expr))

    # Nodes get rebuilt from below, so those inside subqueries are told by position.
    places = {(n.start, n.end) for n in walk(expr) if id(n) in inside}

    def fix(node: Node) -> Node:
        if (node.start, node.end) in places or not isinstance(node, VectorSelector | Subquery):
            return node
        return node if node.at is not None else replace(node, at=t_ms)

    return rewrite(expr, fix)
