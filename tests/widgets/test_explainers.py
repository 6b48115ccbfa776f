"""Explainers: their numbers are the engine's, and nothing from the page gets in unchecked."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from promlab.errors import PromlabError
from promlab.lab import explain
from promlab.lab.explain.metric_type import THINGS
from promlab.lab.explain.quantile import durations, estimate, native
from promlab.lab.explain.rate import _SAMPLES, _samples, _source, assemble
from promlab.lab.explain.vanishing import _ENDINGS
from promlab.lab.explain.world import ask
from promlab.widgets.explainer import Explainer
from promlab.widgets.scene import Axis, Control, Mark, Scene, svg

ALL = (explain.rate, explain.vanishing, explain.quantile, explain.choose_type)


@pytest.mark.parametrize("make", ALL)
def test_each_has_a_picture_and_a_text(make: Callable[[], Explainer]) -> None:
    shown = make()
    bundle = shown._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    ElementTree.fromstring(bundle["image/svg+xml"])
    assert shown.current.title in bundle["text/plain"]
    assert all(handle.label for handle in shown.current.handles)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(_SAMPLES)),
    st.integers(0, 140),
    st.integers(5, 150),
    st.sampled_from(["rate", "increase"]),
)
def test_the_assembled_number_is_the_engines(what: str, start: int, size: int, how: str) -> None:
    end = start + size
    terms = assemble(*_samples(what), start, end, how)
    found = ask(_source(what), f"{how}(c[{size}s])", end)
    if terms is None:
        assert found is None
    else:
        assert found == pytest.approx(terms.result, rel=1e-12)


@pytest.mark.parametrize(
    ("at", "seen", "seen_without_marker"),
    [(195, True, True), (209, True, True), (210, False, True), (494, False, True),
     (495, False, False)],
)  # fmt: skip
def test_a_marker_ends_a_series_and_age_does_later(
    at: int, seen: bool, seen_without_marker: bool
) -> None:
    for ending, expected in zip(_ENDINGS, (seen, seen_without_marker), strict=False):
        verdict = explain.vanishing().set(at=at, ending=ending).current.verdict
        assert ("nothing" not in verdict) == expected


@pytest.mark.parametrize(("at", "seen"), [(179, True), (239, True), (479, True), (480, False)])
def test_the_exporters_own_clock_decides_when_it_sends_timestamps(at: int, seen: bool) -> None:
    """It looked at second 180 for the last time, though it was scraped until 195."""
    scene = explain.vanishing().set(at=at, death=200, ending=_ENDINGS[2]).current
    assert ("nothing" not in scene.verdict) == seen
    assert {row[0]: row[1] for row in scene.rows}["stale marker"] == "none"


@pytest.mark.parametrize(
    ("ending", "right"),
    [(_ENDINGS[0], ["nothing", "nothing", "nothing"]),
     (_ENDINGS[1], ["a value", "a value", "nothing"]),
     (_ENDINGS[2], ["a value", "a value", "nothing"])],
)  # fmt: skip
def test_guesses_are_held_against_the_engine(ending: str, right: list[str]) -> None:
    shown = explain.vanishing().set(ending=ending)
    guesses = [control.name for control in shown.current.controls[1:]]
    assert [control.note for control in shown.current.controls[1:]] == ["", "", ""]
    shown.set(**dict(zip(guesses, right, strict=True)))
    assert all(control.good for control in shown.current.controls[1:])
    shown.set(**dict.fromkeys(guesses, "a value"))
    told = [control.good for control in shown.current.controls[1:]]
    assert told == [there == "a value" for there in right]


@pytest.mark.parametrize("shape", ["one hump", "two humps", "a long tail", "a stall"])
@pytest.mark.parametrize("q", ["0.5", "0.9", "0.95", "0.99"])
def test_a_native_histogram_is_near_without_bounds(shape: str, q: str) -> None:
    found, buckets = native(shape, q)
    truth = np.quantile(durations(shape), float(q))
    assert found == pytest.approx(truth, rel=0.05)
    assert 10 < buckets < 150


def test_the_plateau_of_the_last_bound() -> None:
    """Whatever the stalled ones waited, the classic estimate is the last bound."""
    shown = explain.quantile().set(shape="a stall", q="0.99")
    rows = {row[0]: row[1] for row in shown.current.rows}
    assert rows["estimate"] == "10 s"
    assert float(rows["truth"].removesuffix(" s")) > 12
    assert float(rows["native histogram"].removesuffix(" s")) > 12


def test_a_bound_at_the_truth_gives_a_good_estimate() -> None:
    for shape in ("one hump", "two humps", "a long tail"):
        truth = float(np.quantile(durations(shape), 0.95))
        near = estimate(shape, [truth * 0.9, truth, truth * 1.1], "0.95")
        assert near == pytest.approx(truth, rel=0.01)
        assert estimate(shape, [0.001, 0.002], "0.95") == 0.002  # stops at the last bound


def test_the_task_of_the_quantile_can_be_solved() -> None:
    moved = explain.quantile()
    assert "more than 5 %" in moved.current.verdict
    moved.set(b3=-0.45, b4=-0.35)
    assert "within 5 %" in moved.current.verdict


def test_matching_all_things() -> None:
    shown = explain.choose_type().set(**{name: right for name, (_, right) in THINGS.items()})
    assert shown.current.verdict == "12 of 12 are right"
    shown.set(t01="gauge")
    assert shown.current.verdict == "11 of 12 are right"
    assert "never saw the burst" in shown.current.title
    wrong = next(control for control in shown.current.controls if control.name == "t01")
    assert wrong.good is False
    assert "between two scrapes" in wrong.note


@pytest.mark.parametrize("right", ["counter", "gauge", "histogram", "summary"])
def test_each_wrong_choice_has_its_reason(right: str) -> None:
    name = next(name for name, (_, kind) in THINGS.items() if kind == right)
    for wrong in {"counter", "gauge", "histogram", "summary"} - {right}:
        shown = explain.choose_type().set(**{name: wrong})
        assert next(c for c in shown.current.controls if c.name == name).note


@pytest.mark.parametrize("kind", ["counter", "gauge", "histogram", "summary"])
def test_code_and_exposition_text_stand_beside_the_picture(kind: str) -> None:
    scene = explain.choose_type().set(t01=kind).current
    code, _, text = scene.listing.partition("\n\n")
    assert f"{kind.title()}(" in code
    assert f"# TYPE {'events' if kind in ('counter', 'gauge') else 'seconds'}" in text
    assert scene.listing in scene.text()
    assert {family.type for family in text_string_to_metric_families(text + "\n")} == {kind}


def test_what_the_page_sends_is_checked() -> None:
    shown = explain.rate()
    before = shown.current.title
    for name, value in [("start", "1e999"), ("start", None), ("what", "<b>"), ("nobody", 1)]:
        shown._heard(shown, {"kind": "set", "name": name, "value": value, "number": 7}, [])
    shown._heard(shown, ["nonsense"], [])
    assert shown.current.title == before
    assert shown.seen == 7
    shown._heard(shown, {"kind": "set", "name": "start", "value": -50, "number": 8}, [])
    assert shown.current.handles[0].at == 0
    with pytest.raises(PromlabError, match="one of"):
        shown.set(how="delta")


def test_words_are_escaped() -> None:
    evil = "<script>x</script>"
    axis = Axis(0, 1, evil, [(0, evil)])
    scene = Scene(
        evil, axis, axis, [Mark("across", "data", [(1,)], evil)],
        controls=[Control("c", evil, "", ("",))], legend=[("data", evil)],
    )  # fmt: skip
    assert "<script" not in svg(scene)
