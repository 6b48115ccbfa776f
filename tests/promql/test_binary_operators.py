"""Operators, case by case: numbers, joins, fill, histograms, trimming."""

from __future__ import annotations

import pytest

from tests.promql.cases import check

SIDES = ('a{k="1"} 6', 'a{k="2"} -3', 'b{k="1"} 4', 'b{k="3"} 5')
HISTOGRAMS = (
    "h {{schema:0 count:6 sum:9 z_bucket:1 z_bucket_w:0.1 buckets:[2 3]}}",
    "g {{schema:1 count:3 sum:2 buckets:[1 1 1]}}",
    "f 2",
)


@pytest.mark.parametrize(
    ("op", "value"),
    [("+", 10), ("-", 2), ("*", 24), ("/", 1.5), ("%", 2), ("^", 1296), ("atan2", 0.9827937232473)],
)
def test_arithmetic(op: str, value: float) -> None:
    check(SIDES, f"a {op} b", f'{{k="1"}} {value}')
    check((), f"6 {op} 4", f"scalar {value}")
    check(SIDES, f'a{{k="1"}} {op} 4', f'{{k="1"}} {value}')
    check(SIDES, f'6 {op} b{{k="1"}}', f'{{k="1"}} {value}')


@pytest.mark.parametrize(
    ("op", "holds"), [("==", 0), ("!=", 1), (">", 1), (">=", 1), ("<", 0), ("<=", 0)]
)
def test_comparisons(op: str, holds: int) -> None:
    kept = ['a{k="1"} 6'] * holds
    check(SIDES, f"a {op} b", *kept)
    check(SIDES, f"a {op} bool b", f'{{k="1"}} {holds}')
    check(SIDES, f'a{{k="1"}} {op} 4', *kept)
    check((), f"6 {op} bool 4", f"scalar {holds}")


def test_sets() -> None:
    check(SIDES, "a and b", 'a{k="1"} 6')
    check(SIDES, "a unless b", 'a{k="2"} -3')
    check(SIDES, "a or b", 'a{k="1"} 6', 'a{k="2"} -3', 'b{k="3"} 5')
    check((*SIDES, *HISTOGRAMS), "h or f", HISTOGRAMS[0])
    check((*SIDES, *HISTOGRAMS), "f or on (x) h", "f 2")
    check((*SIDES, *HISTOGRAMS), "h and f", HISTOGRAMS[0])


def test_fill() -> None:
    check(SIDES, "a + fill(0) b", '{k="1"} 10', '{k="2"} -3', '{k="3"} 5')
    check(SIDES, "a - fill_left(1) b", '{k="1"} 2', '{k="3"} -4')
    check(SIDES, "a - fill_right(1) b", '{k="1"} 2', '{k="2"} -4')
    check(SIDES, "a < fill_right(1) b", 'a{k="2"} -3')
    many = ('m{k="1", l="x"} 1', 'm{k="2", l="y"} 2', 'o{k="1", n="z"} 10', 'o{k="3", n="w"} 30')
    check(
        many,
        "m + on (k) group_left (n) fill(0) o",
        '{k="1", l="x", n="z"} 11',
        '{k="2", l="y"} 2',
        '{k="3", n="w"} 30',
    )
    check((*SIDES, "b 7"), "a + on (k) fill(0) nothing", '{k="1"} 6', '{k="2"} -3')


def test_filling_needs_one_series_a_group() -> None:
    lines = ('a{k="1", x="1"} 1', 'b{k="1", x="1"} 1', 'b{k="1", x="2"} 1')
    check(lines, "nothing + on (k) fill_left(0) b", fails="found duplicate series")


def test_histograms_with_histograms() -> None:
    both = "{} {{count:9 sum:11 z_bucket:1 z_bucket_w:0.1 buckets:[3 5]}}"
    check(HISTOGRAMS, "h + g", both)
    change = "{} {{count:3 sum:7 z_bucket:1 z_bucket_w:0.1 buckets:[1 1] counter_reset_hint:gauge}}"
    check(HISTOGRAMS, "h - g", change)
    check(HISTOGRAMS, "h == h", HISTOGRAMS[0])
    check(HISTOGRAMS, "h == g")
    check(HISTOGRAMS, "h != g", HISTOGRAMS[0])
    check(HISTOGRAMS, "h == bool g", "{} 0")
    for op in ("*", "/", "%", "^", ">", "< bool"):
        message = "incompatible sample types encountered for binary operator"
        check(HISTOGRAMS, f"h {op} g", info=message)


def test_histograms_with_numbers() -> None:
    double = "{} {{count:12 sum:18 z_bucket:2 z_bucket_w:0.1 buckets:[4 6]}}"
    for query in ("h * 2", "2 * h", "h * f", "f * h", "h / 0.5"):
        check(HISTOGRAMS, query, double)
    less = "{} {{count:-6 sum:-9 z_bucket:-1 z_bucket_w:0.1 buckets:[-2 -3] "
    check(HISTOGRAMS, "-h", less + "counter_reset_hint:gauge}}")
    for query in ("h + 2", "2 - h", "2 / h", "h > 1", "h == bool 2", "h + f", "f / h"):
        check(HISTOGRAMS, query, info="incompatible sample types encountered for binary operator")
    check(HISTOGRAMS, "h + custom")


def test_exponential_and_custom_buckets_do_not_add() -> None:
    custom = "c {{schema:-53 count:1 sum:1 custom_values:[1] buckets:[1]}}"
    check((*HISTOGRAMS, custom), "h + c", warn=r"incompatible bucket layout .* operator \+")
    check((*HISTOGRAMS, custom), "h == c")


def test_trimming() -> None:
    # (1, 2] with 3 observations, cut at its geometric middle.
    below = "h {{count:4.5 sum:3.198 z_bucket:1 z_bucket_w:0.1 buckets:[2 1.5]}}"
    lines = (
        "h {{schema:0 count:6 sum:9 z_bucket:1 z_bucket_w:0.1 buckets:[2 3]}}",
        *HISTOGRAMS[1:],
    )
    found = 1 * 0.05 + 2 * 0.5**0.5 + 1.5 * 2**0.25
    check(lines, "h </ 1.4142135623730951", below.replace("3.198", repr(found)))
    check(lines, "h >/ 100", "h {{z_bucket_w:0.1}}")
    check(lines, "h >/ 0", lines[0])
    check(
        lines,
        "h </ on () f",
        "{} {{schema:0 count:6 sum:9 z_bucket:1 z_bucket_w:0.1 buckets:[2 3]}}",
    )
    check(lines, "f </ 1", info="float </ float")
    check(lines, "2 >/ h", info="float >/ histogram")
    custom = ("c {{schema:-53 count:6 sum:9 custom_values:[1 3] buckets:[1 4 1]}}",)
    trimmed = "c {{schema:-53 count:3 sum:5.5 custom_values:[1 3] offset:1 buckets:[2 1]}}"
    check(custom, "c >/ 2", trimmed.replace("5.5", "8"))
