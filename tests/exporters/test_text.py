"""Reading the text format strictly."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promlab.errors import ExpositionError
from promlab.exporters.families import gauge, render
from promlab.exporters.text import parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(values=st.dictionaries(TEXT, st.floats(), min_size=1), help_=TEXT)
def test_what_is_rendered_is_read(values: dict[str, float], help_: str) -> None:
    family = gauge("a:b_c", help_)
    for text, value in values.items():
        family.add(value, {"x": text})
    (read,) = parse(render([family]).decode())
    assert (read.name, read.type) == ("a:b_c", "gauge")
    assert read.help.strip() == help_.strip(" \t\r").strip()
    got = {labels["x"]: value for _, labels, value in read.samples}
    assert got.keys() == values.keys()
    assert all(got[x] == v or (math.isnan(v) and math.isnan(got[x])) for x, v in values.items())


@given(st.text(st.sampled_from('ab{}=",\\ \t\n#1.e+-') | st.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ExpositionError):
        assert all(family.samples for family in parse(text))


@pytest.mark.parametrize(
    ("line", "name", "labels", "value"),
    [
        ("a 1", "a", {}, 1.0),
        ("a{} 1e3 123", "a", {}, 1000.0),
        (' a { b = "c" , } -Inf', "a", {"b": "c"}, -math.inf),
        ('a{b="x\\ny\\\\z\\"",c=""}\t.5', "a", {"b": 'x\ny\\z"', "c": ""}, 0.5),
        ('a{b="}"} +1', "a", {"b": "}"}, 1.0),
    ],
)
def test_samples(line: str, name: str, labels: dict[str, str], value: float) -> None:
    (family,) = parse(line + "\n")
    assert family.samples == [(name, labels, value)]


@pytest.mark.parametrize(
    "text",
    [
        "a\n", "a b\n", "1a 1\n", "a{ 1\n", "a{b} 1\n", 'a{b="c" 1\n', 'a{b="c"d="e"} 1\n',
        'a{b="c",b="d"} 1\n', "a 1 2 3\n", "a 1 1.5\n", "a 0x10\n", "a 1_0\n", "a 1\na 2\n",
        "# TYPE a thing\n", "a 1\n# TYPE a gauge\n", "a 1", 'a{b="c\n',
    ],
)  # fmt: skip
def test_mistakes(text: str) -> None:
    with pytest.raises(ExpositionError):
        parse(text)


def test_a_mistake_says_where() -> None:
    with pytest.raises(ExpositionError, match=r"line 2: expected a number in 'b x'"):
        parse("a 1\nb x\n")
    with pytest.raises(ExpositionError, match="timestamps"):
        parse("a 1 5\n", allow_timestamps=False)
