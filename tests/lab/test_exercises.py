"""Answers are judged by what they find, with the reason where they are wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from promlab.lab import Exercise, Exercises, predict, simulate
from promlab.lab.fleet.world import World

RATE = "sum by (path) (rate(http_requests_total[5m]))"


def make_world(seed: int) -> World:
    world = simulate(seed)
    world.advance("8m")
    return world


@pytest.fixture(scope="module")
def practice() -> Iterator[Exercises]:
    made = Exercises(
        "Queries",
        make_world,
        [
            Exercise("By path", "Requests per second by path.", RATE, ("rate", "sum by", RATE)),
            Exercise("One number", "Targets, as a number.", "scalar(count(up))", ("", "", "")),
        ],
    )
    yield made
    made.close()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "no answer yet"),
        ("sum(", "unclosed"),
        ("http_requests_total[5m]", "a range vector"),
        ("1", "a scalar"),
        ("sum by (path) (rate(http_requests_total[2m]))", "3 of 3 values"),
        ("sum by (path, job) (rate(http_requests_total[5m]))", "no label job is wanted"),
        ("sum by (job) (rate(http_requests_total[5m]))", "path is missing"),
        (f'{RATE} unless on (path) vector(1) or label_replace({RATE}, "path", "x", "path", "/")',
         'path="x"'),
        ("rate(http_request_total[5m])", "no series is called"),
        ("up * on (job) up", "can't be evaluated"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_told_why(practice: Exercises, query: str, says: str) -> None:
    verdict = practice.answer(1, query)
    assert not verdict
    assert says in verdict.text


@pytest.mark.parametrize(
    "query",
    [
        RATE,
        "sum without (code, instance, job, zone) (rate(http_requests_total[5m]))",
        "sum by (path) (increase(http_requests_total[5m])) / 300",
    ],
)
def test_any_way_to_the_same_result_is_right(practice: Exercises, query: str) -> None:
    assert practice.answer(1, query), practice.check(1)


def test_what_holds_in_one_world_only_is_wrong(practice: Exercises) -> None:
    value = make_world(1).query(RATE)
    rows = [
        f'label_replace(vector({v!r}), "path", "{labels["path"]}", "", "")'
        for labels, v in zip(value.batch.labels.rows(), value.values.tolist(), strict=True)
    ]
    verdict = practice.answer(1, " or ".join(rows))
    assert not verdict
    assert "seed 2" in verdict.text


def test_reset_forgets(practice: Exercises) -> None:
    assert practice.answer(2, "scalar(sum(up))")
    assert practice.task(2) in practice.reset(2)
    assert not practice.check(2)


def test_a_guess_is_held_against_the_truth() -> None:
    guess = predict("How many?", 10)
    assert "10" in repr(guess)
    assert guess.check(10.5)
    wrong = guess.check(20)
    assert not wrong
    assert "50% off" in wrong.text
