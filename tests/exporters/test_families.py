"""The text of families, read back by a parser that is not ours."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from promlab.exporters.families import Family, counter, gauge, info, render, untyped

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x85\u2028\u2029"))


@given(
    help_=st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])).map(str.strip),
    values=st.dictionaries(TEXT, st.floats(), max_size=5),
)
def test_any_label_and_value_survives(help_: str, values: dict[str, float]) -> None:
    family = gauge("a_metric", help_)
    for text, value in values.items():
        family.add(value, {"label": text, "other": "x"})
    found = list(text_string_to_metric_families(render([family]).decode()))
    if not values:
        assert not found
        return
    read = {sample.labels["label"]: sample.value for sample in found[0].samples}
    assert read.keys() == values.keys()
    for text, value in values.items():
        assert read[text] == value or (math.isnan(value) and math.isnan(read[text]))


def test_text_is_sorted_and_typed() -> None:
    families = [
        untyped("c", "C\nwith a line", 1),
        counter("b_total", "B", 2.5),
        info("a_info", "back\\slash", {"k": 'v"\n\\'}),
        Family("empty", "gauge", "no samples"),
    ]
    assert render(families).decode() == (
        "# HELP a_info back\\\\slash\n# TYPE a_info gauge\n"
        'a_info{k="v\\"\\n\\\\"} 1\n'
        "# HELP b_total B\n# TYPE b_total counter\nb_total 2.5\n"
        "# HELP c C\\nwith a line\n# TYPE c untyped\nc 1\n"
    )


def test_special_values() -> None:
    family = gauge("x", "X")
    for value in (math.inf, -math.inf, math.nan, 1e300, 12345678901234567):
        family.add(value)
    lines = [line for line in render([family]).decode().splitlines() if line[0] != "#"]
    assert lines == ["x +Inf", "x -Inf", "x NaN", "x 1e+300", "x 1.2345678901234568e+16"]
