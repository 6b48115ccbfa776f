"""The till: code that measures rightly passes, and each mistake is told in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import Counter, Gauge, Histogram, Summary

from promlab.lab.instrumenting import Event, TillCourse, till_course

BUCKETS = [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15]


def till(registry: Any, **other: Any) -> Callable[[Event], None]:
    """A good till; `other` are mistakes by name."""
    count = other.get("count", Counter)("till_payments", "x", ["how"], registry=registry)
    waiting = other.get("level", Gauge)(other.get("name", "till_waiting"), "x", registry=registry)
    options = {"buckets": other.get("buckets", BUCKETS)} if "spread" not in other else {}
    seconds = other.get("spread", Histogram)("till_seconds", "x", registry=registry, **options)

    def happens(event: Event) -> None:
        if event.kind == "comes":
            waiting.inc()
            return
        if not other.get("stays"):
            waiting.dec()
        if event.how != other.get("forgets"):
            count.labels(how=event.how).inc()
        seconds.observe(event.seconds * other.get("factor", 1))

    return happens


@pytest.fixture
def practice() -> Iterator[TillCourse]:
    course = till_course(till)
    yield course
    course.close()


def test_good_code_passes(practice: TillCourse) -> None:
    verdicts = [practice.check(number) for number in (1, 2, 3)]
    assert all(verdicts), verdicts
    assert "3 of 3 steps done" in repr(practice)


@pytest.mark.parametrize(
    ("number", "mistake", "told"),
    [
        (1, {"count": Gauge}, "till_payments is a gauge: make it a counter"),
        (1, {"forgets": "cash"}, 'no series with how="cash"'),
        (2, {"name": "till_queue"}, "the scrape has no till_waiting: make Gauge("),
        (2, {"stays": True}, "dec when one pays"),
        (3, {"spread": Summary}, "till_seconds is a summary: make it a histogram"),
        (3, {"buckets": [1, 100]}, "choose buckets that lie close together"),
        (3, {"factor": 1000}, "it takes seconds, as they are"),
    ],
)
def test_each_mistake_is_told(
    practice: TillCourse, number: int, mistake: dict[str, Any], told: str
) -> None:
    practice.use(lambda registry: till(registry, **mistake))
    verdict = practice.check(number)
    assert not verdict
    assert told in verdict.text


def test_a_counter_for_a_level_stops_in_words(practice: TillCourse) -> None:
    verdict = practice.use(lambda registry: till(registry, level=Counter)).check(2)
    assert "your code stopped with AttributeError" in verdict.text
    assert "dec" in verdict.text


def test_what_gives_nothing_back(practice: TillCourse) -> None:
    verdict = practice.use(lambda registry: None).check(1)  # type: ignore[arg-type,return-value]
    assert "return happens" in verdict.text


def test_three_hints_and_the_last_one_is_the_answer(practice: TillCourse) -> None:
    hints = [practice.hint(3) for _ in range(4)]
    assert hints[2] == hints[3]
    assert "Histogram(" in hints[2]
