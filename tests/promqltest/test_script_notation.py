"""Scripts as people write them: every form is read, and what is none has an error with its line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from promlab.errors import ScriptError
from promlab.promqltest.runner import run_cases
from promlab.promqltest.series import read_values


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "case.test"
    path.write_text(text, encoding="utf-8")
    return [case.problem for case in run_cases(path)]


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ScriptError) as caught:
        problems(folder, text)
    return str(caught.value).removeprefix(f"{folder}/")


def test_a_clear_needs_no_empty_line_after_it(tmp_path: Path) -> None:
    text = "load 1m\n m 1 2\n\nclear\nload 1m\n  m 5 6\n\neval instant at 1m m\n  m 6\n"
    assert problems(tmp_path, text) == [""]


def test_blanks_and_tabs_between_words(tmp_path: Path) -> None:
    text = (
        "load \t1m\n\tm 1 2\n\neval  instant\tat  1m\t m\n  m 2\n\n"
        "eval range  from 0  to 1m  step 1m  m\n  m 1 2\n"
    )
    assert problems(tmp_path, text) == ["", ""]


def test_older_forms_of_failures(tmp_path: Path) -> None:
    message = 'expected type range vector in call to function "rate", got instant vector'
    text = "eval_fail instant at 0 rate(m)\n  "
    assert problems(tmp_path, f"{text}expected_fail_message {message}\n") == [""]
    assert problems(tmp_path, f"{text}expected_fail_regexp .*range vec.* \n") == [""]
    assert problems(tmp_path, f"{text}expected_fail_message other\n") != [""]
    assert problems(tmp_path, f"{text}expected_fail_regexp ^other\n") != [""]


def test_scalars_of_every_spelling(tmp_path: Path) -> None:
    values = ["inf", "-INF", "nan", "0x1F", "-1_000", "017", ".5e1"]
    cases = "".join(f"eval instant at 0 {value}\n  {value}\n\n" for value in values)
    assert problems(tmp_path, cases) == [""] * len(values)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("expect foo", "expects nothing known"),
        ("expect warn foo", "expects nothing known"),
        ("expect fail regex: (", "error parsing regexp"),
        ("expect string x", "no string in quotes"),
        ("expect range vector from 1 to", "expects nothing known"),
        ("expect range vector from 1m to 0 step 1m", "no times"),
        ("m 1 2", "write one"),
        ("m{a= 1", "not labels"),
        ("m {{foo:1}}", "bad histogram descriptor"),
    ],
)
def test_an_expectation_that_is_none(tmp_path: Path, line: str, says: str) -> None:
    text = refusal(tmp_path, f"# a comment\neval instant at 0 m\n  {line}\n")
    assert text.startswith("case.test:3: ")
    assert says in text


@pytest.mark.parametrize(
    "block",
    [
        "load",
        "load 1q",
        "load 1m 2m",
        "eval instant at m",
        "eval_ordered range from 0 to 1m step 1m m",
        "eval range from 0 to 1m step 0 m",
        "eval range from 2m to 1m step 1m m",
        "clear all",
        "evil",
    ],
)
def test_a_command_that_is_none(tmp_path: Path, block: str) -> None:
    assert refusal(tmp_path, f"\n{block}\n").startswith("case.test:2: ")


def test_more_values_than_steps_are_a_failure(tmp_path: Path) -> None:
    text = "load 1m\n  m 1 2 3\n\neval range from 0 to 1m step 1m m\n  m 1 2 3\n"
    (problem,) = problems(tmp_path, text)
    assert "at 2 steps" in problem


def test_classic_histograms_with_parts_missing(tmp_path: Path) -> None:
    text = (
        'load_with_nhcb 1m\n  h_sum 1 2\n  b_bucket{le="x"} 1 2\n'
        '  c_bucket{le="1"} 1 2\n  c_bucket{le="+Inf"} 3 4\n  c_count 3\n\n'
        "eval instant at 1m histogram_count(c)\n  {} 4\n\neval instant at 1m h\n\n"
        "eval instant at 1m b\n"
    )
    assert problems(tmp_path, text) == ["", "", ""]
    assert ":2: a classic histogram has a name" in refusal(
        tmp_path, 'load_with_nhcb 1m\n  {a="b"} 1\n'
    )


def test_numbers_are_read_as_in_queries() -> None:
    assert read_values("1_000 010 .5+.5x1 5.x1 -iNf") == [1000, 8, 0.5, 1, 5, 5, -math.inf]


@pytest.mark.parametrize(
    "values",
    [
        "1+2",
        "1+-2x3",
        "1 + 2x3",
        "1e400",
        "1x99999999999",
        "1x-1",
        "Stale",
        "infinity",
        "{{sum:a}}",
        "{{sum: 1}}",
        "{{sum:1 sum:2}}",
        "{{sum:1,count:2}}",
        "{{schema:1.5}}",
        "{{buckets:[1,2]}}",
        "{{buckets:1}}",
        "{{sum:[1]}}",
        "{{counter_reset_hint:foo}}",
        "{{sum:1}}{{sum:2}}",
        "{{sum:1}}+{{sum:2}}",
        "{{schema:3}}+{{schema:1}}x4",
        "{{schema:0}}+{{schema:-53 custom_values:[1]}}x4",
        "{{sum:1}",
    ],
)
def test_values_that_are_none(values: str) -> None:
    with pytest.raises(ScriptError):
        read_values(values)
